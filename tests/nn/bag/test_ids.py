"""embedding_bag: bad ids, bad offsets, masked positions, and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn
from jaxembed.nn.bag._loops import FEW_BAGS

V, D = 7, 5
TABLE = jnp.arange(V * D, dtype=jnp.float32).reshape(V, D) + 1
IDS = jnp.array([[0, 1, 2, 3], [4, 4, 5, 6], [6, 1, 0, 2]])
B, L = IDS.shape


@pytest.mark.parametrize("combine", ["mean", "sqrtn", "max"])
# Few bags are checked in the gather, many in a separate pass.
@pytest.mark.parametrize("n_bags", [3, 4 * FEW_BAGS])
def test_a_bag_with_a_bad_id_is_nan_and_has_no_gradient(n_bags, combine):
    @jax.jit
    def total(table, ids, is_counted):
        bags = nn.embedding_bag(table, ids, combine=combine)
        return jnp.where(is_counted, bags, 0).sum(), bags

    differentiate = jax.jit(jax.grad(total, has_aux=True))
    many, is_good = jnp.resize(IDS, (n_bags, L)), jnp.arange(n_bags) != 1
    expected, _ = differentiate(TABLE, many, jnp.expand_dims(is_good, 1))
    for bad in (-1, -V, V, 2**31 - 1, -(2**31)):
        ids, all_count = many.at[1, 2].set(bad), jnp.ones((n_bags, 1), bool)
        gradient, bags = differentiate(TABLE, ids, all_count)
        np.testing.assert_array_equal(jnp.isnan(bags).all(1), ~is_good)
        assert jnp.isfinite(bags[is_good]).all()
        np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize("n_bags", [3, 4 * FEW_BAGS])
def test_a_flat_bag_with_a_bad_id_is_nan_and_has_no_gradient(n_bags):
    ids = jnp.resize(IDS, (n_bags * L,)).at[5].set(-1)
    ends = jnp.arange(2, n_bags + 1) * L
    offsets = jnp.concatenate([jnp.array([0, 5, 5]), ends])

    def total(table):
        bags = nn.embedding_bag(table, ids, offsets=offsets, combine="sum")
        return bags.sum(), bags

    gradient, bags = jax.grad(total, has_aux=True)(TABLE)
    np.testing.assert_array_equal(jnp.isnan(bags).all(1), jnp.arange(n_bags + 1) == 2)
    assert not bags[1].any()
    is_read = (jnp.arange(n_bags * L) < 5) | (jnp.arange(n_bags * L) >= 2 * L)
    counts = np.bincount(ids[is_read], minlength=V)
    np.testing.assert_array_equal(gradient, np.tile(counts[:, None], D))


@pytest.mark.parametrize(
    "ids",
    [np.array([[2**32 + 1]]), np.array([[2**32]], np.uint64), [[2**40]]],
    ids=str,
)
def test_an_id_past_32_bits_is_not_wrapped_to_a_word(ids):
    assert np.isnan(nn.embedding_bag(TABLE, ids)).all()


@pytest.mark.parametrize("n_bags", [1, 2 * FEW_BAGS])
def test_a_large_unsigned_id_is_no_word(n_bags):
    ids = jnp.full((n_bags, 2), 2**32 - 1, jnp.uint32).at[:, 0].set(1)
    assert jnp.isnan(nn.embedding_bag(TABLE, ids)).all()


@pytest.mark.parametrize("n_bags", [1, 2 * FEW_BAGS])
@pytest.mark.parametrize("dtype", [jnp.int64, jnp.uint64], ids=str)
def test_ids_of_64_bits_on_the_device_are_not_wrapped_to_words(dtype, n_bags):
    with jax.enable_x64(True):
        ids = jnp.full((n_bags, 2), 2**32 + 1, dtype).at[:, 0].set(1)
        table = jnp.asarray(np.asarray(TABLE))
        assert ids.dtype == dtype
        assert jnp.isnan(nn.embedding_bag(table, ids)).all()
        rows = nn.lookup(table, ids)
        assert jnp.isnan(rows[:, 1]).all() and jnp.isfinite(rows[:, 0]).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.uint32], ids=str)
def test_ids_of_other_widths(dtype):
    table = jnp.ones((300, D))
    bags = nn.embedding_bag(table, np.asarray(IDS).astype(dtype))
    np.testing.assert_allclose(bags, jnp.ones((B, D)))
    if dtype != np.int64:
        assert np.isfinite(nn.embedding_bag(table, IDS.astype(dtype))).all()


@pytest.mark.parametrize("mode", ["fill", "clip", "promise_in_bounds"])
@pytest.mark.parametrize("combine", ["sum", "max"])
@pytest.mark.parametrize("n_bags", [B, 2 * FEW_BAGS])
def test_masked_positions_are_not_read(n_bags, mode, combine):
    table = TABLE.at[3].set(jnp.nan)
    good = jnp.resize(IDS, (n_bags, L))
    mask = (good != 3).at[1, 3].set(False)  # skips the NaN row and the bad id
    ids = good.at[1, 3].set(V + 2)

    def total(table, ids):
        bags = nn.embedding_bag(table, ids, None, mask, combine, mode=mode)
        return bags.sum(), bags

    differentiate = jax.jit(jax.grad(total, has_aux=True))
    for found, expected in zip(
        differentiate(table, ids), differentiate(TABLE, good), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    zeros = jnp.where(mask[:, :, None], TABLE[good], 0)
    if combine == "sum":
        np.testing.assert_array_equal(total(table, ids)[1], zeros.sum(1))


def test_weights_at_masked_positions_are_not_read():
    weights, mask = jnp.ones((B, L)).at[:, 0].set(jnp.nan), jnp.arange(L) > 0
    mask = jnp.broadcast_to(mask, (B, L))

    def total(weights):
        return nn.embedding_bag(TABLE, IDS, weights, mask).sum()

    np.testing.assert_allclose(total(weights), TABLE[IDS[:, 1:]].mean(1).sum())
    gradient = jax.grad(total)(weights)
    assert jnp.isfinite(gradient).all() and not gradient[:, 0].any()


def test_a_nan_row_that_is_read_is_seen():
    for combine in ("mean", "max"):
        bags = nn.embedding_bag(TABLE.at[5].set(jnp.nan), IDS, combine=combine)
        np.testing.assert_array_equal(jnp.isnan(bags).all(1), [False, True, False])


def test_clip_takes_the_nearest_rows():
    bags = nn.embedding_bag(TABLE, jnp.array([[-3, V + 3]]), combine="sum", mode="clip")
    np.testing.assert_array_equal(bags, (TABLE[:1] + TABLE[-1:]))


@pytest.mark.parametrize(
    "offsets", [[0, 3, 2, 5], [-1, 1, 2, 3], [0, 1, 2, 13], [0, 1, 2, 2**40]], ids=str
)
def test_broken_offsets_are_seen(offsets):
    bags = nn.embedding_bag(TABLE, IDS.reshape(-1), offsets=np.array(offsets))
    assert bags.shape == (3, D) and jnp.isnan(bags).all()


def test_the_first_bag_may_start_later():
    ids, offsets = jnp.array([-1, 3, 4, 5, V]), jnp.array([1, 3, 4])
    bags = nn.embedding_bag(TABLE, ids, offsets=offsets)
    np.testing.assert_allclose(bags, [TABLE[3:5].mean(0), TABLE[5]])


REFUSED = {
    "ids must be integers, got float32": dict(ids=IDS * 1.0),
    r"ids must have the axes \[B, L\], got \[4\]": dict(ids=IDS[0]),
    r"ids must have the axis \[N\] with offsets, got \[3, 4\]": dict(
        offsets=jnp.arange(3)
    ),
    r"table must have the axes \[V, D\] and at": dict(table=TABLE[0]),
    "at least one row, got": dict(table=TABLE[:0]),
    "table must be floats, got int32.* truncated": dict(table=TABLE.astype(jnp.int32)),
    r"mask must have the shape of ids, \[3, 4\], got \[4\]": dict(mask=IDS[0] > 0),
    "mask must be bools, got int32": dict(mask=IDS),
    r"weights must have the shape of ids, \[3, 4\], got \[3\]": dict(
        weights=jnp.ones(3)
    ),
    "weights must be floats, got int32": dict(weights=IDS),
    "combine must be one of .*, got 'avg'": dict(combine="avg"),
    "mode must be one of .*, got 'wrap'": dict(mode="wrap"),
    "weights must be None with combine='max'.* a maximum is not weighted": dict(
        weights=jnp.ones((B, L)), combine="max"
    ),
    "offsets must be integers, got float32": dict(ids=IDS[0], offsets=jnp.ones(3)),
    r"offsets must have the axis \[B \+ 1\], got \[\]": dict(ids=IDS[0], offsets=3),
    r"offsets must have the axis \[B \+ 1\], got \[0\]": dict(
        ids=IDS[0], offsets=np.zeros(0, np.int32)
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_it_must_be_is_said(message):
    options = {"table": TABLE, "ids": IDS, **REFUSED[message]}
    kind = (
        TypeError if "integers" in message or "s, got int32" in message else ValueError
    )
    with pytest.raises(kind, match=message):
        nn.embedding_bag(**options)
