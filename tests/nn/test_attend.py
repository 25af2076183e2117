"""Embed: attend, sizes and taps."""

import chex
import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn

V, D = 7, 4
TABLE = np.random.default_rng(0).normal(size=(V, D)).astype(np.float32)
VARIABLES = {"params": {"embedding": jnp.asarray(TABLE)}}


@pytest.mark.parametrize("shape", [(D,), (3, D), (2, 3, D)], ids=str)
def test_attend_is_the_product_with_all_rows(shape):
    query = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    found = nn.Embed(V, D).apply(VARIABLES, query, method="attend")
    chex.assert_shape(found, (*shape[:-1], V))
    np.testing.assert_allclose(found, query @ TABLE.T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [None, jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("param_dtype", [jnp.float32, jnp.bfloat16])
def test_attend_equals_flax(dtype, param_dtype):
    settings = {"dtype": dtype, "param_dtype": param_dtype}
    query = np.random.default_rng(1).normal(size=(3, D)).astype(np.float32)
    variables = {"params": {"embedding": jnp.asarray(TABLE, param_dtype)}}
    ours = nn.Embed(V, D, **settings).apply(variables, query, method="attend")
    theirs = flax.linen.Embed(V, D, **settings)
    theirs = theirs.apply(variables, query, method="attend")
    chex.assert_equal(ours.dtype, theirs.dtype)
    np.testing.assert_array_equal(ours, theirs)


def test_padding_has_a_product_of_zero():
    query = np.ones((2, D), np.float32)
    embed = nn.Embed(V, D, padding_idx=3)
    found = np.array(embed.apply(VARIABLES, query, method="attend"))
    assert found[:, 3].tolist() == [0, 0]
    expected = query @ TABLE.T
    expected[:, 3] = 0
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("frozen", [False, True])
def test_the_gradient_of_tied_weights(frozen):
    embed = nn.Embed(V, D, frozen=frozen)

    def loss(variables):
        rows = embed.apply(variables, jnp.array([1, 2]))
        return embed.apply(variables, rows, method="attend").sum()

    found = jax.grad(loss)(VARIABLES)["params"]["embedding"]
    # The loss is the product of two sums of rows: of rows 1 and 2, and of all rows.
    expected = np.tile(TABLE[1:3].sum(0), (V, 1))
    expected[1:3] += TABLE.sum(0)
    expected = np.zeros_like(expected) if frozen else expected
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("sizes", "error", "message"),
    [
        (("3", 8), TypeError, "num_embeddings must be an integer, got '3'"),
        ((True, 8), TypeError, "num_embeddings must be an integer, got True"),
        ((3, 0), ValueError, "features must be at least 1, got 0"),
        ((3, 2.5), TypeError, "features must be an integer, got 2.5"),
    ],
)
def test_sizes_that_are_no_counts(sizes, error, message):
    with pytest.raises(error, match=message):
        nn.Embed(*sizes).init(jax.random.key(0), jnp.array([0]))


def test_a_tap_without_its_ids_is_refused():
    taps = {"row_grads": {"embedding": (jnp.zeros((2, D)),)}}
    ids = jnp.array([1, 2])
    with pytest.raises(ValueError, match="row_grads needs mutable"):
        nn.Embed(V, D).apply(VARIABLES | taps, ids)
    rows, sown = nn.Embed(V, D).apply(VARIABLES | taps, ids, mutable=["row_ids"])
    np.testing.assert_array_equal(rows, TABLE[1:3])
    assert sown["row_ids"]["embedding"][0].tolist() == [[1], [2]]
