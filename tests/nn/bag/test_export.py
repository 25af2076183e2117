"""embedding_bag and lookup: export with symbolic shapes, for three platforms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from jaxembed import nn
from jaxembed.nn.bag._loops import COLUMNS, FEW_BAGS

V, D = 11, 3
TABLE = np.random.default_rng(5).normal(size=(V, D)).astype(np.float32)
PLATFORMS = ("cpu", "cuda", "tpu")
SHAPES = {
    "b, 20": [(1, 20), (3, 20), (2 * FEW_BAGS, 20)],
    "4, l": [(4, 1), (4, COLUMNS), (4, 2 * COLUMNS + 3)],
    "b, l": [(1, 1), (2 * FEW_BAGS, COLUMNS + 1)],
}


def specs(*arguments):
    return [x and jax.ShapeDtypeStruct(*x) for x in arguments]


@pytest.mark.long
@pytest.mark.parametrize("combine", ["sum", "mean", "sqrtn", "max"])
@pytest.mark.parametrize("shape", SHAPES)
def test_bags_of_a_symbolic_shape(shape, combine):
    axes, rng = export.symbolic_shape(shape), np.random.default_rng(6)
    is_weighted = combine != "max"

    def bag(table, ids, weights, mask):
        plain = nn.embedding_bag(table, ids, combine=combine)
        return plain, nn.embedding_bag(table, ids, weights, mask, combine)

    exported = export.export(jax.jit(bag), platforms=PLATFORMS)(
        *specs(
            ((V, D), jnp.float32),
            (axes, jnp.int32),
            (axes, jnp.float32) if is_weighted else None,
            (axes, jnp.bool_),
        )
    )
    for known in SHAPES[shape]:
        weights = rng.uniform(0.5, 2, known).astype(np.float32)
        ids, mask = rng.integers(0, V, known, np.int32), rng.random(known) < 0.7
        inputs = TABLE, ids, weights if is_weighted else None, mask
        for found, expected in zip(exported.call(*inputs), bag(*inputs), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("combine", ["mean", "max"])
def test_gradients_of_a_symbolic_shape(combine):
    @jax.jit
    def gradient(table, ids):
        return jax.grad(
            lambda t: (nn.embedding_bag(t, ids, combine=combine) ** 2).sum()
        )(table)

    axes = export.symbolic_shape("b, l")
    exported = export.export(gradient, platforms=PLATFORMS)(
        *specs(((V, D), jnp.float32), (axes, jnp.int32))
    )
    ids = np.random.default_rng(7).integers(0, V, (5, 40), np.int32)
    found = exported.call(TABLE, ids)
    np.testing.assert_allclose(found, gradient(TABLE, ids), rtol=1e-5, atol=1e-6)


def test_rows_of_a_symbolic_shape():
    axes = export.symbolic_shape("b, l")
    exported = export.export(jax.jit(nn.lookup), platforms=PLATFORMS)(
        *specs(((V, D), jnp.float32), (axes, jnp.int32))
    )
    ids = np.array([[1, -1, V], [3, 0, 10]], np.int32)
    np.testing.assert_array_equal(exported.call(TABLE, ids), nn.lookup(TABLE, ids))


@pytest.mark.parametrize("combine", ["mean", "max"])
def test_offsets_of_a_symbolic_length(combine):
    def bag(table, ids, offsets, mask):
        return nn.embedding_bag(table, ids, mask=mask, combine=combine, offsets=offsets)

    n, ends = export.symbolic_shape("n, e", constraints=["n >= 1", "e >= 2"])
    exported = export.export(jax.jit(bag), platforms=PLATFORMS)(
        *specs(
            ((V, D), jnp.float32), ((n,), jnp.int32), ((ends,), jnp.int32), ((n,), bool)
        )
    )
    rng = np.random.default_rng(8)
    for n_ids, offsets in ((7, [0, 3, 3, 7]), (1, [0, 1])):
        ids, mask = rng.integers(0, V, n_ids, np.int32), rng.random(n_ids) < 0.7
        inputs = TABLE, ids, np.array(offsets, np.int32), mask
        np.testing.assert_allclose(exported.call(*inputs), bag(*inputs), atol=1e-6)
