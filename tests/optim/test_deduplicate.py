"""deduplicate: the form of each kind of device against NumPy."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxembed import optim
from jaxembed.optim._deduplicate import (
    BLOCK,
    sum_blocks_in_order,
    sum_by_blocks,
    sum_by_scatter,
    sum_by_slot,
    sum_in_order,
)

V, D, N = 9, 3, 20
FORMS = {
    "cpu": jax.jit(sum_by_slot),
    "tpu": jax.jit(sum_by_scatter),
    "gpu": jax.jit(sum_by_blocks),
}


def expected(grads, ids):
    """Return ``{row: sum}`` of the ids in range."""
    rows = {int(row) for row in ids if 0 <= row < V}
    return {row: grads[ids == row].sum(0) for row in rows}


def found(sums, rows):
    assert np.all(np.asarray(sums)[np.asarray(rows) == V] == 0)
    kept = [(int(r), s) for r, s in zip(rows, np.asarray(sums), strict=True) if r < V]
    assert len(dict(kept)) == len(kept), "a row came twice"
    return dict(kept)


def assert_equal(result, grads, ids):
    sums, rows, slot = result
    chex.assert_shape([sums, rows, slot], [grads.shape, ids.shape, (V,)])
    got, wanted = found(sums, rows), expected(grads, ids)
    assert got.keys() == wanted.keys()
    for row in wanted:
        np.testing.assert_array_equal(got[row], wanted[row])


# Integers, whose sum does not depend on the order.
@given(
    ids=st.lists(st.integers(0, V), max_size=N),
    garbage=st.integers(-(2**31), 2**31 - 1),
    seed=st.integers(0, 9),
)
@pytest.mark.parametrize("form", FORMS)
def test_equal_ids_are_summed(form, ids, garbage, seed):
    ids = np.array(ids + [V] * (N - len(ids)), np.int32)  # one shape: one program
    grads = np.random.default_rng(seed).integers(-99, 99, (ids.size, D))
    grads = grads.astype(np.float32)
    slot = jnp.full(V, garbage, jnp.int32)
    assert_equal(FORMS[form](jnp.array(grads), jnp.array(ids), slot), grads, ids)


@pytest.mark.parametrize("bad", [-1, -V, V + 1, 2**31 - 1, -(2**31)])
def test_a_bad_id_is_never_another_row(bad):
    ids, grads = np.array([2, bad, 2, V], np.int32), np.ones((4, D), np.float32)
    slot = jnp.full(V, 1, jnp.int32)  # old values, which must not be read
    result = optim.deduplicate(jnp.array(grads), jnp.array(ids), slot)
    assert_equal(result, grads, ids)


@pytest.mark.parametrize("form", [sum_in_order, sum_blocks_in_order])
@pytest.mark.parametrize("n", [0, 20, 300])
def test_sums_in_order_rise_and_end_with_padding(form, n):
    rng = np.random.default_rng(n)
    ids = rng.integers(0, V + 1, n).astype(np.int32)
    grads = rng.integers(-99, 99, (n, D)).astype(np.float32)
    if n or form is sum_in_order:
        sums, rows = form(jnp.array(grads), jnp.array(ids), V)
        assert (np.diff(np.asarray(rows)[rows < V]) > 0).all()
        assert (np.diff(np.asarray(rows)) >= 0).all()
        assert_equal((sums, rows, jnp.zeros(V)), grads, ids)


N_MANY = 5 * BLOCK + 37
CASES = {
    "words": lambda rng: np.minimum(rng.zipf(1.3, N_MANY) - 1, V - 1),
    "one id": lambda rng: np.full(N_MANY, 4),
    "padding": lambda rng: np.full(N_MANY, V),
    # The runs end at an edge, before it and after it, and one fills two blocks.
    "edges": lambda rng: rng.permutation(
        np.repeat([0, 1, 2, 3, 6], [BLOCK, 2 * BLOCK + 1, BLOCK - 2, 1, BLOCK + 37])
    ),
    "a part of a block": lambda rng: rng.integers(0, V, BLOCK - 1),
    "whole blocks": lambda rng: rng.integers(0, V, 2 * BLOCK),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("form", FORMS)
def test_sums_are_those_of_float64_and_have_the_same_bits_twice(form, case):
    rng = np.random.default_rng(0)
    ids = CASES[case](rng).astype(np.int32)
    grads = rng.normal(size=(len(ids), D)).astype(np.float32)
    slot = jnp.zeros(V, jnp.int32)
    result = FORMS[form](grads, ids, slot)
    got, wanted = found(*result[:2]), expected(grads.astype(np.float64), ids)
    assert got.keys() == wanted.keys()
    for row, total in wanted.items():
        np.testing.assert_allclose(got[row], total, rtol=0, atol=2e-6 * len(ids) ** 0.5)
    chex.assert_trees_all_equal(FORMS[form](grads, ids, slot), result)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("form", FORMS)
def test_a_gradient_that_is_not_finite_reaches_only_its_row(form, value):
    ids = np.random.default_rng(0).integers(0, V, N_MANY).astype(np.int32)
    grads = np.ones((N_MANY, D), np.float32)
    bad = np.flatnonzero(ids == 5)[-1]
    grads[bad, 1] = value
    sums, rows, _ = FORMS[form](grads, ids, jnp.zeros(V, jnp.int32))
    for row, total in found(sums, rows).items():
        assert np.isfinite(total).all() == (row != 5)


def test_vmap_and_no_ids():
    grads = np.arange(2 * N * D, dtype=np.float32).reshape(2, N, D)
    ids = np.random.default_rng(0).integers(0, V, (2, N)).astype(np.int32)
    slots = jnp.zeros((2, V), jnp.int32)
    results = jax.vmap(optim.deduplicate)(jnp.array(grads), jnp.array(ids), slots)
    for i in range(2):
        assert_equal([part[i] for part in results], grads[i], ids[i])
    none = jnp.zeros(0, jnp.int32)
    sums, rows, _ = optim.deduplicate(jnp.zeros((0, D)), none, slots[0])
    assert sums.shape == (0, D) and rows.shape == (0,)


@pytest.mark.parametrize("form", FORMS)
def test_small_gradients_are_summed_in_float32(form):
    n = 500
    result = optim.deduplicate(
        jnp.ones((n, 1), jnp.bfloat16), jnp.zeros(n, jnp.int32), jnp.zeros(V, jnp.int32)
    )
    assert found(*result[:2])[0] == n  # a sum in bfloat16 would stop at 256
    assert result[0].dtype == jnp.float32
    direct = FORMS[form](jnp.ones((n, 1)), jnp.zeros(n, jnp.int32), result[2])
    assert found(*direct[:2])[0] == n


@pytest.mark.parametrize(
    ("grads", "ids", "slot", "error"),
    [
        ((2, D), np.zeros(3, np.int32), (V,), ValueError),
        ((2,), np.zeros(2, np.int32), (V,), ValueError),
        ((2, D), np.zeros(2, np.int32), (V, 1), ValueError),
        ((2, D), np.zeros(2, np.int16), (V,), TypeError),
    ],
    ids=["count", "axes", "slot", "dtype"],
)
def test_what_does_not_fit_is_refused(grads, ids, slot, error):
    with pytest.raises(error, match="must"):
        optim.deduplicate(jnp.zeros(grads), jnp.array(ids), jnp.zeros(slot, jnp.int32))
