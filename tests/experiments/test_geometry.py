"""Experiment geometry, run as a command."""

import json
from pathlib import Path

import numpy as np
import pytest

from experiments import _vectors, few_reviews, geometry, imdb_learned
from jaxembed import text, train, vectors

WORDS = ["king", "queen", "man", "woman", "film"]
MATRIX = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 0], [0, 0, 1], [-1, 1, 1]], np.float32)


@pytest.fixture
def royals(tmp_path):
    return vectors.save(vectors.WordVectors(WORDS, MATRIX), tmp_path / "royals.vec")


def metrics():
    return json.loads(Path("runs/geometry/metrics.json").read_text())


def test_neighbours_analogies_and_a_picture(run_main, royals, tmp_path):
    questions, pairs = tmp_path / "questions.txt", tmp_path / "pairs.tsv"
    questions.write_text(": family\nman king woman queen\nman king film queen\n")
    pairs.write_text("king\tqueen\t7\nking\tman\t9\nfilm\tking\t1\nfilm\tno\t2\n")
    lines = run_main(
        geometry,
        *("--vectors", royals, "--words", "king", "man", "film", "--topn", 2),
        *("--analogies", "man", "king", "woman"),
        *("--questions", questions, "--pairs", pairs),
    )
    assert lines[0] == f"geometry: vectors {royals}"
    assert lines[1] == "5 words, 3 dimensions"
    assert lines[2].startswith("nearest words, with the cosine")
    assert lines[3] == "  king: man 0.71, queen 0.50"
    assert lines[6].startswith("man : king = woman : queen")
    assert lines[7] == "family: Section(1 of 2 correct)"
    assert lines[8].startswith("analogies: accuracy 0.5000 on 2 questions; 0 skipped")
    assert lines[9].startswith("word pairs: Spearman 1.0000") and "25.0%" in lines[9]
    assert lines[-1] == "results in runs/geometry: metrics.json, words.png"
    written = metrics()
    assert written["neighbours"]["king"][0][0] == "man"
    assert written["analogy_accuracy"] == 0.5 and written["pairs"]["n_pairs"] == 3
    assert Path("runs/geometry/words.png").stat().st_size > 10_000


@pytest.mark.parametrize("module", [imdb_learned, few_reviews])
@pytest.mark.long
def test_the_table_of_a_checkpoint(run_main, reviews, module):
    flags = ["--data", reviews, "--epochs", 1, "--num-words", 300, "--batch-size", 4]
    if module is few_reviews:
        flags += ["--vectors", "ppmi", "--ppmi-dim", 8]
    run_main(module, *flags)
    name = "imdb_learned" if module is imdb_learned else "few_reviews/glove"
    checkpoint = Path("runs", name, "checkpoint")
    lines = run_main(geometry, "--checkpoint", checkpoint)
    assert lines[0] == f"geometry: table of the checkpoint {checkpoint}"
    config = geometry.resolve(geometry.Config(checkpoint=checkpoint))
    folder = checkpoint.parent.name
    assert geometry.make_title(config) == f"Table of {folder}/checkpoint"
    loaded = geometry.read_checkpoint(checkpoint)
    state, extra = train.restore(checkpoint)
    assert state.tables or state.frozen  # the table is not in params
    table = state.variables["params"]["embed"]["embedding"]
    start = 3 if module is imdb_learned else 0
    index = text.Tokenizer.from_json(extra["tokenizer"]).word_index
    for word in loaded.words[::50]:
        np.testing.assert_array_equal(loaded[word], table[index[word] + start])
    assert len(loaded) == 300 - 1 - start


def test_vectors_in_the_environment_need_no_reviews(
    run_main, royals, monkeypatch, tmp_path
):
    royals.rename(tmp_path / "glove.6B.100d.vec")
    monkeypatch.setenv("JAXEMBED_DATA", str(tmp_path))
    config = geometry.resolve(geometry.Config())
    assert geometry.describe(config) == f"vectors {tmp_path / 'glove.6B.100d.vec'}"
    assert geometry.make_title(config) == "Vectors glove.6B.100d.vec"
    made = geometry.Config(pretrained=_vectors.Pretrained(vectors="ppmi"))
    with pytest.raises(SystemExit, match="has neither aclImdb"):
        geometry.resolve(made)


@pytest.mark.parametrize("n_words", [3, 30, 55])
def test_a_small_table_has_words_to_show(run_main, tmp_path, n_words):
    matrix = np.random.default_rng(0).normal(size=(n_words, 4)).astype(np.float32)
    made = vectors.WordVectors([f"w{i}" for i in range(n_words)], matrix)
    run_main(geometry, "--vectors", vectors.save(made, tmp_path / "a.vec"))
    shown = metrics()["neighbours"]
    assert min(n_words, 12) - 1 <= len(shown) <= 12


def test_two_words_make_no_picture(run_main, royals):
    lines = run_main(geometry, "--vectors", royals, "--words", "king", "--topn", 1)
    assert lines[-2:] == [
        "words.png is not written: give at least three --words",
        "results in runs/geometry: metrics.json",
    ]


@pytest.mark.parametrize("flag", ["--words", "--analogies"])
def test_unknown_words_are_named_with_similar_words(run_main, royals, flag):
    message = "the vectors have no word King, xyz: give other words, similar to King: k"
    with pytest.raises(SystemExit, match=f"error: {message}ing"):
        run_main(geometry, "--vectors", royals, flag, "King", "man", "xyz")


@pytest.mark.long
def test_the_synthetic_corpus(run_main):
    lines = run_main(geometry, "--data", "synthetic", "--topn", 3)
    assert lines[0].endswith("not real text), vectors ppmi (computed from the reviews)")
    assert len(metrics()["neighbours"]) == 12


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--words", "king", "tsar"), "error: the vectors have no word tsar: give"),
        (("--analogies", "man", "king"), "error: --analogies must be three words"),
        (("--words", "king", "--topn", "0"), "error: topn must be at least 1"),
        (("--checkpoint", "none"), "error: give --checkpoint or --vectors, not both"),
        (("--questions", "none.txt"), "error: .*No such file or directory: 'none.txt'"),
    ],
    ids=str,
)
def test_bad_input_ends_with_one_line(run_main, royals, flags, message):
    with pytest.raises(SystemExit, match=message):
        run_main(geometry, "--vectors", royals, *flags)


def test_a_checkpoint_of_something_else_is_refused(run_main):
    train.save("other", {"table": np.ones(3)})
    with pytest.raises(
        SystemExit, match="error: --checkpoint other must be that of im"
    ):
        run_main(geometry, "--checkpoint", "other")


@pytest.mark.real_archive
def test_real_vectors_know_a_queen(run_main, real_archive):
    data = real_archive.parent
    lines = run_main(
        geometry,
        *("--vectors", data / "glove.6B.100d.imdb.txt.gz"),
        *("--analogies", "man", "king", "woman"),
        *("--questions", data / "evaluation" / "questions-words.txt"),
        *("--pairs", data / "evaluation" / "gensim-wordsim353.tsv"),
    )
    assert any(line.startswith("man : king = woman : queen") for line in lines)
    assert metrics()["analogy_questions"] == 3_606
    assert metrics()["analogy_accuracy"] > 0.65
