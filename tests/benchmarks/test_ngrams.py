"""Benchmark of n-grams: equal reviews, and accuracies above chance."""

import importlib.machinery
import sys
import types

import numpy as np
import pytest

from benchmarks import ngrams
from benchmarks.peers import fasttext, sklearn
from jaxembed import text
from jaxembed.text.imdb._synthetic import synthetic_reviews

TINY = ["--epochs", "3", "--min-reviews", "2", "--length", "700", "--batch-size", "4"]
WORDS = {"good": "__label__1", "bad": "__label__0"}
RUN = {"load": 1.0, "compile": 2.0, "run": 4.0, "process": 9.0, "without_copies": 0.8}


@pytest.fixture
def _fake_peers(monkeypatch):
    for name in ("fasttext", "sklearn"):
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.usefixtures("_fake_peers")
@pytest.mark.long
def test_all_are_reported(make_folder, monkeypatch, tmp_path, read_lines):
    parts = synthetic_reviews(3, n_train=400, n_test=100, n_unlabelled=0)
    reviews = {
        f"{split}/{label}/{number}.txt": review
        for (split, label), texts in parts.items()
        for number, review in enumerate(texts)
    }
    folder = make_folder(reviews)
    expected = text.load_imdb(folder).test_labels

    def check_lines(path, texts, settings):
        lines = path.read_text().splitlines()
        assert len(lines) == 400 and (settings["wordNgrams"], settings["seed"]) == (
            2,
            0,
        )
        labels = [line.split(" ", 1)[0] for line in lines]
        assert labels.count("__label__0") == 200
        assert 0 < labels[:100].count("__label__0") < 100  # not sorted by label
        assert len(texts) == 100
        return [str(label) for label in expected], {"run": 1.5}

    def check_texts(texts, labels, test_texts, n):
        assert (len(texts), labels.sum(), len(test_texts), n) == (400, 200, 100, 2)
        return np.where(np.arange(100) < 20, 1 - expected, expected), RUN

    monkeypatch.setattr(fasttext, "classify", check_lines)
    monkeypatch.setattr(sklearn, "classify", check_texts)
    flags = ["--data", str(folder), "--cache", str(tmp_path), "--orders", "2"]
    ngrams.main([*flags, "--seeds", "1", "--", *TINY])
    lines = read_lines()
    names = ["jaxembed", "fasttext", "sklearn"]
    assert [line["implementation"] for line in lines] == names * 2
    assert {line["what"] for line in lines[:3]} == {"ngrams of 1 to 2 words: training"}
    ours, theirs, linear, whole, *_ = lines
    assert ours["orders"] == 2 and ours["flags"] == TINY
    assert theirs["median_s"] == 1.5 and theirs["mean_test_accuracy"] == 1.0
    assert linear["mean_test_accuracy"] == 0.8
    estimate = ours["mean_test_accuracy"] - 1.0
    assert theirs["difference"][0] == pytest.approx(estimate, abs=1e-5)
    assert theirs["difference"][1] <= estimate <= theirs["difference"][2]
    total = ours["median_s"] + ours["load_s"] + ours["compile_s"]
    assert whole["median_s"] == pytest.approx(total, abs=0.01)
    assert ours["process_s"] > whole["median_s"]


def test_the_lines_are_the_reviews(make_folder, tmp_path):
    tokens = text.load_imdb_tokens(make_folder())
    train_texts, test_texts = ngrams.write_lines(tokens, tmp_path)
    lines = sorted((tmp_path / "train.txt").read_text().splitlines())
    assert lines == [
        "__label__0 a bad bad film",
        "__label__0 bad acting a bore",
        "__label__0 dull and bad naïve even",
        "__label__1 a good film a joy",
        "__label__1 good acting good fun",
    ]
    pairs = zip(tokens.train_labels, train_texts, strict=True)
    assert sorted(f"__label__{label} {words}" for label, words in pairs) == lines
    assert len(test_texts) == 2


@pytest.mark.usefixtures("_fake_peers")
def test_an_accuracy_of_chance_is_not_reported(monkeypatch, make_folder, capsys):
    reviews = make_folder()
    right = RUN | {"is_correct": np.ones(2, bool)}
    monkeypatch.setattr(ngrams, "run_experiment", lambda *_: right)
    labels = text.load_imdb(reviews).test_labels
    peers = ((fasttext, labels), (sklearn, [1 - labels[0], labels[1]]))
    for peer, found in peers:
        monkeypatch.setattr(peer, "classify", lambda *_, found=found: (found, RUN))
    with pytest.raises(SystemExit, match="Test accuracies must be at least 0.6"):
        ngrams.main(["--data", str(reviews), "--cache", str(reviews / "cache")])
    assert capsys.readouterr().out == ""


def test_a_failed_experiment_ends_it_with_its_words(tmp_path):
    with pytest.raises(SystemExit, match="nowhere"):
        ngrams.run_experiment(["--data", "nowhere"], 0, tmp_path)


def test_without_peers_ours_is_timed_alone(monkeypatch, make_folder, read_lines):
    monkeypatch.setitem(sys.modules, "fasttext", None)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    calls = []

    def run(flags, seed, folder):
        calls.append((flags[flags.index("--orders") + 1], seed))
        return RUN | {"is_correct": np.ones(2, bool)}

    monkeypatch.setattr(ngrams, "run_experiment", run)
    reviews = make_folder()
    flags = ["--data", str(reviews), "--cache", str(reviews / "cache")]
    ngrams.main([*flags, "--seeds", "2", "--orders", "1"])
    *missing, training, whole = read_lines()
    assert [line["implementation"] for line in missing] == ["fasttext", "sklearn"]
    assert all("is missing" in line["left_out"] for line in missing)
    assert (training["median_s"], whole["median_s"]) == (4, 7)
    assert calls == [("1", 0), ("1", 1)]


def test_fasttext_learns(tmp_path):
    pytest.importorskip("fasttext", reason="fasttext is in the extra bench")
    path = tmp_path / "lines.txt"
    lines = [f"{label} a {word} film" for word, label in WORDS.items()]
    path.write_text("\n".join(lines * 200) + "\n")
    found, facts = fasttext.classify(path, ["so good", "so bad"], {"seed": 3})
    assert found == ["1", "0"] and facts["run"] > 0


def test_sklearn_reads_the_pairs():
    pytest.importorskip("sklearn", reason="scikit-learn is in the extra bench")
    texts = ["not good", "good not so", "not good at all", "so good not"] * 9
    labels = np.array([0, 1, 0, 1] * 9)
    found, facts = sklearn.classify(texts, labels, ["is not good", "good not"], 2)
    assert found.tolist() == [0, 1] and facts["run"] > 0
