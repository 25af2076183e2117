"""embedding_bag: gradients of tables, weights and taps, and their memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn
from jaxembed.nn import _bag_loops

V, D, B, L = 13, 3, 5, 7  # all different
RNG = np.random.default_rng(1)
TABLE = jnp.asarray(RNG.normal(size=(V, D)), jnp.float32)
IDS = jnp.asarray(RNG.integers(0, V, (B, L)), jnp.int32)
WEIGHTS = jnp.asarray(RNG.normal(size=(B, L)), jnp.float32)
LENGTHS = np.array([L, 0, 1, 4, 2])
MASK = jnp.asarray(np.arange(L) < LENGTHS[:, None])
COTANGENT = jnp.asarray(RNG.normal(size=(B, D)), jnp.float32)
OFFSETS = jnp.asarray(np.concatenate([[0], np.cumsum(LENGTHS)]))


@pytest.fixture
def small_chunks(monkeypatch):
    """Several chunks, the last of them filled up, without thousands of ids."""
    monkeypatch.setattr(_bag_loops, "CHUNK", 8)


def dense(table, ids, weights, mask, combine):
    """The same by take and reduce, whose gradient JAX derives: ``[B, D]``."""
    rows, is_read = table[ids], mask[..., None]
    if combine == "max":
        best = jnp.where(is_read, rows, -jnp.inf).max(1)
        return jnp.where(mask.any(1)[:, None], best, 0)
    weights = jnp.where(mask, weights, 0)
    summed = (rows * weights[..., None]).sum(1)
    total = {"sum": jnp.ones(B), "mean": weights.sum(1), "sqrtn": (weights**2).sum(1)}
    safe = jnp.where(total[combine] == 0, 1, total[combine])
    return summed / (jnp.sqrt(safe) if combine == "sqrtn" else safe)[:, None]


def flatten(values):
    """The masked ``[B, L]`` as ``[N]``, with three more that are in no bag."""
    values = np.asarray(values)
    return jnp.asarray(np.concatenate([values[np.asarray(MASK)], values[0, :3]]))


FORMS = [("padded", "mean"), ("padded", "max")]
FORMS += [("flat", "sum"), ("flat", "sqrtn"), ("flat", "max")]


@pytest.mark.parametrize(("form", "combine"), FORMS)
def test_gradients_of_take_and_reduce(form, combine, small_chunks):
    def loss(table, weights, tap, bag):
        return jnp.sum(bag(table, weights, tap) * COTANGENT)

    def padded(table, weights, tap):
        weights = None if combine == "max" else weights
        return nn.embedding_bag(table, IDS, weights, MASK, combine, tap=tap)

    def flat(table, weights, tap):
        weights = None if combine == "max" else weights
        ids, offsets = flatten(IDS).at[-3:].set(-V), OFFSETS
        return nn.embedding_bag(
            table, ids, weights, None, combine, offsets=offsets, tap=tap
        )

    def oracle(table, weights, tap):
        return dense(table, IDS, weights, MASK, combine)

    @jax.jit
    def all_gradients(weights):
        tap = jnp.zeros((*weights.shape, D))
        bag = padded if form == "padded" else flat
        direct = jax.grad(loss, (0, 1))(TABLE, weights, None, bag)
        return direct, jax.grad(loss, (0, 1, 2))(TABLE, weights, tap, bag)

    expected = jax.grad(loss, (0, 1))(TABLE, WEIGHTS, None, oracle)
    ids, to_weights = IDS, expected[1]
    if form == "flat":
        ids, to_weights = flatten(IDS), flatten(to_weights).at[-3:].set(0)
    direct, tapped = all_gradients(WEIGHTS if form == "padded" else flatten(WEIGHTS))
    near = dict(rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(direct[0], expected[0], **near)
    np.testing.assert_allclose(direct[1], to_weights, **near)
    np.testing.assert_array_equal(tapped[0], np.zeros((V, D)))
    np.testing.assert_allclose(tapped[1], to_weights, **near)
    from_rows = jnp.zeros((V, D)).at[ids].add(tapped[2])
    np.testing.assert_allclose(from_rows, expected[0], **near)
    is_out = ~MASK if form == "padded" else jnp.arange(len(ids)) >= OFFSETS[-1]
    assert not tapped[2][is_out].any()


def test_the_first_of_equal_rows_wins_the_maximum():
    ids, table = jnp.array([[2, 0, 1, 2]]), jnp.ones((V, D))
    gradient = jax.grad(lambda t: nn.embedding_bag(t, ids, combine="max").sum())(table)
    np.testing.assert_array_equal(gradient, np.zeros((V, D)) + np.eye(V)[:, 2:3])

    def tapped(tap):
        return nn.embedding_bag(table, ids, combine="max", tap=tap).sum()

    rows = jax.grad(tapped)(jnp.zeros((1, 4, D)))
    np.testing.assert_array_equal(rows[0, :, 0], [1, 0, 0, 0])


@pytest.mark.parametrize(
    ("form", "dtype"), [("padded", jnp.bfloat16), ("flat", jnp.float16)]
)
def test_4000_unit_gradients_sum_to_4000(form, dtype):
    ids = jnp.full((4000, 1), 2)
    offsets = None if form == "padded" else jnp.arange(4001)
    ids = ids if form == "padded" else ids.reshape(-1)

    def total(table):
        bags = nn.embedding_bag(table, ids, combine="sum", offsets=offsets)
        return bags.astype(jnp.float32).sum()

    gradient = jax.jit(jax.grad(total))(jnp.ones((V, D), dtype))
    assert gradient.dtype == dtype
    np.testing.assert_array_equal(gradient[2], jnp.full(D, 4000, dtype))


def test_on_a_gpu_all_rows_are_scattered_and_multiplied_at_once(small_chunks):
    bags = jnp.arange(B, dtype=jnp.int32)
    ids, weights = IDS.reshape(-1), WEIGHTS.reshape(-1)
    items = (ids, jnp.repeat(bags, L), weights)
    zeros = jnp.zeros((V, D))
    found = _bag_loops.scatter_at_once(zeros, items, COTANGENT)
    expected = np.zeros((V, D))
    np.add.at(expected, IDS, np.float64(WEIGHTS)[..., None] * COTANGENT[:, None])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    by_chunk = _bag_loops.scatter_by_chunk(zeros, items, COTANGENT)
    np.testing.assert_allclose(by_chunk, expected, atol=1e-5)
    expected = (np.float64(TABLE)[IDS] * np.float64(COTANGENT)[:, None]).sum(-1)
    for products in (_bag_loops.products_at_once, _bag_loops.products_by_chunk):
        found = products(TABLE, (IDS, bags), COTANGENT)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def memory(function, *inputs):
    compiled = jax.jit(function).lower(*inputs).compile()
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize(
    ("form", "combine"), [("padded", "mean"), ("padded", "max"), ("flat", "mean")]
)
def test_no_rows_in_memory(form, combine):
    n_bags, length, rows_bytes = 32, 400, 4 * 32 * 400 * 64
    ids, offsets = jnp.zeros((n_bags, length), jnp.int32), None
    if form == "flat":
        ids, offsets = ids.reshape(-1), jnp.arange(n_bags + 1) * length

    def bag(table):
        return nn.embedding_bag(table, ids, combine=combine, offsets=offsets).sum()

    table = jnp.zeros((999, 64))
    assert memory(bag, table) < rows_bytes / 10
    assert memory(jax.grad(bag), table) < rows_bytes / 4


def test_rows_in_memory_are_seen():
    ids, table = jnp.zeros((32, 400), jnp.int32), jnp.zeros((999, 64))
    used = memory(lambda t: jnp.take(t, ids, axis=0).mean(1), table)
    assert used >= 4 * 32 * 400 * 64


@pytest.mark.parametrize("combine", ["mean", "max"])
def test_a_tap_needs_no_memory_of_the_size_of_the_table(combine):
    table = jnp.zeros((100_000, D))

    def bag(tap, table, ids):
        return nn.embedding_bag(table, ids, combine=combine, tap=tap).sum()

    used = memory(jax.grad(bag), jnp.zeros((B, L, D)), table, IDS)
    assert used < table.nbytes / 100


@pytest.mark.parametrize("combine", ["mean", "sqrtn"])
def test_bags_of_no_weight_are_zeros_without_a_gradient(combine):
    weights = jnp.array([[1.0, -1.0], [0.0, 0.0], [1.0, 2.0]])

    def total(table, weights):
        bags = nn.embedding_bag(table, IDS[:3, :2], weights, combine=combine)
        return bags.sum(), bags

    differentiate = jax.jit(jax.grad(total, (0, 1), has_aux=True))
    gradients, bags = differentiate(TABLE, weights)
    np.testing.assert_array_equal(bags.any(1), [combine == "sqrtn", False, True])
    assert all(jnp.isfinite(gradient).all() for gradient in gradients)
    assert not gradients[1][1].any() and gradients[1][2].any()


def test_a_tap_takes_the_gradient_of_looked_up_rows():
    def loss(table, tap):
        return jnp.sum(nn.tap_rows(nn.lookup(table, IDS), tap) ** 2)

    table = TABLE.astype(jnp.bfloat16)
    to_table, to_tap = jax.jit(jax.grad(loss, (0, 1)))(table, jnp.ones((B, L, D)))
    assert not to_table.any() and to_tap.dtype == jnp.float32
    np.testing.assert_array_equal(to_tap, 2 * table[IDS].astype(jnp.float32))


@pytest.mark.parametrize("shape", [(B, D), (B, L), (B, L, 1)], ids=str)
def test_a_tap_of_other_rows_is_refused(shape):
    with pytest.raises(ValueError, match="tap must have one row for each id"):
        nn.tap_rows(TABLE[IDS], jnp.zeros(shape))
    with pytest.raises(ValueError, match="tap must have one row for each id"):
        nn.embedding_bag(TABLE, IDS, tap=jnp.zeros(shape))


def test_a_tap_of_ints_is_refused():
    with pytest.raises(TypeError, match="tap must be floats, got int32"):
        nn.tap_rows(TABLE[IDS], jnp.zeros((B, L, D), jnp.int32))
