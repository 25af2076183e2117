"""Benchmark of TextModel: equal texts, folds, paired differences, missing data."""

import csv
import importlib.machinery
import sys
import types

import numpy as np
import pytest

from benchmarks import text_model
from benchmarks.peers import fasttext as peer
from tests.model.conftest import draw_texts

LABEL = {"neg": "0", "pos": "1"}


@pytest.fixture
def folder(tmp_path):
    """Write SST-2 and TREC in small, and the sentences."""
    for name, encoding in (("stsa.binary.{}", "utf-8"), ("TREC.{}.all", "latin-1")):
        for part, n in (("train", 60), ("test", 20)):
            texts, labels = draw_texts(n, seed=n)
            rows = zip(labels, texts, strict=True)
            lines = [f"{LABEL[label]} {words} naïve?\n" for label, words in rows]
            path = tmp_path / name.format(part)
            path.write_text("".join(lines), encoding=encoding)
    with (tmp_path / "sentences.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "label", "source"])
        for words, label in zip(*draw_texts(40), strict=True):
            table.writerow([words, LABEL[label], "rotten_tomatoes"])
        table.writerow(["of another source", "0", "imdb"])
    return tmp_path


@pytest.fixture
def _fake_fasttext(monkeypatch):
    module = types.ModuleType("fasttext")
    module.__spec__ = importlib.machinery.ModuleSpec("fasttext", None)
    monkeypatch.setitem(sys.modules, "fasttext", module)


@pytest.mark.usefixtures("_fake_fasttext")
@pytest.mark.long
def test_each_data_set_has_lines(folder, monkeypatch, read_lines):
    def classify(path, texts, settings):
        lines = path.read_text().splitlines()
        assert len(lines) == 60 and all(" naïve ? " in text for text in texts)
        assert {line.split(" ", 1)[0] for line in lines} == {"__label__0", "__label__1"}
        good = ("good", "joy", "fun", "fine")
        found = ["1" if set(good) & set(text.split()) else "0" for text in texts]
        found[0] = "1" if found[0] == "0" else "0"  # one mistake
        return found, {"run": 1.5, "predict": 0.5}

    monkeypatch.setattr(text_model, "classify", classify)
    text_model.main(["--sentiment", str(folder), "--only", "SST-2", "TREC"])
    lines = read_lines()
    assert [line["what"] for line in lines] == [
        *["text_model: SST-2"] * 3,
        *["text_model: TREC"] * 3,
    ]
    ours, theirs, tuned = lines[:3]
    assert ours["implementation"] == "jaxembed" and ours["n_test"] == 20
    assert theirs["accuracy"] == 0.95 and theirs["median_s"] == 1.5
    estimate, low, high = tuned["difference"]
    assert estimate == pytest.approx(ours["accuracy"] - 0.95, abs=1e-5)
    assert low < estimate < high


def test_folds_test_each_sentence_once(folder, monkeypatch):
    monkeypatch.setattr(text_model, "N_FOLDS", 4)
    rows = text_model.read_sentences(folder / "sentences.csv")
    splits = list(text_model.cut_folds(rows))
    assert len(splits) == 4 and len(rows) == 40
    assert sorted(row for _, test in splits for row in test) == sorted(rows)
    for train, test in splits:
        assert sorted(train + test) == sorted(rows)


def test_what_is_missing_has_a_line(monkeypatch, read_lines, tmp_path):
    monkeypatch.setitem(sys.modules, "fasttext", None)
    text_model.main(
        ["--only", "SST-2", "Rotten Tomatoes", "--sentences", str(tmp_path / "no.csv")]
    )
    peers, sst, sentences = read_lines()
    assert peers["implementation"] == "fasttext"
    assert "give --sentiment" in sst["left_out"] and "no.csv" in sentences["left_out"]


def test_an_accuracy_of_chance_is_not_reported(folder, monkeypatch, capsys):
    found = ["0"] * 20, {"run": 1.0, "predict": 1.0}
    monkeypatch.setattr(text_model, "run_ours", lambda train, texts: found)
    with pytest.raises(SystemExit, match="accuracies must be above 0."):
        text_model.main(
            ["--sentiment", str(folder), "--only", "SST-2", "--peers", "--no-table"]
        )
    assert capsys.readouterr().out == ""


FAILING_FASTTEXT = """
import pathlib, types

def train_supervised(path, seed, lr, **settings):
    with pathlib.Path(path).open("a") as file:
        print(seed, lr, file=file)
    if seed < 2:
        raise RuntimeError("Encountered NaN.")
    inner = types.SimpleNamespace(predict=lambda *_: [(1.0, "__label__pos")])
    return types.SimpleNamespace(f=inner)
"""


def test_fasttext_is_tried_again(monkeypatch, tmp_path):
    """It fails by chance on small files. Each try is a process of its own."""
    (tmp_path / "fasttext.py").write_text(FAILING_FASTTEXT)
    monkeypatch.syspath_prepend(tmp_path)
    calls = tmp_path / "lines.txt"
    labels, facts = peer.classify(calls, ["a", "b"], {"lr": 0.5})
    assert labels == ["pos", "pos"] and facts["seed"] == 2
    assert calls.read_text() == "0 0.5\n1 0.5\n2 0.5\n"


def test_fasttext_reads_what_its_tutorial_makes():
    assert text_model.normalize("It's (a)\nFILM!") == "it ' s  ( a )  film ! "


def test_fasttext_learns(tmp_path):
    pytest.importorskip("fasttext", reason="fasttext is in the extra bench")
    train = list(zip(*draw_texts(300), strict=True))
    found, _ = text_model.run_fasttext(train, train[:50], {"epoch": 50, "lr": 0.5})
    assert np.mean([a == b for a, (_, b) in zip(found, train, strict=False)]) > 0.9
