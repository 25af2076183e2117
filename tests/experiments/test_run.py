"""What experiments share: the choice of data, and errors that say what to do."""

import json
import os

import pytest

from experiments import _files, _run, imdb_learned


def test_data_is_what_the_flag_says_else_the_environment_else_embedded(
    monkeypatch, tmp_path
):
    monkeypatch.delenv("JAXEMBED_DATA", raising=False)
    assert _run.choose_data("") == "embedded"
    monkeypatch.setenv("JAXEMBED_DATA", str(tmp_path))
    assert _run.choose_data("tfds") == "tfds"
    with pytest.raises(SystemExit, match=f"JAXEMBED_DATA={tmp_path} has neither"):
        _run.choose_data("")
    (tmp_path / "aclImdb_v1.tar.gz").touch()
    assert _run.choose_data("") == f"{tmp_path}/aclImdb_v1.tar.gz"
    (tmp_path / "aclImdb").mkdir()
    assert _run.choose_data("") == f"{tmp_path}/aclImdb"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--data", "none"), "error: there is no none: give the path of aclImdb/"),
        (("--batch-size", "99999"), "error: batch_size must be from 1 to the number"),
        (
            ("--learning-rate", "nan"),
            "error: the loss is nan in epoch 1, and the weights",
        ),
        (("--num-words", "0"), "error: num_embeddings and features must be at least"),
        (("--length", "0"), r"error: rows must have the axes \[B, L, D\], L and"),
        (("--validation-fraction", "1"), "error: --validation-fraction must leave"),
        (("--epochs", "0"), "error: the history is empty: train for at least one"),
        (("--out", "file/x"), "error: --out file/x cannot be written: Not a directory"),
    ],
    ids=str,
)
def test_bad_input_ends_with_one_line(run_main, reviews, tmp_path, flags, message):
    (tmp_path / "file").write_text("mine")
    if "--data" not in flags:
        flags = ("--data", reviews, *flags)
    with pytest.raises(SystemExit, match=message):
        run_main(imdb_learned, *flags)
    assert (tmp_path / "file").read_text() == "mine"
    left = [path.name for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert not {"metrics.json", "curves.png"} & set(left)


def test_json_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "metrics.json"
    _files.write_json(path, {"a": 1})

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        _files.write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_the_environment_names_device_and_versions():
    environment = _run.environment()
    assert environment["device"].startswith(("cpu", "gpu", "tpu"))
    assert {"jaxembed", "jax", "flax", "optax", "numpy"} <= set(environment["versions"])
