"""Benchmark of predictions: all implementations are checked before they are timed."""

import sys

import numpy as np
import pytest

from benchmarks import predict_texts
from jaxembed import text
from tests.model.conftest import draw_texts


@pytest.fixture(autouse=True)
def _reviews(monkeypatch):
    texts, labels = draw_texts(120)
    classes = np.array([label == "pos" for label in labels], np.int32)
    corpus = text.load_imdb("synthetic")
    changed = {"train_texts": texts, "train_labels": classes}
    monkeypatch.setattr(
        text, "load_imdb", lambda _: type(corpus)(**(vars(corpus) | changed))
    )


ARGUMENTS = ["--batch-sizes", "1", "30", "90", "--seconds", "0"]


@pytest.mark.long
def test_each_number_of_texts_has_its_lines(read_lines, monkeypatch):
    monkeypatch.setitem(sys.modules, "fasttext", None)
    monkeypatch.setitem(sys.modules, "model2vec", None)
    predict_texts.main(ARGUMENTS)
    lines = read_lines()
    assert [line["implementation"] for line in lines[:2]] == ["fasttext", "model2vec"]
    found = [(line["batch_size"], line["implementation"]) for line in lines[2:]]
    names = ("jaxembed", "jaxembed, words")
    assert found == [(size, name) for size in (1, 30, 60) for name in names]


@pytest.mark.long
def test_a_peer_takes_turns(read_lines, monkeypatch):
    def make_fasttext(training):
        known = dict(zip(*training, strict=True))
        assert len(known) > 50
        good = {"good", "joy", "fun", "fine"}
        return lambda texts: np.array([bool(good & {*t.split()}) + 0 for t in texts])

    monkeypatch.setattr(predict_texts, "find_peers", lambda *_: ["fasttext"])
    monkeypatch.setattr(predict_texts, "make_fasttext", make_fasttext)
    predict_texts.main(ARGUMENTS)
    assert [line["implementation"] for line in read_lines()].count("fasttext") == 3


@pytest.mark.long
def test_a_wrong_answer_is_not_timed(monkeypatch, capsys):
    monkeypatch.setattr(
        predict_texts.TextModel, "predict", lambda self, texts: np.zeros(len(texts))
    )
    with pytest.raises(SystemExit, match="jaxembed is wrong"):
        predict_texts.main([*ARGUMENTS, "--peers"])
    assert capsys.readouterr().out == ""
