"""Lookups on a mesh: equal to those of one device, also their gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from jaxembed import nn
from jaxembed.dist import Rules, lookup, to_shards, to_words
from jaxembed.dist.exchange._buckets import choose_capacity
from tests.dist._cases import N_WORDS, SHAPES, make_ids, make_rules

DIM = 3
LONG = functools.partial(pytest.param, marks=pytest.mark.long)
KINDS = ["random", "zipf", "equal", "one shard", "bad"]


def make_table(dtype=np.float32):
    return np.random.default_rng(1).normal(size=(N_WORDS, DIM)).astype(dtype)


@functools.cache
def make_program(rules):
    """Return a compiled lookup, with its gradient for given cotangents."""

    @jax.jit
    def run(table, ids, cotangents):
        rows, pull = jax.vjp(lambda table: lookup(table, ids, rules, N_WORDS), table)
        return rows, pull(cotangents)[0]

    return run


def run_on_one_device(table, ids, cotangents):
    rows, pull = jax.vjp(lambda table: nn.lookup(table, ids), table)
    return rows, pull(cotangents)[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [*SHAPES[:2], LONG((4, 1))], ids=str)
def test_rows_and_gradients_equal_those_of_one_device(shape, kind):
    rules, table, ids = make_rules(shape), make_table(), make_ids(kind)
    cotangents = np.random.default_rng(2).normal(size=(*ids.shape, DIM))
    given = ids, jnp.asarray(cotangents, jnp.float32)
    found = make_program(rules)(to_shards(table, rules), *given)
    rows, gradient = jax.block_until_ready(found)
    wanted = run_on_one_device(jnp.asarray(table), *given)
    np.testing.assert_array_equal(rows, wanted[0])
    assert rows.sharding.is_equivalent_to(rules.batch, 3)
    np.testing.assert_allclose(to_words(gradient, N_WORDS), wanted[1], 1e-5, 1e-4)
    assert gradient.sharding.is_equivalent_to(rules.table, 2)


@pytest.mark.parametrize("shape", [LONG((1, 4)), (2, 2)], ids=str)
def test_uneven_ids_need_several_turns(shape):
    n = shape[1]
    table, rules = np.zeros((4000, 1), np.float32), make_rules(shape)
    # Device 0 reads rows of the first shard only, the others rows of all shards.
    ids = np.random.default_rng(0).integers(0, 4000, (4, 250))
    ids[0] = np.arange(0, 250 * n, n)
    assert choose_capacity(250, n, 4000 // n) < 250
    table[:, 0] = np.arange(4000)

    @jax.jit
    def run(table):
        rows, pull = jax.vjp(lambda table: lookup(table, ids, rules, 4000), table)
        return rows, pull(rows)[0]

    rows, gradient = jax.block_until_ready(run(to_shards(table, rules)))
    np.testing.assert_array_equal(rows[..., 0], ids)
    counts = np.bincount(ids.reshape(-1), minlength=4000)
    np.testing.assert_array_equal(to_words(gradient, 4000)[:, 0], counts * table[:, 0])


@pytest.mark.parametrize("shape", [(7, 2), LONG(()), (0, 5), (4, 0)])
def test_any_shape_of_ids_is_read(shape):
    rules, table = make_rules((2, 2)), make_table()
    ids = np.random.default_rng(3).integers(0, N_WORDS, shape)
    rows = lookup(to_shards(table, rules), ids, rules, N_WORDS)
    np.testing.assert_array_equal(rows, table[ids])


@pytest.mark.parametrize("kind", [LONG(np.int8), np.uint32])
def test_any_integers_are_ids(kind):
    rules, table = make_rules((1, 4)), make_table()
    ids = np.array([0, 36, 37, 120], kind)
    rows = np.asarray(lookup(to_shards(table, rules), ids, rules, N_WORDS))
    np.testing.assert_array_equal(rows[:2], table[[0, 36]])
    assert np.isnan(rows[2:]).all()


def test_rows_of_bfloat16_are_unchanged():
    rules, table = make_rules((1, 4)), make_table(jnp.bfloat16)
    ids, cotangents = make_ids("zipf"), jnp.ones((24, 30, DIM), jnp.bfloat16)
    found = make_program(rules)(to_shards(table, rules), ids, cotangents)
    rows, gradient = jax.block_until_ready(found)
    assert rows.dtype == gradient.dtype == jnp.bfloat16
    np.testing.assert_array_equal(rows, table[ids])
    counts = np.bincount(ids.reshape(-1), minlength=N_WORDS)
    found = to_words(gradient, N_WORDS)[:, 0].astype(np.float32)
    np.testing.assert_allclose(found, counts, rtol=0.02)


@pytest.mark.parametrize("n", [LONG(24), 23])
def test_an_explicit_mesh_gives_equal_rows_and_gradients(n):
    mesh = jax.make_mesh((2, 2), ("data", "vocab"), axis_types=(AxisType.Explicit,) * 2)
    rules, table, ids = Rules(mesh), make_table(), make_ids("zipf")[:n]
    cotangents = jnp.ones((*ids.shape, DIM))
    given = jax.device_put((ids, cotangents), rules.batch if n == 24 else rules.whole)
    with jax.set_mesh(mesh):
        found = make_program(rules)(to_shards(table, rules), *given)
    rows, gradient = jax.block_until_ready(found)
    wanted = run_on_one_device(jnp.asarray(table), ids, cotangents)
    np.testing.assert_array_equal(rows, wanted[0])
    np.testing.assert_allclose(to_words(gradient, N_WORDS), wanted[1], 1e-5, 1e-4)
    assert jax.typeof(gradient).sharding.spec == rules.table.spec


def test_a_scan_over_batches_reads_equal_rows():
    rules, table = make_rules((2, 2)), make_table()
    ids = make_ids("zipf")[:, :4].reshape(3, 8, 4)

    @jax.jit
    def run(table, ids):
        return jax.lax.map(lambda batch: lookup(table, batch, rules, N_WORDS), ids)

    rows = jax.block_until_ready(run(to_shards(table, rules), ids))
    np.testing.assert_array_equal(rows, table[ids])


def test_no_device_holds_the_whole_table():
    rules, n_words = make_rules((1, 4)), 40_003
    shapes = [
        jax.ShapeDtypeStruct((40_004, DIM), jnp.float32, sharding=rules.table),
        jax.ShapeDtypeStruct((8, 4), jnp.int32, sharding=rules.batch),
    ]

    @jax.jit
    def run(table, ids):
        return jax.grad(lambda t: (lookup(t, ids, rules, n_words) ** 2).sum())(table)

    text = run.lower(*shapes).compile().as_text()
    assert "all-to-all" in text and "all-gather" not in text
    assert "[10001,3]" in text and "[40004" not in text


def test_a_table_in_word_order_is_refused():
    rules = make_rules((1, 4))
    with pytest.raises(ValueError, match=r"37 words in 4 shards must have 40 rows"):
        lookup(make_table(), np.array([1]), rules, N_WORDS)
    with pytest.raises(ValueError, match=r"axes \[Vp, D\], got \[40\]"):
        lookup(np.zeros(40), np.array([1]), rules, N_WORDS)
    with pytest.raises(ValueError, match="at most 2147483647 rows"):
        large = jax.ShapeDtypeStruct((3_000_000_004, 1), jnp.float32)
        jax.eval_shape(lambda t: lookup(t, np.array([1]), rules, 3_000_000_000), large)
    with pytest.raises(TypeError, match="ids must be integers, got float"):
        lookup(np.zeros((40, 2)), np.array([1.0]), rules, N_WORDS)
