"""embedding_bag: forward-mode derivatives and derivatives of second order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn

V, D, B, L = 7, 3, 4, 5  # all different
RNG = np.random.default_rng(3)
TABLE = jnp.asarray(RNG.normal(size=(V, D)), jnp.float32)
IDS = jnp.asarray(RNG.integers(0, V, (B, L)), jnp.int32)
WEIGHTS = jnp.asarray(RNG.uniform(0.5, 2, (B, L)), jnp.float32)
LENGTHS = np.array([L, 0, 1, 3])
MASK = jnp.asarray(np.arange(L) < LENGTHS[:, None])
OFFSETS = np.concatenate([[0], np.cumsum(LENGTHS)])
CASES = [(f, c) for f in ("padded", "flat") for c in ("sum", "mean", "sqrtn", "max")]


def make_bag(form, combine):
    """Return a function of the table and weights ``[B, L]`` that pools the bags."""

    def bag(table, weights):
        ids, mask, offsets = IDS, MASK, None
        if form == "flat":
            keep = np.flatnonzero(MASK)
            ids, weights = IDS.reshape(-1)[keep], weights.reshape(-1)[keep]
            mask, offsets = None, OFFSETS
        weights = None if combine == "max" else weights
        return nn.embedding_bag(table, ids, weights, mask, combine, offsets=offsets)

    return bag


def make_oracle(combine):
    """Return an equal function of take and reduce, whose derivatives JAX knows."""

    def bag(table, weights):
        rows, weights = table[IDS], jnp.where(MASK, weights, 0)
        if combine == "max":
            best = jnp.where(MASK[..., None], rows, -jnp.inf).max(1)
            return jnp.where(MASK.any(1)[:, None], best, 0)
        total = {"sum": jnp.ones(B), "mean": weights.sum(1)}
        total["sqrtn"] = (weights**2).sum(1)
        safe = jnp.where(MASK.any(1), total[combine], 1)
        divisor = jnp.sqrt(safe) if combine == "sqrtn" else safe
        return (rows * weights[..., None]).sum(1) / divisor[:, None]

    return bag


def assert_near(found, expected):
    for one, other in zip(
        jax.tree.leaves(found), jax.tree.leaves(expected), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("form", "combine"), CASES)
def test_jacobians_by_columns(form, combine):
    by_columns = jax.jit(jax.jacfwd(make_bag(form, combine), (0, 1)))
    expected = jax.jit(jax.jacrev(make_oracle(combine), (0, 1)))(TABLE, WEIGHTS)
    assert_near(by_columns(TABLE, WEIGHTS), expected)


@pytest.mark.long
@pytest.mark.parametrize(("form", "combine"), CASES)
def test_hessians_of_table_and_weights(form, combine):
    def hessian(bag):
        return jax.jit(jax.hessian(lambda *x: (bag(*x) ** 3).sum(), (0, 1)))

    found = hessian(make_bag(form, combine))(TABLE, WEIGHTS)
    assert_near(found, hessian(make_oracle(combine))(TABLE, WEIGHTS))


@pytest.mark.long
def test_reverse_over_forward_and_reverse():
    def loss(bag, table, weights):
        return (bag(table, weights) ** 3).sum()

    bag, oracle = make_bag("padded", "mean"), make_oracle("mean")
    for inner in (jax.jacfwd, jax.jacrev):
        twice = jax.jit(jax.jacrev(inner(loss, (1, 2)), (1, 2)), static_argnums=0)
        assert_near(twice(bag, TABLE, WEIGHTS), twice(oracle, TABLE, WEIGHTS))


@pytest.mark.parametrize("combine", ["sum", "mean", "sqrtn", "max"])
def test_masked_rows_of_nan_have_no_tangent(combine):
    table = TABLE.at[0].set(jnp.nan)  # the row of the masked ids
    ids, mask = jnp.where(IDS == 0, 1, IDS), MASK.at[:, 0].set(False)
    weights = None if combine == "max" else WEIGHTS.at[:, 0].set(jnp.nan)

    def bag(table, weights):
        return nn.embedding_bag(table, ids.at[:, 0].set(0), weights, mask, combine)

    ones = jax.tree.map(jnp.ones_like, (table, weights))
    tangent = jax.jvp(bag, (table, weights), ones)[1]
    assert jnp.isfinite(tangent).all() and tangent.any()


def test_a_bag_with_a_bad_id_has_no_tangent():
    for ids in (IDS.at[1, 2].set(V), jnp.resize(IDS, (100, L)).at[1, 2].set(-1)):
        bags, tangent = jax.jvp(
            lambda table, ids=ids: nn.embedding_bag(table, ids), (TABLE,), (TABLE,)
        )
        assert jnp.isnan(bags[1]).all() and not tangent[1].any()
        np.testing.assert_allclose(
            np.delete(tangent, 1, 0), np.delete(bags, 1, 0), rtol=1e-5
        )


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("combine", ["mean", "max"])
def test_tangents_of_16_bit_tables(dtype, combine):
    table = TABLE.astype(dtype)

    def bag(table):
        return nn.embedding_bag(table, IDS, None, MASK, combine)

    bags, tangent = jax.jvp(bag, (table,), (table,))
    assert tangent.dtype == dtype
    np.testing.assert_allclose(  # a bag is linear in its table
        tangent.astype(jnp.float32), bags.astype(jnp.float32), rtol=1e-2, atol=1e-2
    )
