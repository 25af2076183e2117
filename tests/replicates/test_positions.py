"""Positions: a dense layer over flattened rows, computed once per distinct word."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxembed.nn import lookup
from jaxembed.replicates._validation import (
    find_positions,
    multiply_positions,
    sum_places,
)

V, D, L, H, B = 11, 3, 4, 5, 9


def texts(seed=0, shape=(B, L)):
    return np.random.default_rng(seed).integers(0, V, shape).astype(np.int32)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 20), st.integers(1, 6), st.integers(0, 99))
def test_places_lead_back_to_the_ids(n_texts, length, seed):
    ids = texts(seed, (n_texts, length))
    words, places = find_positions(ids)
    np.testing.assert_array_equal(np.asarray(words).reshape(-1)[places], ids)
    distinct = [len(np.unique(column)) for column in ids.T]
    assert words.shape == (length, max(distinct))
    assert words.dtype == places.dtype == np.int32


def test_equals_the_product_of_flattened_rows():
    ids = texts()
    rng = np.random.default_rng(1)
    table, kernel = rng.normal(size=(V, D)), rng.normal(size=(L * D, H))
    words, places = find_positions(ids)
    rows = jnp.asarray(table, jnp.float32)

    @jax.jit
    def product(rows, words):
        weights = jnp.asarray(kernel, jnp.float32)
        return sum_places(multiply_positions(lookup(rows, words), weights), places)

    expected = table[ids].reshape(B, L * D) @ kernel  # float64
    np.testing.assert_allclose(product(rows, words), expected, rtol=1e-5, atol=1e-6)
