"""embedding_bag: gradients of tables and weights, and their memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn
from jaxembed.nn.bag import _loops

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
    """Make CHUNK small: several chunks, the last one padded, from few ids."""
    monkeypatch.setattr(_loops, "CHUNK", 8)
    jax.clear_caches()
    yield
    jax.clear_caches()


def dense(table, ids, weights, mask, combine):
    """Return the bags ``[B, D]`` by take and reduce, whose gradient JAX derives."""
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
    """Return the masked ``[B, L]`` as ``[N]``, with three elements outside of bags."""
    values = np.asarray(values)
    return jnp.asarray(np.concatenate([values[np.asarray(MASK)], values[0, :3]]))


FORMS = [("padded", "mean"), ("padded", "max")]
FORMS += [("flat", "sum"), ("flat", "sqrtn"), ("flat", "max")]


@pytest.mark.parametrize(("form", "combine"), FORMS)
def test_gradients_of_take_and_reduce(form, combine, small_chunks):
    def loss(table, weights, bag):
        return jnp.sum(bag(table, weights) * COTANGENT)

    def padded(table, weights):
        weights = None if combine == "max" else weights
        return nn.embedding_bag(table, IDS, weights, MASK, combine)

    def flat(table, weights):
        weights = None if combine == "max" else weights
        ids, offsets = flatten(IDS).at[-3:].set(-V), OFFSETS
        return nn.embedding_bag(table, ids, weights, None, combine, offsets=offsets)

    def oracle(table, weights):
        return dense(table, IDS, weights, MASK, combine)

    expected = jax.grad(loss, (0, 1))(TABLE, WEIGHTS, oracle)
    bag, weights, to_weights = padded, WEIGHTS, expected[1]
    if form == "flat":
        bag, weights = flat, flatten(WEIGHTS)
        to_weights = flatten(to_weights).at[-3:].set(0)
    found = jax.jit(jax.grad(loss, (0, 1)), static_argnums=2)(TABLE, weights, bag)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[1], to_weights, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 3, 8])
def test_chunks_add_rows_in_the_order_of_the_ids(chunk, monkeypatch):
    monkeypatch.setattr(_loops, "CHUNK", chunk)  # 1 and 3 cut a bag into parts

    def loss(table, mask):
        return jnp.sum(nn.embedding_bag(table, IDS, None, mask, "sum") * COTANGENT)

    for mask in (None, MASK):
        expected = np.zeros((V, D), np.float32)
        for place in np.ndindex(B, L):
            if mask is None or mask[place]:
                expected[IDS[place]] += np.asarray(COTANGENT[place[0]])
        jax.clear_caches()  # drop programs compiled with another CHUNK
        np.testing.assert_array_equal(jax.grad(loss)(TABLE, mask), expected)
    jax.clear_caches()


def test_the_first_of_equal_rows_wins_the_maximum():
    ids, table = jnp.array([[2, 0, 1, 2]]), jnp.ones((V, D))
    gradient = jax.grad(lambda t: nn.embedding_bag(t, ids, combine="max").sum())(table)
    np.testing.assert_array_equal(gradient, np.zeros((V, D)) + np.eye(V)[:, 2:3])

    def flat(table):
        ids, offsets = jnp.array([2, 0, 1, 2]), jnp.array([0, 4])
        return nn.embedding_bag(table, ids, combine="max", offsets=offsets).sum()

    np.testing.assert_array_equal(jax.grad(flat)(table), gradient)


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


@pytest.mark.parametrize("combine", ["mean", "max"])
@pytest.mark.parametrize("device", ["tpu", "default"])
def test_bags_and_gradients_of_the_code_for_other_devices(device, combine, monkeypatch):
    def choose(*operands, **branches):
        return branches.get(device, branches["default"])(*operands)

    def gradients(table, weights):
        def loss(table, weights):
            weights = weights if combine == "mean" else None
            bags = nn.embedding_bag(table, IDS, weights, MASK, combine)
            return jnp.sum(bags * COTANGENT), bags

        grads, bags = jax.grad(loss, (0, 1), has_aux=True)(table, weights)
        return *grads, bags

    expected = gradients(TABLE, WEIGHTS)
    jax.clear_caches()
    monkeypatch.setattr(jax.lax, "platform_dependent", choose)
    found = gradients(TABLE, WEIGHTS)
    jax.clear_caches()  # drop the patched programs before other tests
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def memory(function, *inputs):
    compiled = jax.jit(function).lower(*inputs).compile()
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize(
    ("shape", "combine"),
    [((32, 400), "mean"), ((32, 400), "max"), ((1, 12_800), "mean")],
)
def test_no_rows_in_memory(shape, combine):
    ids, rows_bytes = jnp.zeros(shape, jnp.int32), 4 * 32 * 400 * 64

    def bag(table, weights):
        weights = None if combine == "max" else weights
        return nn.embedding_bag(table, ids, weights, combine=combine).sum()

    inputs = jnp.zeros((999, 64)), jnp.ones(shape)
    assert memory(bag, *inputs) < rows_bytes / 10
    assert memory(jax.grad(bag), *inputs) < rows_bytes / 4
    assert memory(jax.grad(bag, (0, 1)), *inputs) < rows_bytes / 3
    tangents = memory(lambda *x: jax.jvp(bag, x, x), *inputs)
    assert tangents < rows_bytes / 4


def test_rows_in_memory_are_seen():
    ids, table = jnp.zeros((32, 400), jnp.int32), jnp.zeros((999, 64))
    used = memory(lambda t: jnp.take(t, ids, axis=0).mean(1), table)
    assert used >= 4 * 32 * 400 * 64


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
