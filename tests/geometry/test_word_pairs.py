"""evaluate_word_pairs: the correlations of gensim, and refused arguments."""

import os

import numpy as np
import pytest

from jaxembed import geometry, vectors
from tests.geometry.conftest import both_of

N_WORDS = 50


@pytest.fixture(scope="module")
def words():
    """Return words of which the even ones occur in upper case too, as other vectors."""
    rng = np.random.default_rng(0)
    names = [f"word{i}" for i in range(N_WORDS)]
    names += [f"WORD{i}" for i in range(0, N_WORDS, 2)]
    return both_of(names, rng.normal(size=(len(names), 4)))


def make_pairs(delimiter="\t", ends="\n"):
    rng = np.random.default_rng(1)
    lines = ["# a comment", "word1 word2 3", "word1" + delimiter + "word2", ""]
    for number in range(120):
        a, b = (f"word{i}" for i in rng.integers(0, N_WORDS, 2))
        a = a.upper() if number % 3 == 0 else a
        b = "nowhere" if number % 10 == 0 else b
        lines.append(delimiter.join([a, b, f"{rng.uniform(0, 10):.2f}"]))
    lines.append(delimiter.join(["word1", "word2", "much"]))
    return ends.join(lines)


def assert_equal(ours, theirs):
    pearson, spearman, missing = theirs
    found = [ours.pearson, ours.spearman, ours.missing * 100]
    expected = [pearson.statistic, spearman.statistic, missing]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    found = [ours.pearson_pvalue, ours.spearman_pvalue]
    np.testing.assert_allclose(found, [pearson.pvalue, spearman.pvalue], rtol=1e-4)
    assert all(type(value) is float for value in found)


@pytest.mark.parametrize("case_insensitive", [True, False])
@pytest.mark.parametrize("restrict_vocab", [300_000, 30, None])
@pytest.mark.parametrize("unknown", ["skip", "zero"])
def test_the_correlations_are_gensims(
    words, write, case_insensitive, restrict_vocab, unknown
):
    path = str(write(make_pairs()))
    settings = {"restrict_vocab": restrict_vocab, "case_insensitive": case_insensitive}
    ours = geometry.evaluate_word_pairs(words[0], path, unknown=unknown, **settings)
    dummy = unknown == "zero"
    theirs = words[1].evaluate_word_pairs(path, dummy4unknown=dummy, **settings)
    assert_equal(ours, theirs)
    assert ours.n_malformed == 3
    assert ours.n_pairs == (120 if dummy else round(120 * (1 - ours.missing)))
    assert 0.1 <= ours.missing < 1


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"], ids=repr)
@pytest.mark.parametrize("delimiter", ["\t", ",", " ; "], ids=repr)
def test_other_ends_and_delimiters(words, write, ends, delimiter):
    path = str(write(make_pairs(delimiter, ends)))
    ours = geometry.evaluate_word_pairs(words[0], path, delimiter)
    assert_equal(ours, words[1].evaluate_word_pairs(path, delimiter))
    assert ours.n_pairs == 108


def test_the_vector_is_that_of_the_first_word_of_a_form(write):
    names, matrix = ["a", "A", "b", "c"], [[1, 0], [0, 1], [1, 0.1], [0.3, 1]]
    path = write("A\tb\t9\nA\tc\t1\nb\tc\t2\n")
    assert geometry.evaluate_word_pairs(both_of(names, matrix)[0], path).pearson > 0.9
    cased = geometry.evaluate_word_pairs(
        both_of(names, matrix)[0], path, case_insensitive=False
    )
    assert cased.pearson < 0


def test_words_of_zeros_have_a_cosine_of_0(write):
    ours, theirs = both_of("abcz", [[1, 0], [1, 1], [-1, 0.2], [0, 0]])
    path = str(write("a\tb\t9\na\tz\t4\nb\tc\t2\na\tc\t1\n"))
    assert_equal(
        geometry.evaluate_word_pairs(ours, path), theirs.evaluate_word_pairs(path)
    )


def test_numbers_that_are_not_finite_are_malformed(words, write):
    text = make_pairs() + "\nword1\tword2\tnan\nword1\tword2\tinf\n"
    found = geometry.evaluate_word_pairs(words[0], write(text))
    assert found.n_malformed == 5
    plain = geometry.evaluate_word_pairs(words[0], write(make_pairs()))
    assert (found.pearson, found.n_pairs) == (plain.pearson, plain.n_pairs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "questions.txt must have at least two pairs of known words, got 0: 0 "),
        ("a\tnowhere\t3\n", "got 0: 1 pairs have an unknown word, and 0 lines"),
        (
            "word1 word2 3\n",
            r"got 0: 0 pairs .* 1 lines are not two .* separated by '\\t'",
        ),
        ("word1\tword2\t3\n", "got 1: 0 pairs have an unknown word"),
        (b"na\xefve\tword1\t3\n", "questions.txt:1 is not UTF-8: byte 0xef"),
    ],
)
def test_other_files_are_refused(words, write, text, message):
    with pytest.raises(ValueError, match=message):
        geometry.evaluate_word_pairs(words[0], write(text))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"delimiter": ""}, "delimiter must not be empty"),
        ({"unknown": "wrong"}, "unknown must be skip or zero, got 'wrong'"),
        ({"restrict_vocab": -1}, "restrict_vocab must be at least 1 or None, got -1"),
    ],
)
def test_other_settings_are_refused(words, write, settings, message):
    with pytest.raises(ValueError, match=message):
        geometry.evaluate_word_pairs(words[0], write(make_pairs()), **settings)


@pytest.mark.real_archive
@pytest.mark.parametrize(
    ("name", "n_pairs"),
    [("gensim-wordsim353.tsv", 353), ("gensim-simlex999.txt", 999)],
)
@pytest.mark.parametrize("unknown", ["skip", "zero"])
def test_the_real_pairs_are_compared_as_by_gensim(
    real, evaluation, name, n_pairs, unknown
):
    path = str(evaluation / name)
    ours = geometry.evaluate_word_pairs(real[0], path, unknown=unknown)
    theirs = real[1].evaluate_word_pairs(path, dummy4unknown=unknown == "zero")
    assert_equal(ours, theirs)
    n_missing = round(ours.missing * n_pairs)
    assert ours.n_pairs + (n_missing if unknown == "skip" else 0) == n_pairs
    assert ours.n_malformed == 0


def test_a_named_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    made = vectors.WordVectors(["a", "b"], np.eye(2, dtype=np.float32))
    for evaluate in (geometry.evaluate_word_pairs, geometry.evaluate_analogies):
        with pytest.raises(ValueError, match="pipe must be a file, got a device or a"):
            evaluate(made, tmp_path / "pipe")


def test_equal_scores_are_refused(tmp_path):
    """Equal scores have no correlation; gensim returns NaN with a warning."""
    made = vectors.WordVectors(["a", "b", "c"], np.eye(3, dtype=np.float32) + 0.5)
    (tmp_path / "pairs").write_text("a\tb\t1\nb\tc\t1\n")
    with pytest.raises(
        ValueError, match="pairs: the scores and the cosines have no co"
    ):
        geometry.evaluate_word_pairs(made, tmp_path / "pairs")
