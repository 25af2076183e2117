"""Row-sparse optimizers against their dense form: weights, moments, masks, memory."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxembed import optim

SCHEDULE = optax.linear_schedule(0.1, 0.001, 300)
OPTIMIZERS = {
    "sgd": lambda rate: optim.sparse_sgd(rate),
    "adagrad": lambda rate: optim.sparse_adagrad(rate),
    "adagrad per row": lambda rate: optim.sparse_adagrad(rate, per_row=True),
    "rmsprop": lambda rate: optim.sparse_rmsprop(rate),
    "rmsprop decay 0.5": lambda rate: optim.sparse_rmsprop(rate, decay=0.5, eps=1e-5),
    "lazy adam": lambda rate: optim.lazy_adam(rate),
}


def zipf(rng, n_rows, shape):
    """Draw ids with the frequencies of words: few are frequent, most are rare."""
    weights = 1 / np.arange(1, n_rows + 1)
    return rng.choice(n_rows, shape, p=weights / weights.sum()).astype(np.int32)


def train_sparse(tx, table, ids, row_grads, mask=None):
    def step(carry, batch):
        table, state = carry
        return tx.update(batch[1], batch[0], state, table, mask), None

    run = jax.jit(lambda start: jax.lax.scan(step, start, (ids, row_grads))[0])
    return run((table, tx.init(table)))


def train_dense(tx, table, ids, row_grads, mask=None):
    def step(carry, batch):
        table, state = carry
        grads = jnp.zeros(table.shape).at[batch[0]].add(batch[1])
        masks = {} if mask is None else {"table": mask}
        grads = optim.mask_rows({"table": grads}, masks)
        updates, state = tx.update(grads["table"], state, table)
        updated = optim.apply_updates({"table": table}, {"table": updates}, masks)
        return (updated["table"], state), None

    run = jax.jit(lambda start: jax.lax.scan(step, start, (ids, row_grads))[0])
    return run((table, tx.init(table)))


def make_case(n_rows=500, dim=5, n=60, steps=400, seed=0, with_mask=False):
    rng = np.random.default_rng(seed)
    table = jnp.array(rng.normal(0, 0.3, (n_rows, dim)), jnp.float32)
    ids = jnp.array(zipf(rng, n_rows, (steps, n)))
    row_grads = jnp.array(rng.normal(0, 0.1, (steps, n, dim)), jnp.float32)
    mask = jnp.array(rng.random(n_rows) < 0.7) if with_mask else None
    return table, ids, row_grads, mask


def decayed(name, state):
    """Return the moments of all rows after the last step, with the deferred decay."""
    decay = {"rmsprop": 0.9, "rmsprop decay 0.5": 0.5}.get(name)
    if decay is None:
        return state.moments
    factor = decay ** np.asarray(state.count - state.last, np.float64)
    return {key: np.asarray(m) * factor[:, None] for key, m in state.moments.items()}


@pytest.mark.parametrize("with_mask", [False, True], ids=["all rows", "masked"])
@pytest.mark.parametrize("rate", [0.05, SCHEDULE], ids=["constant", "schedule"])
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if "decay" in name else [])
        for name in OPTIMIZERS
    ],
)
def test_400_steps_are_those_of_the_dense_rule(name, rate, with_mask):
    tx, case = OPTIMIZERS[name](rate), make_case(with_mask=with_mask)
    table, state = train_sparse(tx, *case)
    dense, dense_state = train_dense(tx.dense, *case)
    np.testing.assert_allclose(table, dense, rtol=0, atol=1e-6)
    assert np.abs(table - case[0]).max() > 0.1  # so that the test can fail
    for key, moment in decayed(name, state).items():
        expected = optax.tree.get(dense_state, key)
        np.testing.assert_allclose(moment, expected, rtol=1e-4, atol=1e-6)
    assert int(state.count) == len(case[1])
    if with_mask:
        frozen = ~np.asarray(case[3])
        bits = [np.asarray(t)[frozen].view(np.uint32) for t in (table, case[0])]
        np.testing.assert_array_equal(*bits)


@pytest.mark.parametrize("device", ["tpu", "default"])
@pytest.mark.parametrize("name", ["adagrad per row", "rmsprop", "lazy adam"])
def test_the_code_for_other_devices_has_the_same_results(name, device, monkeypatch):
    tx, case = OPTIMIZERS[name](0.05), make_case(steps=50, with_mask=True)
    dense, _ = train_dense(tx.dense, *case)

    def choose(*operands, **branches):
        return branches.get(device, branches["default"])(*operands)

    monkeypatch.setattr(jax.lax, "platform_dependent", choose)
    table, _ = train_sparse(tx, *case)
    np.testing.assert_allclose(table, dense, rtol=0, atol=1e-6)
    frozen = ~np.asarray(case[3])
    bits = [np.asarray(t)[frozen].view(np.uint32) for t in (table, case[0])]
    np.testing.assert_array_equal(*bits)
    assert np.abs(table - case[0]).max() > 0.1


@pytest.mark.long
@given(
    name=st.sampled_from(sorted(OPTIMIZERS)),
    sizes=st.tuples(*[st.integers(1, 12)] * 3),
    steps=st.integers(1, 30),
    seed=st.integers(0, 2**16),
    with_mask=st.booleans(),
    with_schedule=st.booleans(),
)
@settings(max_examples=25)
def test_any_shapes_ids_and_settings(
    name, sizes, steps, seed, with_mask, with_schedule
):
    n_rows, dim, n = sizes
    tx = OPTIMIZERS[name](SCHEDULE if with_schedule else 0.03)
    case = make_case(n_rows, dim, n, steps, seed, with_mask)
    table, _ = train_sparse(tx, *case)
    dense, _ = train_dense(tx.dense, *case)
    np.testing.assert_allclose(table, dense, rtol=0, atol=1e-6)


def test_a_state_may_begin_at_a_later_step():
    """Check that schedules and decay count from the step of ``init``."""
    tx, (table, ids, row_grads, _) = optim.sparse_rmsprop(SCHEDULE), make_case(steps=1)
    late = tx.init(table, 200)
    assert int(late.count) == 200 and (late.last == 200).all()
    moved, state = tx.update(row_grads[0], ids[0], late, table)
    first, _ = tx.update(row_grads[0], ids[0], tx.init(table), table)
    ratio = SCHEDULE(200) / SCHEDULE(0)
    np.testing.assert_allclose(moved - table, ratio * (first - table), atol=1e-7)
    assert int(state.count) == 201


def test_a_long_gap_decays_to_nothing():
    tx = optim.sparse_rmsprop(0.1)
    table = jnp.ones((3, 1))
    one = jnp.array([[1.0]])
    table, state = tx.update(one, jnp.array([1]), tx.init(table), table)
    state = state._replace(count=jnp.array(100_000, jnp.int32))
    table, state = tx.update(one, jnp.array([1]), state, table)
    assert state.moments["nu"][1, 0] == np.float32(1 - 0.9)
    assert np.isfinite(table).all()


def test_deduplicated_gradients_can_be_clipped_between():
    table, ids, row_grads, _ = make_case(n_rows=20, n=15, steps=1)
    tx = optim.sparse_sgd(1.0)
    state = tx.init(table)
    sums, rows, slot = optim.deduplicate(row_grads[0], ids[0], state.slot)
    grads = jnp.zeros(table.shape).at[ids[0]].add(row_grads[0])
    norm = optax.tree.norm(sums)
    np.testing.assert_allclose(norm, optax.tree.norm(grads), rtol=1e-6)
    state = state._replace(slot=slot)
    clipped = sums * (0.1 / norm)
    moved, _ = tx.update(clipped, rows, state, table, distinct=True)
    np.testing.assert_allclose(moved, table - grads * (0.1 / norm), atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_low_precision_table_is_rounded_once(name):
    table, ids, row_grads, _ = make_case(n_rows=30, steps=1)
    tx = OPTIMIZERS[name](0.05)
    low = table.astype(jnp.bfloat16)
    moved, state = tx.update(row_grads[0], ids[0], tx.init(low), low)
    whole = low.astype(jnp.float32)
    exact, _ = tx.update(row_grads[0], ids[0], tx.init(whole), whole)
    assert moved.dtype == jnp.bfloat16
    np.testing.assert_array_equal(moved, exact.astype(jnp.bfloat16))
    assert all(moment.dtype == jnp.float32 for moment in state.moments.values())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_memory_does_not_grow_with_the_vocabulary(name):
    tx, n, dim, steps = OPTIMIZERS[name](SCHEDULE), 64, 16, 3
    sizes = []
    for n_rows in (5_000, 80_000):
        table = jax.ShapeDtypeStruct((n_rows, dim), jnp.float32)
        state = jax.eval_shape(tx.init, table)
        ids = jax.ShapeDtypeStruct((steps, n), jnp.int32)
        mask = jax.ShapeDtypeStruct((n_rows,), bool)

        def run(table, state, ids, mask):
            def step(carry, batch):
                table, state = carry
                row_grads = table.at[batch].get(mode="promise_in_bounds") + 1
                return tx.update(row_grads, batch, state, table, mask), None

            return jax.lax.scan(step, (table, state), ids)[0]

        compiled = jax.jit(run, donate_argnums=(0, 1)).lower(table, state, ids, mask)
        memory = compiled.compile().memory_analysis()
        sizes.append(memory.temp_size_in_bytes)
        assert memory.alias_size_in_bytes >= n_rows * dim * 4  # updated in place
    assert sizes[0] == sizes[1] < 10 * n * dim * 4, sizes
