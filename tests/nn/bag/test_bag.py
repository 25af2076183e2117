"""embedding_bag: values in every form against NumPy, empty ids, traces."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxembed import nn
from jaxembed.nn.bag._loops import COLUMNS, fold_at_once

V, D, B, L = 11, 5, 4, 2 * COLUMNS + 3  # all different; two loop bodies and a rest
RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(V, D)).astype(np.float32)
IDS = RNG.integers(0, V, (B, L), np.int32)
WEIGHTS = RNG.normal(size=(B, L)).astype(np.float32)
MASK = np.arange(L) < np.array([[L], [0], [1], [COLUMNS]])  # one full, one empty
OFFSETS = np.array([0, 3, 3, 40, 90], np.int32)
COMBINE = ["sum", "mean", "sqrtn", "max"]


def combine_rows(rows, weights, combine):
    """Pool rows ``[n, D]`` with weights ``[n]`` to one bag ``[D]`` in float64."""
    if combine == "max":
        return rows.max(0) if len(rows) else np.zeros(rows.shape[1])
    total = {"sum": 1, "mean": weights.sum(), "sqrtn": np.sqrt((weights**2).sum())}
    summed = (rows * weights[:, None]).sum(0)
    return summed / total[combine] if total[combine] else 0 * summed


def bags_of(table, ids, weights=None, mask=None, combine="mean", offsets=None):
    """Return the expected result of embedding_bag, in float64, bag by bag."""
    table, ids = np.asarray(table, np.float64), np.asarray(ids)
    weights = np.ones(ids.shape) if weights is None else np.float64(weights)
    mask = np.ones(ids.shape, bool) if mask is None else np.asarray(mask)
    if offsets is None:
        parts = range(len(ids))
    else:
        parts = [slice(*pair) for pair in zip(offsets[:-1], offsets[1:], strict=True)]
    bags = [(ids[p][mask[p]], weights[p][mask[p]]) for p in parts]
    return np.array([combine_rows(table[i], w, combine) for i, w in bags])


def vmapped(function):
    """Map over two sets of ids, weights and masks that share the table and offsets."""

    def call(table, batch, offsets):
        two = jax.tree.map(lambda x: jnp.stack([x, x[::-1]]), batch)
        found = jax.vmap(function, (None, 0, None))(table, two, offsets)
        return jax.tree.map(lambda x: x[0], found)

    return jax.jit(call)


def flat(values):
    return None if values is None else np.resize(values, OFFSETS[-1] + 7)


@pytest.mark.parametrize(
    ("transform", "mask"),
    [(jax.jit, None), (jax.jit, MASK), (vmapped, MASK)],
    ids=["jit-all", "jit-masked", "vmap-masked"],
)
@pytest.mark.parametrize("form", ["padded", "flat"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["ones", "weighted"])
def test_bags_of_the_oracle(transform, form, mask, weights):
    ids, offsets = IDS, OFFSETS if form == "flat" else None
    if form == "flat":
        ids, weights, mask = flat(ids), flat(weights), flat(mask)
        ids[OFFSETS[-1] :] = V + 9  # past the last bag, so ignored
    names = COMBINE if weights is None else COMBINE[:3]

    @transform  # all in one program, which compiles faster
    def bags(table, batch, offsets):
        return {n: nn.embedding_bag(table, *batch, n, offsets=offsets) for n in names}

    inputs = jax.tree.map(jnp.asarray, (TABLE, (ids, weights, mask), offsets))
    for combine, found in bags(*inputs).items():
        chex.assert_shape(found, (B, D))
        chex.assert_type(found, jnp.float32)
        expected = bags_of(TABLE, ids, weights, mask, combine, offsets)
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


@st.composite
def cases(draw):
    """Draw small padded or flat bags, some empty, with weights that never cancel."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    combine, offsets, shape = draw(st.sampled_from(COMBINE)), None, (3, 4)
    if draw(st.booleans()):
        offsets, shape = np.sort(rng.integers(0, 9, 4)), (8,)
    mask = rng.random(shape) < draw(st.sampled_from([0.2, 0.8, 1]))
    weights = rng.uniform(0.1, 2, shape).astype(np.float32)
    ids = rng.integers(0, V, shape)
    return ids, None if combine == "max" else weights, mask, combine, offsets


@given(cases())
def test_any_small_bags_are_those_of_the_oracle(case):
    ids, weights, mask, combine, offsets = case
    found = nn.embedding_bag(TABLE, ids, weights, mask, combine, offsets=offsets)
    expected = bags_of(TABLE, ids, weights, mask, combine, offsets)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("combine", ["sum", "max"])
def test_tables_are_mapped_over_too(combine):
    tables = jnp.stack([TABLE, -TABLE, TABLE + 1])
    found = jax.vmap(lambda t: nn.embedding_bag(t, IDS, None, MASK, combine))(tables)
    for table, bags in zip(tables, found, strict=True):
        expected = bags_of(table, IDS, None, MASK, combine)
        np.testing.assert_allclose(bags, expected, rtol=1e-5, atol=1e-5)


def test_a_scan_over_batches():
    def step(total, ids):
        return total + nn.embedding_bag(TABLE, ids).sum(), None

    total = jax.lax.scan(step, 0.0, jnp.stack([IDS, IDS + 0]))[0]
    np.testing.assert_allclose(total, 2 * bags_of(TABLE, IDS).sum(), rtol=1e-4)


def test_all_columns_at_once_as_on_a_gpu():
    mask, ids = jnp.asarray(MASK), jnp.asarray(IDS)

    def value(columns, rows):
        ids, mask = columns
        return jnp.where(mask[..., None], jnp.asarray(TABLE)[ids], 0) + rows

    found = fold_at_once(value, jnp.add, 0, (ids, mask), 0)
    expected = bags_of(TABLE, IDS, None, MASK, "sum")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_is_summed_in_float32(dtype):
    ids = np.zeros((2, 4000), np.int32)
    bags = nn.embedding_bag(jnp.ones((V, D), dtype), ids, combine="sum")
    chex.assert_type(bags, dtype)
    np.testing.assert_array_equal(bags, jnp.full((2, D), 4000, dtype))


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 0)], ids=str)
def test_no_ids_are_bags_of_zeros(shape):
    found = nn.embedding_bag(TABLE, np.zeros(shape, np.int32))
    np.testing.assert_array_equal(found, np.zeros((shape[0], D)))


@pytest.mark.parametrize("offsets", [[0], [0, 0, 0]], ids=str)
@pytest.mark.parametrize("n_ids", [0, 3])
def test_no_flat_ids_are_bags_of_zeros(offsets, n_ids):
    ids = np.zeros(n_ids, np.int32)
    found = nn.embedding_bag(TABLE, ids, offsets=np.array(offsets))
    np.testing.assert_array_equal(found, np.zeros((len(offsets) - 1, D)))


@pytest.mark.parametrize("form", ["padded", "flat"])
def test_equal_shapes_trace_once(form):
    offsets = OFFSETS if form == "flat" else None

    @jax.jit
    @chex.assert_max_traces(n=1)  # inside of jit
    def bags(table, ids):
        return nn.embedding_bag(table, ids, offsets=offsets)

    for seed in range(3):
        shape = (B, L) if offsets is None else (OFFSETS[-1],)
        bags(TABLE, jax.random.randint(jax.random.key(seed), shape, 0, V))
