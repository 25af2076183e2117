"""Versions: a refused resume names those that differ."""

import importlib
import json
import platform

import chex
import pytest

import jaxembed
from jaxembed import optim
from jaxembed.train.checkpoint import _resume
from jaxembed.train.checkpoint._read import read_meta
from jaxembed.train.checkpoint._versions import find_versions

PACKAGES = ("jax", "jaxlib", "flax", "optax")


@pytest.fixture
def pretend(monkeypatch):
    """Make a resume believe that it runs with other versions."""

    def call(**versions):
        found = find_versions() | versions
        monkeypatch.setattr(_resume, "find_versions", lambda: found)

    return call


def test_a_checkpoint_has_its_versions(fit, tmp_path):
    fit(epochs=1, checkpoint=tmp_path / "run")
    expected = {name: importlib.metadata.version(name) for name in PACKAGES}
    found = read_meta(tmp_path / "run" / "0")["versions"]
    own = {"python": platform.python_version(), "jaxembed": jaxembed.__version__}
    assert found == own | expected


def test_another_program_names_the_versions(fit, tmp_path, pretend):
    fit(epochs=1, checkpoint=tmp_path / "run")
    changed = {"epochs": 2, "tx": optim.rmsprop(0.5), "checkpoint": tmp_path / "run"}
    with pytest.raises(ValueError, match="differs in program: .* versions are equal."):
        fit(**changed)
    pretend(jaxlib="9.9", flax="8.8")
    jaxlib, flax = (find_versions()[name] for name in ("jaxlib", "flax"))
    message = (
        f"Versions: jaxlib {jaxlib} then and 9.9 now, flax {flax} then and 8.8 now"
    )
    with pytest.raises(ValueError, match=f"differs in program: .* {message}"):
        fit(**changed)


@pytest.mark.parametrize("package", ["jax", "jaxlib"])
def test_another_compiler_of_an_equal_program_is_a_warning(
    fit, tmp_path, pretend, package
):
    whole, _ = fit(epochs=2)
    fit(epochs=1, checkpoint=tmp_path / "run")
    pretend(**{package: "9.9"})
    now = find_versions()[package]
    message = f"other versions: {package} {now} then and 9.9 now. The run is resumed"
    with pytest.warns(UserWarning, match=message):
        resumed, _ = fit(epochs=2, checkpoint=tmp_path / "run")
    chex.assert_trees_all_equal(resumed, whole)


def test_other_packages_with_an_equal_program_are_no_warning(fit, tmp_path, pretend):
    fit(epochs=1, checkpoint=tmp_path / "run")
    pretend(python="9", flax="9", optax="9", jaxembed="9")
    assert len(fit(epochs=2, checkpoint=tmp_path / "run")[1]) == 2


def test_the_json_of_a_step_is_verified(fit, tmp_path):
    fit(epochs=1, checkpoint=tmp_path / "run")
    file = tmp_path / "run" / "0" / "meta" / "metadata"
    meta = json.loads(file.read_text())
    meta["text"] = meta["text"].replace(find_versions()["jaxlib"], "9.9.9")
    file.write_text(json.dumps(meta))
    with pytest.raises(ValueError, match="step 0, .* the SHA-256 of meta/m"):
        fit(epochs=2, checkpoint=tmp_path / "run")
    file.write_text(json.dumps({"sha256": {}, "extra_sha256": "", "extra": "{}"}))
    with pytest.raises(ValueError, match="an older jaxembed wrote it in another form"):
        fit(epochs=2, checkpoint=tmp_path / "run")
