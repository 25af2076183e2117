"""tap_rows, tap_bags: gradients of looked-up rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn

V, D, B, L = 13, 3, 5, 7  # all different
RNG = np.random.default_rng(1)
TABLE = jnp.asarray(RNG.normal(size=(V, D)), jnp.float32)
IDS = jnp.asarray(RNG.integers(0, V, (B, L)), jnp.int32)
WEIGHTS = jnp.asarray(RNG.normal(size=(B, L)), jnp.float32)
MASK = jnp.asarray(np.arange(L) < np.array([[L], [0], [1], [4], [2]]))
COTANGENT = jnp.asarray(RNG.normal(size=(B, D)), jnp.float32)
COMBINE = ["sum", "mean", "sqrtn", "max"]


def tapped(tap, weights, combine, table=TABLE, ids=IDS, mask=MASK):
    """Return bags whose tap, not whose table, receives the gradients of the rows."""
    table = jax.lax.stop_gradient(table)
    weights = None if combine == "max" else weights
    bags = nn.embedding_bag(table, ids, weights, mask, combine)
    return nn.tap_bags(bags, tap, table, ids, weights, mask, combine)


def loss(tap, weights, combine, *inputs):
    return jnp.sum(tapped(tap, weights, combine, *inputs) * COTANGENT)


def memory(function, *inputs):
    compiled = jax.jit(function).lower(*inputs).compile()
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize("combine", COMBINE)
@pytest.mark.parametrize(
    "transform", [lambda f: f, jax.checkpoint], ids=["as-is", "remat"]
)
def test_a_tap_takes_the_gradients_of_the_rows_of_bags(combine, transform):
    def direct(table, weights):
        weights = None if combine == "max" else weights
        bags = nn.embedding_bag(table, IDS, weights, MASK, combine)
        return jnp.sum(bags * COTANGENT)

    def with_tap(table, weights, tap):
        return loss(tap, weights, combine, table)

    expected = jax.grad(direct, (0, 1))(TABLE, WEIGHTS)
    differentiate = jax.jit(jax.grad(transform(with_tap), (0, 1, 2)))
    found = differentiate(TABLE, WEIGHTS, jnp.full((B, L, D), jnp.nan))
    assert not found[0].any()
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-5, atol=1e-6)
    from_rows = jnp.zeros((V, D)).at[IDS].add(found[2])
    np.testing.assert_allclose(from_rows, expected[0], rtol=1e-5, atol=1e-6)
    assert not found[2][~MASK].any()


@pytest.mark.parametrize("combine", COMBINE)
def test_bags_are_unchanged(combine):
    weights = None if combine == "max" else WEIGHTS
    bags = nn.embedding_bag(TABLE, IDS, weights, MASK, combine)
    np.testing.assert_array_equal(tapped(jnp.ones((B, L, D)), WEIGHTS, combine), bags)


@pytest.mark.parametrize("combine", COMBINE)
@pytest.mark.parametrize("bad", [-1, V])
def test_a_bag_with_a_bad_id_has_no_gradient(combine, bad):
    zeros, ids = jnp.zeros((B, L, D)), IDS.at[3, 2].set(bad)
    found = jax.grad(loss)(zeros, WEIGHTS, combine, TABLE, ids)
    expected = jax.grad(loss)(zeros, WEIGHTS, combine)
    np.testing.assert_array_equal(found, expected.at[3].set(0))
    masked = MASK.at[3, 2].set(False)  # ignored, so the bag is good
    found = jax.grad(loss)(zeros, WEIGHTS, combine, TABLE, ids, masked)
    assert found[3].any() and not found[3, 2].any()


def test_ids_of_one_byte():
    table, tap = jnp.ones((300, D)), jnp.zeros((B, L, D))
    found = jax.grad(loss)(tap, WEIGHTS, "mean", table, IDS.astype(jnp.uint8))
    np.testing.assert_array_equal(found, jax.grad(loss)(tap, WEIGHTS, "mean"))


def test_the_first_of_equal_rows_wins_the_maximum():
    ids, table = jnp.array([[2, 0, 1, 2]]), jnp.ones((V, D))

    def total(tap):
        bags = nn.embedding_bag(table, ids, combine="max")
        return nn.tap_bags(bags, tap, table, ids, combine="max").sum()

    rows = jax.grad(total)(jnp.zeros((1, 4, D)))
    np.testing.assert_array_equal(rows[0, :, 0], [1, 0, 0, 0])


@pytest.mark.parametrize("combine", COMBINE)
def test_taps_under_vmap_and_scan(combine):
    taps, tables = jnp.zeros((2, B, L, D)), jnp.stack([TABLE, -TABLE])

    def one(tap, table):
        return jax.grad(loss)(tap, WEIGHTS, combine, table)

    expected = jnp.stack([one(taps[0], table) for table in tables])
    found = jax.vmap(one)(taps, tables)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)

    def total(taps):
        def step(sum_, inputs):
            tap, table = inputs
            return sum_ + loss(tap, WEIGHTS, combine, table), None

        return jax.lax.scan(step, 0.0, (taps, tables))[0]

    found = jax.grad(total)(taps)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("combine", ["mean", "max"])
def test_a_tap_needs_no_memory_of_the_size_of_the_table(combine):
    table = jnp.zeros((100_000, D))

    def total(tap, table, ids):
        return tapped(tap, None, combine, table, ids, None).sum()

    used = memory(jax.grad(total), jnp.zeros((B, L, D)), table, IDS)
    assert used < table.nbytes / 100


def test_a_tap_takes_the_gradient_of_looked_up_rows():
    def loss(table, tap):
        return jnp.sum(nn.tap_rows(nn.lookup(table, IDS), tap) ** 2)

    table = TABLE.astype(jnp.bfloat16)
    to_table, to_tap = jax.jit(jax.grad(loss, (0, 1)))(table, jnp.ones((B, L, D)))
    assert not to_table.any() and to_tap.dtype == jnp.float32
    np.testing.assert_array_equal(to_tap, 2 * table[IDS].astype(jnp.float32))


def test_a_tap_of_16_bit_bags_is_float32():
    def total(tap):
        bags = tapped(tap, None, "mean", TABLE.astype(jnp.bfloat16), IDS, None)
        return bags.astype(jnp.float32).sum()

    to_tap = jax.grad(total)(jnp.zeros((B, L, D)))
    np.testing.assert_array_equal(to_tap, jnp.full((B, L, D), np.float32(1) / L))


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)], ids=str)
def test_no_ids_have_no_gradients(shape):
    ids, tap = jnp.zeros(shape, jnp.int32), jnp.zeros((*shape, D))
    found = jax.grad(lambda tap: tapped(tap, None, "mean", TABLE, ids, None).sum())(tap)
    assert found.shape == tap.shape


@pytest.mark.parametrize("shape", [(B, D), (B, L), (B, L, 1)], ids=str)
def test_a_tap_of_other_rows_is_refused(shape):
    with pytest.raises(ValueError, match="tap must have one row for each id"):
        nn.tap_rows(TABLE[IDS], jnp.zeros(shape))
    with pytest.raises(ValueError, match="tap must have one row for each id"):
        tapped(jnp.zeros(shape), WEIGHTS, "mean")


def test_bags_of_other_ids_are_refused():
    with pytest.raises(ValueError, match=r"bags must have one row .* \[5, 3\], got"):
        nn.tap_bags(COTANGENT[1:], jnp.zeros((B, L, D)), TABLE, IDS)


def test_a_tap_of_ints_is_refused():
    with pytest.raises(TypeError, match="tap must be floats, got int32"):
        nn.tap_rows(TABLE[IDS], jnp.zeros((B, L, D), jnp.int32))
    with pytest.raises(TypeError, match="tap must be floats, got int32"):
        tapped(jnp.zeros((B, L, D), jnp.int32), WEIGHTS, "mean")
