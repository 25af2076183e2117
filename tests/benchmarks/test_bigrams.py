"""Benchmark against fastText: equal reviews, and accuracies above chance."""

import importlib.machinery
import sys
import types

import pytest

from benchmarks import bigrams
from jaxembed import text
from jaxembed.text.imdb._synthetic import synthetic_reviews

TINY = ["--num-words", "900", "--epochs", "3", "--min-reviews", "2"]
WORDS = {"good": "__label__1", "bad": "__label__0"}


@pytest.fixture
def _fake_fasttext(monkeypatch):
    module = types.ModuleType("fasttext")
    module.__spec__ = importlib.machinery.ModuleSpec("fasttext", None)
    monkeypatch.setitem(sys.modules, "fasttext", module)


@pytest.mark.usefixtures("_fake_fasttext")
def test_both_are_reported(make_folder, monkeypatch, tmp_path, read_lines):
    parts = synthetic_reviews(3, n_train=400, n_test=100, n_unlabelled=0)
    reviews = {
        f"{split}/{label}/{number}.txt": review
        for (split, label), texts in parts.items()
        for number, review in enumerate(texts)
    }
    flags = ["--data", str(make_folder(reviews)), "--cache", str(tmp_path)]
    flags += ["--workload", "61000x7x700", "--batch-sizes", "4", "--seeds", "1"]

    def check_lines(train_lines, test_lines, seed, dim):
        lines = train_lines.read_text().splitlines()
        assert len(lines) == 400 and (seed, dim) == (0, 7)
        labels = [line.split(" ", 1)[0] for line in lines]
        assert labels.count("__label__0") == 200
        assert 0 < labels[:100].count("__label__0") < 100  # not sorted by label
        assert len(test_lines.read_text().splitlines()) == 100
        return {"accuracy": 0.65, "run": 1.5}

    monkeypatch.setattr(bigrams, "run_fasttext", check_lines)
    bigrams.main([*flags, "--", *TINY])
    lines = read_lines()
    assert [line["implementation"] for line in lines] == ["jaxembed", "fasttext"] * 2
    assert {line["what"] for line in lines[:2]} == {"bigrams: training"}
    ours, theirs, whole, _ = lines
    assert (ours["workload"], ours["batch_size"]) == ("61000x7x700", 4)
    assert ours["flags"][-len(TINY) :] == TINY
    assert theirs["median_s"] == 1.5 and theirs["mean_test_accuracy"] == 0.65
    assert ours["test_accuracy"] == [ours["mean_test_accuracy"]]
    expected = ours["median_s"] + ours["load_s"] + ours["compile_s"]
    assert whole["median_s"] == pytest.approx(expected, abs=0.01)


def test_the_lines_are_the_reviews(make_folder, tmp_path):
    tokens = text.load_imdb_tokens(make_folder())
    train_lines, test_lines = bigrams.write_lines(tokens, tmp_path)
    assert sorted(train_lines.read_text().splitlines()) == [
        "__label__0 a bad bad film",
        "__label__0 bad acting a bore",
        "__label__0 dull and bad naïve even",
        "__label__1 a good film a joy",
        "__label__1 good acting good fun",
    ]
    assert len(test_lines.read_text().splitlines()) == 2


@pytest.mark.usefixtures("_fake_fasttext")
def test_what_has_not_learned_is_not_reported(monkeypatch, make_folder, capsys):
    reviews = make_folder()
    result = {"accuracy": 0.9, "load": 1.0, "compile": 1.0, "run": 1.0}
    monkeypatch.setattr(bigrams, "run_experiment", lambda *_: result)
    monkeypatch.setattr(bigrams, "run_fasttext", lambda *_: result | {"accuracy": 0.5})
    with pytest.raises(SystemExit, match="Test accuracies must be at least 0.6"):
        bigrams.main(["--data", str(reviews), "--cache", str(reviews / "cache")])
    assert capsys.readouterr().out == ""


def test_a_failed_experiment_ends_it_with_its_words(tmp_path):
    with pytest.raises(SystemExit, match="nowhere"):
        bigrams.run_experiment(["--data", "nowhere"], 0, tmp_path)


def test_without_fasttext_ours_is_timed_alone(monkeypatch, make_folder, read_lines):
    monkeypatch.setitem(sys.modules, "fasttext", None)
    calls = []

    def run(flags, seed, folder):
        calls.append((flags[flags.index("--buckets") + 1], seed))
        return {"accuracy": 0.9, "load": 1.0, "compile": 2.0, "run": 4.0}

    monkeypatch.setattr(bigrams, "run_experiment", run)
    reviews = make_folder()
    flags = ["--data", str(reviews), "--cache", str(reviews / "cache")]
    bigrams.main([*flags, "--seeds", "2"])
    missing, training, whole = read_lines()
    assert missing["implementation"] == "fasttext"
    assert "is missing" in missing["left_out"]
    assert (training["median_s"], whole["median_s"]) == (4, 7)
    assert calls == [(str(2**21), 0), (str(2**21), 1)]


def test_a_table_without_pairs_is_refused(capsys):
    with pytest.raises(SystemExit):
        bigrams.main(["--workload", "60000x10x384"])
    assert "--workload must have more than 60000 rows" in capsys.readouterr().err


def test_fasttext_learns(tmp_path):
    pytest.importorskip("fasttext", reason="fasttext is in the extra bench")
    path = tmp_path / "lines.txt"
    lines = [f"{label} a {word} film" for word, label in WORDS.items()]
    path.write_text("\n".join(lines * 200) + "\n")
    found = bigrams.run_fasttext(path, path, 0, 10)
    assert found["accuracy"] == 1 and found["run"] > 0
