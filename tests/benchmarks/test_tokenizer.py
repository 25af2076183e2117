"""Benchmark of the tokenizer: checked by plain Python, with and without Keras."""

import sys

import pytest

from benchmarks import tokenizer

WHATS = ["tokenizer: fit", "tokenizer: encode", "tokenizer: fit and encode"]


@pytest.fixture
def _arguments(make_archive):
    sizes = ["--workload", "5x1x1", "--batch-sizes", "3", "5", "9"]
    return ["--data", str(make_archive()), "--seconds", "0", *sizes]


def test_each_size_and_question_has_its_lines(_arguments, read_lines):
    tokenizer.main(_arguments)
    lines = read_lines()
    found = [
        (line["batch_size"], line["what"], line["implementation"]) for line in lines
    ]
    assert found == [
        (size, what, name)
        for size in (3, 5)  # 9 is limited to the five reviews, which are timed once
        for what in WHATS
        for name in ("jaxembed", "keras")
    ]
    assert all(line["workload"] == "5x1x1" and line["a_a"] > 0 for line in lines)
    assert {line["num_words"] for line in lines} == {5}


def test_without_keras_ours_is_timed_alone(_arguments, monkeypatch, read_lines):
    monkeypatch.setitem(sys.modules, "keras", None)
    tokenizer.main(_arguments)
    missing, *lines = read_lines()
    assert missing["implementation"] == "keras" and "is missing" in missing["left_out"]
    assert [line["implementation"] for line in lines] == ["jaxembed"] * 6


def test_plain_python_numbers_words_by_frequency():
    texts = ["B a,b A-b", "c a"]
    words, ids = tokenizer.number_plainly(texts, 3)
    assert words == [
        ("b", 1),
        ("a", 2),
        ("c", 3),
    ]  # the word that appears first precedes words of equal count
    assert ids == [[1, 2, 1, 2, 1], [2]]


@pytest.mark.parametrize("peers", [["--peers"], ["--peers", "keras"]], ids=len)
@pytest.mark.parametrize("method", ["fit", "encode"])
def test_a_wrong_answer_is_refused(_arguments, monkeypatch, capsys, method, peers):
    right = getattr(tokenizer.text.Tokenizer, method)

    def wrongly(self, texts):
        return right(self, texts[::-1])

    monkeypatch.setattr(tokenizer.text.Tokenizer, method, wrongly)
    kind = {"fit": "vocabulary", "encode": "ids"}[method]
    with pytest.raises(SystemExit, match=f"the {kind} of jaxembed is wrong"):
        tokenizer.main([*_arguments, *peers])
    assert capsys.readouterr().out == ""
