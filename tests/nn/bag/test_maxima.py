"""Maxima of bags: the numbers that won, picked one by one and by whole rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed.nn.bag import _flat, _maxima

V, D, B, L = 11, 3, 4, 6
RNG = np.random.default_rng(5)
TABLE = RNG.normal(size=(V, D)).astype(np.float32)
IDS = RNG.integers(0, V, (B, L)).astype(np.int32)
IDS[0, :2] = IDS[1, 3]  # an id twice in a bag, and in two bags
PLACES = RNG.integers(0, L, (B, D)).astype(np.int32)
COTANGENT = RNG.normal(size=(B, D)).astype(np.float32)
LENGTHS = (5, 0, 6, 1)
OFFSETS = np.concatenate([[0], np.cumsum(LENGTHS)])
N = OFFSETS[-1] + 2  # two ids in no bag


def pick(winners):
    """Return the numbers of the winning ids, and the gradient; V for no winner."""
    numbers, gradient = np.zeros((B, D)), np.zeros((V, D))
    for b, d in np.ndindex(B, D):
        if winners[b, d] < V:
            numbers[b, d] = TABLE[winners[b, d], d]
            gradient[winners[b, d], d] += COTANGENT[b, d]
    return numbers, gradient


def check(function, arguments, expected):
    numbers, transpose = jax.vjp(lambda table: function(table, *arguments), TABLE)
    np.testing.assert_array_equal(numbers, expected[0].astype(np.float32))
    gradient = transpose(jnp.asarray(COTANGENT))[0]
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-6)


@pytest.mark.parametrize("function", [_maxima.pick, _maxima.pick_by_row])
def test_numbers_of_padded_bags(function):
    places = PLACES.copy()
    places[2, 1] = _maxima.NO_PLACE
    winners = np.take_along_axis(IDS, PLACES, 1)
    winners[2, 1] = V
    check(jax.jit(function), (IDS, places), pick(winners))


@pytest.mark.parametrize("function", [_flat._pick, _flat._pick_by_row])
def test_numbers_of_flat_bags(function):
    ids = RNG.integers(0, V, N).astype(np.int32)
    bags = np.append(np.repeat(np.arange(B), LENGTHS), [B, B]).astype(np.int32)
    places = np.full((B, D), N, np.int32)  # of an empty bag
    for b, d in np.ndindex(B, D):
        if LENGTHS[b]:
            places[b, d] = RNG.integers(*OFFSETS[b : b + 2])
    winners = np.where(places < N, ids[np.minimum(places, N - 1)], V)
    check(jax.jit(function), (ids, bags, places), pick(winners))


@pytest.mark.parametrize("function", [_maxima.pick, _maxima.pick_by_row])
def test_a_gradient_in_16_bits_is_summed_in_32(function):
    n = 300  # bfloat16 adds 1 to 256 and keeps 256
    ids, places = np.zeros((n, 1), np.int32), np.zeros((n, 1), np.int32)
    table = jnp.ones((1, 1), jnp.bfloat16)
    transpose = jax.vjp(lambda table: function(table, ids, places), table)[1]
    assert transpose(jnp.ones((n, 1), jnp.bfloat16))[0] == 300
