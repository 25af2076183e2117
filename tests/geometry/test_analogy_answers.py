"""evaluate_analogies: the choice of the answer equals gensim's."""

import numpy as np
import pytest

from jaxembed import geometry
from tests.geometry.conftest import assert_equal, both_of


def evaluate_one(words, matrix, question, write, **settings):
    ours, theirs = both_of(words, matrix)
    path = str(write(f": one\n{question}\n"))
    found = geometry.evaluate_analogies(ours, path, **settings)
    assert_equal(found, theirs.evaluate_word_analogies(path, **settings))
    return found.accuracy


@pytest.mark.parametrize(("answer", "accuracy"), [("d", 1), ("e", 0)])
def test_a_form_of_a_word_of_the_question_is_skipped(write, answer, accuracy):
    # b - a + c is nearest to "C", a form of "c" and so skipped; "d" follows.
    words = ["a", "b", "c", "C", "d", "e"]
    matrix = [[1, 0], [1, 0.1], [0, 1], [0.01, 1], [0.1, 1], [0.6, 1]]
    assert evaluate_one(words, matrix, f"a b c {answer}", write) == accuracy
    cased = {"case_insensitive": False}
    assert evaluate_one(words, matrix, f"a b c {answer}", write, **cased) == 0
    assert evaluate_one(words, matrix, "a b c C", write, **cased) == 1


def test_only_the_five_nearest_words_are_candidates(write):
    # Five other forms of words of the question lie nearer than "d".
    words = ["x", "y", "abc", "aBc", "abC", "aBC", "Abc", "Y", "d"]
    matrix = [[0, 1, 0], [0, 1, 0.01], [1, 0, 0]]
    matrix += [[1, 0.01 * i, 0] for i in range(1, 6)] + [[0.5, 0.5, 0.5]]
    assert evaluate_one(words, matrix, "x y abc d", write) == 0
    assert evaluate_one(words, matrix, "x y abc y", write) == 1  # the last candidate
    assert evaluate_one(words, matrix, "x y abc abc", write) == 0
    del words[3], matrix[3]
    assert evaluate_one(words, matrix, "x y abc d", write) == 1


def test_if_all_candidates_are_forms_the_last_is_the_answer(write):
    matrix = [[1, 0], [0, 1], [1, 1], [1, 2]]
    assert evaluate_one(["a", "b", "c", "C"], matrix, "a b c c", write) == 1
    assert evaluate_one(["a", "b", "c", "C"], matrix, "a b c b", write) == 0


@pytest.mark.parametrize("first", ["good", "bad"])
def test_the_vector_is_that_of_the_first_word_of_a_form(write, first):
    words = ["King", "king", "man", "woman", "queen", "duke"]
    kings = [[1, 0, 1], [-1, 1, 0]][:: 1 if first == "good" else -1]
    matrix = [*kings, [1, 0, 0], [0, 1, 0], [0, 1, 1], [-2, 2, 0]]
    accuracy = evaluate_one(words, matrix, "man king woman queen", write)
    assert accuracy == (first == "good")


@pytest.mark.parametrize("n_words", [1, 2, 3, 4, 5])
def test_tables_of_fewer_than_five_words(write, n_words):
    words, matrix = "abcde"[:n_words], np.eye(5)[:n_words] + 0.1
    matrix[4:] *= -1
    question = [words[i % n_words] for i in range(4)]
    accuracy = evaluate_one(words, matrix, " ".join(question), write)
    assert accuracy == (n_words >= 4)


@pytest.mark.parametrize(("words", "accuracy"), [("abcdz", 0), ("abcz", 1)])
def test_a_zero_vector_is_an_answer_only_after_all_other_words(write, words, accuracy):
    rows = {"a": [1, 0], "b": [1, 1], "c": [-1, 0.2], "d": [0.3, -1], "z": [0, 0]}
    ours, _ = both_of(words, [rows[word] for word in words])
    found = geometry.evaluate_analogies(ours, write(": one\na b c z\n"))
    assert found.accuracy == accuracy


def test_a_zero_vector_in_a_question_adds_nothing(write):
    ours, _ = both_of("zbcde", [[0, 0], [1, 0], [0, 1], [1, 1.1], [1, -2]])
    assert geometry.evaluate_analogies(ours, write(": one\nz b c d\n")).accuracy == 1
