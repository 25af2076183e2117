"""Table: rows of a vocabulary, missing words, and coverage."""

import numpy as np
import pytest

from jaxembed import text, vectors
from tests.vectors.conftest import fasttext_bin

V, D = 4, 3
MATRIX = np.arange(1, 1 + V * D, dtype=np.float32).reshape(V, D)
VECTORS = vectors.WordVectors(["bad", "good", "film", "joy"], MATRIX)
INDEX = {"the": 1, "film": 2, "good": 3, "bore": 4, "joy": 5}
COUNTS = {"the": 50, "film": 20, "good": 10, "bore": 7, "joy": 3}


def test_the_row_of_an_id_is_the_vector_of_its_word():
    table, coverage = vectors.embedding_matrix(INDEX, VECTORS)
    assert table.dtype == np.float32
    expected = [np.zeros(D), np.zeros(D), MATRIX[2], MATRIX[1], np.zeros(D), MATRIX[3]]
    np.testing.assert_array_equal(table, expected)
    assert coverage.found.tolist() == [False, False, True, True, False, True]
    assert (coverage.n_words, coverage.n_words_found) == (5, 3)
    assert coverage.n_tokens is None and coverage.missing == ("the", "bore")


def test_words_past_num_words_are_left_out():
    table, coverage = vectors.embedding_matrix(INDEX, VECTORS, 4, counts=COUNTS)
    assert table.shape == (4, D) and coverage.n_words == 3
    assert (coverage.n_tokens, coverage.n_tokens_found) == (80, 30)
    assert str(coverage) == (
        "2 of 3 words have a vector, 37.5% of their tokens; missing: the"
    )
    table, coverage = vectors.embedding_matrix(INDEX, VECTORS, 9)
    assert table.shape == (9, D) and not table[6:].any() and coverage.n_words == 5


def test_the_most_frequent_missing_words_come_first():
    counts = COUNTS | {"bore": 70}
    _, coverage = vectors.embedding_matrix(INDEX, VECTORS, counts=counts)
    assert coverage.missing == ("bore", "the")


def test_missing_rows_are_drawn_like_the_vectors():
    index = {f"w{i}": i for i in range(1, 4_000)} | {"film": 4_000}
    rng = np.random.default_rng(0)
    table, coverage = vectors.embedding_matrix(
        index, VECTORS, missing="normal", rng=rng
    )
    np.testing.assert_array_equal(table[0], np.zeros(D))
    np.testing.assert_array_equal(table[4_000], MATRIX[2])
    np.testing.assert_allclose(table[1:4_000].mean(0), MATRIX.mean(0), atol=0.3)
    np.testing.assert_allclose(table[1:4_000].std(0), MATRIX.std(0), rtol=0.1)
    assert not coverage.found[1:4_000].any()
    again, _ = vectors.embedding_matrix(
        index, VECTORS, missing="normal", rng=np.random.default_rng(0)
    )
    np.testing.assert_array_equal(table, again)


def test_subwords_are_used_where_there_are_some(tmp_path):
    (tmp_path / "model").write_bytes(fasttext_bin())
    model = vectors.load(tmp_path / "model")
    table, coverage = vectors.embedding_matrix({"film": 1, "films": 2}, model)
    np.testing.assert_array_equal(table[1:], [model["film"], model["films"]])
    assert coverage.n_words_found == 2


@pytest.mark.parametrize(
    ("index", "arguments", "message"),
    [
        ({"a": 0}, {}, "ids must be at least 1, since 0 is padding, got 0 for 'a'"),
        ({"a": 1, "b": 1}, {}, "ids must be distinct, got 1 for both 'a' and 'b'"),
        (
            {"a": 5},
            {"num_words": 5},
            "a word with an id below num_words=5, got none in 1",
        ),
        ({}, {}, "must have a word with an id below"),
        (
            {"a": 1},
            {"missing": "mean"},
            "missing must be 'zeros', or 'normal' with",
        ),
        ({"a": 1}, {"missing": "normal"}, "missing must be .* rng=None"),
    ],
)
def test_what_is_refused(index, arguments, message):
    with pytest.raises(ValueError, match=message):
        vectors.embedding_matrix(index, VECTORS, **arguments)


@pytest.mark.real_archive
def test_the_notebooks_coverage(real_archive):
    corpus = text.load_imdb(real_archive)
    tokenizer = text.Tokenizer(num_words=10_000).fit(corpus.train_texts)
    path = real_archive.parent / "glove.6B.100d.imdb.txt.gz"
    glove = vectors.load(path, vocabulary=tokenizer.word_index)
    assert len(glove) == 9_026 and glove.dim == 100
    table, coverage = vectors.embedding_matrix(
        tokenizer.word_index, glove, 10_000, counts=tokenizer.word_counts
    )
    assert table.shape == (10_000, 100)
    assert coverage.n_words_found == 5_134 and coverage.n_words == 9_999
    assert round(coverage.n_tokens_found / coverage.n_tokens, 3) == 0.897
