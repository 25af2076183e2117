"""unit_table: vectors of length 1, zero vectors, and the number of words."""

import jax
import numpy as np
import pytest

from jaxembed import geometry, vectors
from jaxembed.geometry._table import BLOCK


def vectors_of(matrix):
    matrix = np.asarray(matrix, np.float32)
    return vectors.WordVectors([f"w{row}" for row in range(len(matrix))], matrix)


def test_rows_have_length_1(both):
    table = geometry.unit_table(both[0])
    assert isinstance(table.rows, jax.Array)
    assert len(table) == len(both[0]) == table.n_words
    expected = both[1].get_normed_vectors()
    np.testing.assert_allclose(table.rows[: len(table)], expected, atol=2e-7)


def test_the_last_block_is_padded(both):
    table = geometry.unit_table(both[0])
    assert len(table.rows) % BLOCK == 0
    assert 0 < len(table.rows) - len(table) < BLOCK
    np.testing.assert_array_equal(table.rows[len(table) :], 0)
    assert table.zero_rows.tolist() == []  # padding is not a word


def test_zero_vectors_are_found_and_remain_zero():
    table = geometry.unit_table(vectors_of([[3, 4], [0, 0], [0, -2], [0, 0]]))
    assert table.zero_rows.tolist() == [1, 3]
    expected = [[0.6, 0.8], [0, 0], [0, -1], [0, 0]]
    np.testing.assert_allclose(table.rows[:4], expected, rtol=1e-6)


@pytest.mark.parametrize("size", [1e-37, 1e-30, 1e-20, 1.0, 1e20, 1e38])
def test_very_short_and_very_long_vectors_are_scaled_to_length_1(size):
    table = geometry.unit_table(vectors_of(np.array([[0.6, 0.8], [1, 1]]) * size))
    np.testing.assert_allclose(table.rows[0], [0.6, 0.8], rtol=1e-6)
    assert table.zero_rows.tolist() == []


@pytest.mark.parametrize("n_words", [1, BLOCK, BLOCK + 1, 70, 10**6])
def test_a_table_can_be_restricted_like_its_source(both, n_words):
    of_source = geometry.unit_table(both[0], n_words)
    whole = geometry.unit_table(both[0])
    of_table = geometry.unit_table(whole, n_words)
    assert len(of_source) == len(of_table) == min(n_words, len(both[0]))
    assert of_source.rows.shape == of_table.rows.shape
    kept = slice(len(of_source))
    np.testing.assert_allclose(of_source.rows[kept], of_table.rows[kept], atol=1e-7)
    assert of_table.word_vectors is both[0]
    assert (of_table is whole) == (n_words > len(both[0]))


def test_zero_vectors_beyond_the_first_words_are_left_out():
    whole = geometry.unit_table(vectors_of([[1, 0], [0, 0], [0, 1], [0, 0]]))
    assert geometry.unit_table(whole, 3).zero_rows.tolist() == [1]


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (0, ValueError, "restrict_vocab must be at least 1 or None, got 0"),
        (-3, ValueError, "restrict_vocab must be at least 1 or None, got -3"),
        (2.0, TypeError, "restrict_vocab must be an integer or None, got 2.0"),
    ],
)
def test_other_counts_are_refused(both, bad, error, message):
    with pytest.raises(error, match=message):
        geometry.unit_table(both[0], bad)
