"""Embed: the parameter, dtypes, gradients, freezing and padding."""

import chex
import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxembed import nn

V, D, B, L = 7, 5, 2, 3
TABLE = jnp.arange(V * D, dtype=jnp.float32).reshape(V, D) + 1
IDS = jnp.array([[1, 2, 3], [3, 1, 6]])


def test_a_checkpoint_of_flax_fits():
    theirs = flax.linen.Embed(V, D)
    variables = theirs.init(jax.random.key(0), IDS)
    ours = nn.Embed(V, D)
    chex.assert_trees_all_equal_shapes(variables, ours.init(jax.random.key(0), IDS))
    rows = ours.apply(variables, IDS)
    np.testing.assert_array_equal(rows, theirs.apply(variables, IDS))


@pytest.mark.parametrize("param_dtype", [jnp.float32, jnp.bfloat16], ids=str)
@pytest.mark.parametrize("dtype", [None, jnp.float32, jnp.bfloat16], ids=str)
def test_shapes_and_dtypes(param_dtype, dtype):
    embed = nn.Embed(V, D, param_dtype=param_dtype, dtype=dtype)
    variables = embed.init(jax.random.key(0), IDS)
    chex.assert_shape(variables["params"]["embedding"], (V, D))
    chex.assert_type(variables["params"]["embedding"], param_dtype)
    rows = embed.apply(variables, IDS)
    chex.assert_shape(rows, (B, L, D))
    chex.assert_type(rows, param_dtype if dtype is None else dtype)


def test_initial_weights_are_those_of_keras():
    variables = nn.Embed(1000, 20).init(jax.random.key(0), IDS)
    table = np.asarray(variables["params"]["embedding"])
    assert -0.05 <= table.min() < -0.049
    assert 0.049 < table.max() < 0.05
    assert abs(table.mean()) < 1e-3


@pytest.mark.parametrize("frozen", [False, True])
def test_a_frozen_table_has_no_gradient_and_no_scatter(frozen):
    embed = nn.Embed(V, D, frozen=frozen)

    @jax.jit
    def gradient(params):
        return jax.grad(lambda p: jnp.sum(embed.apply({"params": p}, IDS) ** 2))(params)

    params = {"embedding": TABLE}
    moves = bool(np.any(gradient(params)["embedding"]))
    scatters = " scatter(" in gradient.lower(params).compile().as_text()
    # The unfrozen table shows that the test can fail.
    assert (moves, scatters) == (not frozen, not frozen)


def test_bfloat16_loses_no_gradient_of_a_word_that_comes_often():
    ids = jnp.zeros((1, 4000), jnp.int32)

    def total(params, embed):
        return jnp.sum(embed.apply({"params": params}, ids).astype(jnp.float32))

    params = {"embedding": TABLE}
    ours = jax.grad(total)(params, nn.Embed(V, D, dtype=jnp.bfloat16))["embedding"]
    theirs = jax.grad(total)(params, flax.linen.Embed(V, D, dtype=jnp.bfloat16))
    np.testing.assert_array_equal(ours[0], 4000.0)
    assert theirs["embedding"][0, 0] < 4000  # the trap is real


def test_a_lookup_of_ones_own_is_used():
    embed = nn.Embed(V, D, lookup_fn=lambda table, ids: nn.lookup(table, ids) * 2)
    rows = embed.apply({"params": {"embedding": TABLE}}, IDS)
    np.testing.assert_array_equal(rows, 2 * np.asarray(TABLE)[np.asarray(IDS)])


def test_equal_shapes_trace_once():
    @jax.jit
    @chex.assert_max_traces(n=1)  # inside of jit; it cannot wrap a Linen method
    def rows_of(ids):
        return nn.Embed(V, D).apply({"params": {"embedding": TABLE}}, ids)

    for seed in range(3):
        rows_of(jax.random.randint(jax.random.key(seed), (B, L), 0, V))


def test_a_step_moves_only_the_rows_of_the_batch():
    embed, tx = nn.Embed(V, D), optax.sgd(0.1)
    params = {"embedding": TABLE}
    grads = jax.grad(lambda p: jnp.sum(embed.apply({"params": p}, IDS)))(params)
    updates, _ = tx.update(grads, tx.init(params), params)
    moved = np.any(np.asarray(updates["embedding"]) != 0, axis=1)
    np.testing.assert_array_equal(moved, [False, True, True, True, False, False, True])


@pytest.mark.parametrize("shape", [(0, 5), (7, 0), (-1, 5)], ids=str)
def test_a_table_without_rows_or_columns_is_refused(shape):
    with pytest.raises(ValueError, match="must be at least 1, got"):
        nn.Embed(*shape).init(jax.random.key(0), IDS)


def test_the_row_of_padding_is_zeros_whatever_the_table_has():
    ids = jnp.array([[2, 0, 1], [0, 0, 2]])
    embed = nn.Embed(V, D, padding_idx=0)
    variables = embed.init(jax.random.key(0), ids)
    np.testing.assert_array_equal(variables["params"]["embedding"][0], np.zeros(D))
    assert np.all(variables["params"]["embedding"][1:] != 0)
    for value in (5.0, jnp.nan):
        table = jnp.full((V, D), 2.0).at[0].set(value)

        def read(table):
            return embed.apply({"params": {"embedding": table}}, ids)

        np.testing.assert_array_equal(read(table)[0, 1], np.zeros(D))
        grads = jax.grad(lambda table: jnp.sum(read(table) ** 2))(table)
        np.testing.assert_array_equal(grads[0], np.zeros(D))
        np.testing.assert_array_equal(grads[2], np.full(D, 8.0))
    plain = nn.Embed(V, D).apply(variables, ids)
    np.testing.assert_array_equal(embed.apply(variables, ids), plain)


@pytest.mark.parametrize("padding_idx", [-1, V])
def test_padding_that_is_no_row_is_refused(padding_idx):
    with pytest.raises(ValueError, match=f"padding_idx must be a row.* {padding_idx}"):
        nn.Embed(V, D, padding_idx=padding_idx).init(
            jax.random.key(0), jnp.array([[0]])
        )


def test_an_id_past_32_bits_is_no_padding():
    embed = nn.Embed(V, D, padding_idx=0)
    variables = embed.init(jax.random.key(0), jnp.array([[1]]))
    rows = embed.apply(variables, np.array([[2**32, 0]]))
    np.testing.assert_array_equal(np.isnan(rows).all(-1), [[True, False]])
