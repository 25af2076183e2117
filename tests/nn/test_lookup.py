"""lookup: values, bad ids, gradients, shapes, dtypes, traces, meshes."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from jax.experimental import sparse

from jaxembed import nn, text

V, D, B, L = 7, 5, 2, 3  # all different: a swapped axis cannot pass
TABLE = jnp.arange(V * D, dtype=jnp.float32).reshape(V, D) + 1


@pytest.fixture(params=["eager", "jit", "vmap"])
def transform(request):
    def vmapped(function):
        return lambda table, ids: jax.vmap(function, (None, 0))(table, ids[None])[0]

    return {"eager": lambda f: f, "jit": jax.jit, "vmap": vmapped}[request.param]


@pytest.mark.parametrize("shape", [(), (L,), (B, L), (0,), (B, 1, L)], ids=str)
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.int8], ids=str)
def test_rows_of_the_ids(transform, shape, dtype):
    ids = np.random.default_rng(0).integers(0, V, shape, dtype)
    rows = transform(nn.lookup)(TABLE, jnp.asarray(ids.astype(np.int32)))
    chex.assert_shape(rows, (*shape, D))
    chex.assert_type(rows, TABLE.dtype)
    np.testing.assert_array_equal(rows, np.asarray(TABLE)[ids])
    np.testing.assert_array_equal(nn.lookup(TABLE, ids), rows)


BAD = [-1, -V, -V - 1, V, V + 1, 2**31 - 1, -(2**31)]


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_id_is_a_row_of_nan(transform, bad):
    rows = transform(nn.lookup)(TABLE, jnp.array([0, bad, V - 1], jnp.int32))
    np.testing.assert_array_equal(np.isnan(rows).all(-1), [False, True, False])
    np.testing.assert_array_equal(rows[0], TABLE[0])


@pytest.mark.parametrize(
    "ids",
    [
        np.array([2**32 + 1]),
        np.array([-(2**32)]),
        np.array([2**32], np.uint64),
        [2**40],
    ],
    ids=str,
)
def test_an_id_past_32_bits_is_not_wrapped_to_a_word(ids):
    assert np.isnan(nn.lookup(TABLE, ids)).all()


def test_an_unsigned_id_past_int32_is_not_negative():
    assert np.isnan(nn.lookup(TABLE, np.array([2**32 - 1], np.uint32))).all()


def test_a_table_of_one_row_has_one_word():
    rows = nn.lookup(TABLE[:1], jnp.array([0, 1, -1]))
    np.testing.assert_array_equal(np.isnan(rows).all(-1), [False, True, True])


def test_clip_takes_the_nearest_row():
    rows = nn.lookup(TABLE, jnp.array([-3, V + 3]), mode="clip")
    np.testing.assert_array_equal(rows, TABLE[jnp.array([0, V - 1])])


def test_promise_in_bounds_gives_the_same_for_good_ids():
    ids = jnp.array([[3, 0], [V - 1, 3]])
    rows = nn.lookup(TABLE, ids, mode="promise_in_bounds")
    np.testing.assert_array_equal(rows, nn.lookup(TABLE, ids))


def test_gradients_of_equal_ids_add_up_and_bad_ids_have_none():
    ids = jnp.array([1, 1, -1, V, 4])
    weights = jnp.arange(1.0, 6.0)

    def weighted_sum(table):
        rows = nn.lookup(table, ids)
        return jnp.sum(jnp.where(jnp.isnan(rows), 0, rows * weights[:, None]))

    expected = np.zeros((V, D), np.float32)
    expected[1], expected[4] = 1 + 2, 5
    np.testing.assert_array_equal(jax.grad(weighted_sum)(TABLE), expected)


def test_equal_shapes_trace_once():
    @jax.jit
    @chex.assert_max_traces(n=1)  # inside of jit, to count traces
    def rows_of(table, ids):
        return nn.lookup(table, ids)

    for seed in range(3):
        rows_of(TABLE, jax.random.randint(jax.random.key(seed), (B, L), 0, V))


def test_rows_on_an_explicit_mesh():
    mesh = jax.make_mesh((2,), ("vocab",), axis_types=(jax.sharding.AxisType.Explicit,))
    with jax.set_mesh(mesh):
        table = jax.device_put(TABLE[:6], jax.P("vocab", None))
        ids = jax.device_put(jnp.array([5, 0, 9]), jax.P(None))
        rows = jax.jit(lambda t, i: nn.lookup(t, i, out_sharding=jax.P(None, None)))(
            table, ids
        )
        np.testing.assert_array_equal(rows[:2], np.asarray(TABLE)[[5, 0]])
        assert np.isnan(rows[2]).all()


@pytest.mark.parametrize(
    "ids", [jnp.array([1.0]), np.array([1.7]), [True], 0.5], ids=str
)
def test_ids_that_are_no_integers_are_refused(ids):
    with pytest.raises(TypeError, match=r"ids must be integers, got (float|bool)"):
        nn.lookup(TABLE, ids)


DENSE = np.array([[1, 0], [2, 3]], np.int32)
BCOO = sparse.BCOO.fromdense(DENSE)
NO_IDS = {
    "bools": (DENSE > 0, TypeError, r"must be integers, got bool\[2, 2\]: bools are a"),
    "bools of JAX": (jnp.asarray(DENSE > 0), TypeError, r"got bool\[2, 2\]: bools are"),
    "floats": (DENSE * 1.0, TypeError, r"must be .* float64\[2, 2\]: a float would be"),
    "words": ([["a"]], TypeError, r"got <U1\[1, 1\]: an id is the number of a row\."),
    "BCOO": (BCOO, TypeError, r"dense array, got BCOO\[2, 2\]: use ids\.todense\(\)"),
    "SciPy": (scipy.sparse.csr_array(DENSE), TypeError, "dense array, got csr_array"),
    "Ragged": (
        text.Ragged.from_lists([[1, 2], [3]]),
        ValueError,
        r"got a Ragged of sequences of different lengths: .*text\.pad_sequences\(ids\)",
    ),
    "lists": ([[1, 2], [3]], ValueError, r"got a list of .*text\.pad_sequences\(ids\)"),
}
READERS = {
    "lookup": lambda ids: nn.lookup(TABLE, ids),
    "embedding_bag": lambda ids: nn.embedding_bag(TABLE, ids),
    "Embed": lambda ids: nn.Embed(V, D).init(jax.random.key(0), ids),
    "Embed, padding": lambda ids: nn.Embed(V, D, padding_idx=0).init(
        jax.random.key(0), ids
    ),
    "bag, padding": lambda ids: nn.Embed(V, D, padding_idx=0).init(
        jax.random.key(0), ids, method="bag"
    ),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize(("ids", "error", "message"), NO_IDS.values(), ids=NO_IDS)
def test_the_error_names_the_true_cause(read, ids, error, message):
    with pytest.raises(error, match=message):
        read(ids)


def test_sparse_ids_are_refused_when_jit_traces():
    with pytest.raises(TypeError, match=r"dense array, got BCOO\[2, 2\]"):
        jax.jit(nn.lookup)(TABLE, BCOO)


def test_a_table_of_other_axes_is_refused():
    with pytest.raises(ValueError, match=r"must have the axes \[V, D\], got \[5\]"):
        nn.lookup(TABLE[0], jnp.array([0]))


def test_a_table_of_numpy_is_read_too():
    np.testing.assert_array_equal(nn.lookup(np.asarray(TABLE), [2]), TABLE[2:3])


@pytest.mark.parametrize(("far", "nearest"), [(2**33, V - 1), (-(2**33), 0)])
def test_clip_takes_the_nearest_row_past_32_bits_too(far, nearest):
    rows = nn.lookup(TABLE, np.array([far]), mode="clip")
    np.testing.assert_array_equal(rows[0], TABLE[nearest])


@pytest.mark.parametrize("dtype", [jnp.int8, jnp.uint8, jnp.int32, jnp.uint32], ids=str)
def test_ids_of_few_bits_and_more_rows_than_they_can_count(dtype):
    table = jnp.arange(600.0).reshape(300, 2)
    ids = jnp.array([0, 1, 127], dtype)
    np.testing.assert_array_equal(nn.lookup(table, ids), np.asarray(table)[[0, 1, 127]])
    if jnp.issubdtype(dtype, jnp.signedinteger):
        assert np.isnan(nn.lookup(table, jnp.array([-1, -128], dtype))).all()


def test_a_negative_id_has_no_gradient():
    ids = jnp.array([-1, 1, -300, 5], jnp.int32)
    grads = jax.grad(lambda table: jnp.nansum(nn.lookup(table, ids)))(jnp.ones((5, 2)))
    np.testing.assert_array_equal(grads, np.eye(5)[1][:, None] * np.ones(2))
