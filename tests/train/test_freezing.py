"""Frozen tables and rows, and tables that are unfrozen on the way."""

import chex
import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxembed import nn, optim, train
from jaxembed.train.program import Program
from tests.train.conftest import V
from tests.train.test_fit import count_traces
from tests.train.test_resume import Interrupted, interrupt_after

KEY = jax.random.key(0)
ADAMW = optax.adamw(0.01, weight_decay=0.5)


def table_of(state):
    return np.asarray(state.variables["params"]["embed"]["embedding"])


def bits(array):
    return np.asarray(array).view(np.uint32)


def start_of(model, examples):
    """Weights whose table has numbers that a sum would change."""
    params = model.init(jax.random.key(1), examples[0])["params"]
    table = params["embed"]["embedding"]
    params["embed"]["embedding"] = table.at[3].set(-0.0).at[4].set(1e-40)
    return params


@pytest.fixture
def frozen_model():
    return nn.TextClassifier(nn.Embed(V, 4, frozen=True), nn.FlattenDense((5,)))


def test_a_thousand_steps_of_adamw(fit, frozen_model, examples):
    params = start_of(frozen_model, examples)
    settings = {"model": frozen_model, "params": params, "tx": ADAMW, "batch_size": 7}
    state, _ = fit(**settings, epochs=100)
    assert int(state.step) == 1_000
    before = params["embed"]["embedding"]
    np.testing.assert_array_equal(bits(table_of(state)), bits(before))
    shapes = {jnp.shape(leaf) for leaf in jax.tree.leaves(state.opt_state)}
    assert (V, 4) not in shapes
    kernel = state.params["head"]["hidden_0"]["kernel"]
    assert not np.allclose(kernel, params["head"]["hidden_0"]["kernel"])


@pytest.mark.parametrize("frozen", [True, False])
def test_the_program_of_a_frozen_table_adds_nothing_to_it(examples, frozen):
    ids, labels = (jnp.asarray(array) for array in examples)
    model = nn.TextClassifier(nn.Embed(V, 4, frozen=frozen), nn.FlattenDense((5,)))
    plan, _ = train.make_plan(model, ADAMW, ids)
    state = train.create_state(plan, ids, key=jax.random.key(0))
    inputs = (ids, labels, jnp.arange(64), [], {})
    static = {"batch_size": 8, "shuffle": True}
    program = Program(plan, inputs, jax.random.key(0), static)
    text = program.trace(state).lower().compile().as_text()
    lines = [line.strip() for line in text.splitlines() if "scatter" in line]
    assert bool(lines) == (not frozen), lines


@pytest.mark.parametrize("tx", [ADAMW, optim.rmsprop(0.01), optax.sgd(0.1, 0.9)])
def test_rows_are_frozen_under_any_optimizer(fit, model, examples, tx):
    params, mask = start_of(model, examples), np.arange(V) % 3 == 0
    state, _ = fit(params=params, trainable_rows=mask, tx=tx, epochs=20)
    before, after = bits(params["embed"]["embedding"]), bits(table_of(state))
    np.testing.assert_array_equal(after[~mask], before[~mask])
    assert (after[mask] != before[mask]).any(axis=1).all()
    # Their moments stay at zero.
    for leaf in jax.tree.leaves(state.opt_state):
        if jnp.shape(leaf) == (V, 4):
            assert not np.asarray(leaf)[~mask].any() and np.asarray(leaf)[mask].any()


def test_another_mask_compiles_nothing_anew(fit, model):
    tx = optim.rmsprop(0.03)
    fit(tx=tx, trainable_rows=np.arange(V) < 5)
    checks = count_traces(model, lambda: fit(tx=tx, trainable_rows=np.arange(V) < 5))
    again = count_traces(model, lambda: fit(tx=tx, trainable_rows=np.arange(V) > 9))
    assert again == checks
    anew = count_traces(model, lambda: fit(tx=tx))
    assert anew > again


def test_all_rows_trainable_is_as_without_a_mask(fit):
    masked, _ = fit(trainable_rows=np.ones(V, bool))
    plain, _ = fit()
    chex.assert_trees_all_close(masked.params, plain.params, atol=1e-7)


@pytest.mark.parametrize("tx", [ADAMW, optax.chain(optax.add_noise(0.1, 0.9, 0))])
def test_padding_is_a_row_that_nothing_moves(fit, examples, tx):
    model = nn.TextClassifier(nn.Embed(V, 4, padding_idx=2), nn.FlattenDense())
    assert (examples[0] == 2).any()
    state, _ = fit(model, tx=tx)
    np.testing.assert_array_equal(bits(table_of(state)[2]), np.zeros(4, np.uint32))
    assert table_of(state).any(axis=1).sum() == V - 1
    mask = np.arange(V) < 5
    state, _ = fit(model, tx=tx, trainable_rows=mask)
    np.testing.assert_array_equal(table_of(state)[2], np.zeros(4))
    assert mask[2]  # the caller's mask is left alone


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (np.ones(V + 1, bool), ValueError, r"must have the shape \[30\].*got \[31\]"),
        (np.ones(V), TypeError, "must be bools, .* got float64: make them"),
        (np.arange(4), TypeError, "must be bools, .* got int64"),
    ],
)
def test_a_mask_that_is_none_is_refused(fit, mask, error, message):
    with pytest.raises(error, match=message):
        fit(trainable_rows=mask)


def test_a_mask_for_a_frozen_table_is_refused(fit, frozen_model):
    with pytest.raises(ValueError, match="the model has 0 of them"):
        fit(frozen_model, trainable_rows=np.ones(V, bool))


@pytest.mark.parametrize("make", [optax.adam, optim.rmsprop])
def test_a_table_is_unfrozen_after_some_epochs(fit, model, examples, make):
    """Against two runs: one frozen, and one that goes on from its weights."""
    params, tx = start_of(model, examples), make(0.01)
    settings = {"params": params, "tx": tx, "validation": examples, "shuffle": False}
    tables = []

    def fit_for(epochs):
        state, history = fit(**settings, epochs=epochs, unfreeze_after=2)
        tables.append(table_of(state))
        return state, history

    first, _ = fit_for(2)
    second, history = fit_for(3)
    before = params["embed"]["embedding"]
    np.testing.assert_array_equal(bits(tables[0]), bits(before))
    assert ("embed" in first.params) == False and "embed" in second.params  # noqa: E712
    assert (tables[1] != tables[0]).any(axis=1).sum() > V // 2
    assert len(history) == 3 and int(second.step) == 27
    expected = third_epoch(model, examples, tx, first)
    chex.assert_trees_all_close(second.params, expected.params, atol=1e-6)


def third_epoch(model, examples, tx, before):
    """What groups of their own make of it, the table's with moments of zero."""
    tx = optax.partition(
        {"head": tx, "embed": tx}, lambda params: {name: name for name in params}
    )
    params = before.variables["params"]
    groups = tx.init(params).inner_states
    head = jax.tree.structure(groups["head"])
    groups["head"] = jax.tree.unflatten(head, jax.tree.leaves(before.opt_state))
    opt_state = optax.transforms.PartitionState(groups)
    state = train.TrainState(before.step, params, opt_state, {})
    data, rows, key = tuple(map(jnp.asarray, examples)), jnp.arange(70), KEY
    settings = {"batch_size": 8, "shuffle": False}
    plan = train.Plan(model, tx)
    return train.run_epoch(plan, state, {}, {}, data, rows, key, 2, **settings)[0]


def test_schedules_go_on_and_moments_start_at_zero(fit, model):
    schedule = optax.piecewise_constant_schedule(0.01, {18: 0.0})
    state, _ = fit(tx=optax.adam(schedule), epochs=2, unfreeze_after=1)
    leaves = jax.tree_util.tree_leaves_with_path(state.opt_state)
    counts = {jax.tree_util.keystr(path): leaf for path, leaf in leaves}
    late = [int(n) for path, n in counts.items() if "late" in path and not n.ndim]
    assert sorted(late) == [9, 18]  # Adam's own, and the schedule's
    frozen, _ = fit(tx=optax.adam(schedule), epochs=1, unfreeze_after=1)
    longer, _ = fit(tx=optax.adam(schedule), epochs=3, unfreeze_after=2)
    # The rate is 0 from step 18 on, also for what is trained from there.
    np.testing.assert_array_equal(table_of(longer), table_of(frozen))


@pytest.mark.parametrize(
    "make",
    [
        lambda rate: optax.inject_hyperparams(optax.adam)(learning_rate=rate),
        lambda rate: optax.chain(optax.adam(1.0), optax.scale_by_schedule(rate)),
    ],
)
def test_a_schedule_in_any_form_goes_on(fit, make):
    """A rate of 0 from step 18 on, where the table is unfrozen."""
    tx = make(lambda step: jnp.where(step < 18, 0.01, 0.0))
    frozen, _ = fit(tx=tx, epochs=2, unfreeze_after=2)
    longer, _ = fit(tx=tx, epochs=4, unfreeze_after=2)
    np.testing.assert_array_equal(table_of(longer), table_of(frozen))


def test_a_schedule_of_the_weight_decay_goes_on(fit):
    decay = optax.add_decayed_weights(lambda step: jnp.where(step < 18, 1.0, 0.0))
    tx = optax.chain(optax.set_to_zero(), decay, optax.scale(-0.1))
    frozen, _ = fit(tx=tx, epochs=2, unfreeze_after=2)
    longer, _ = fit(tx=tx, epochs=4, unfreeze_after=2)
    np.testing.assert_array_equal(table_of(longer), table_of(frozen))
    earlier, _ = fit(tx=tx, epochs=4, unfreeze_after=1)
    assert not np.array_equal(table_of(earlier), table_of(frozen))


@pytest.mark.parametrize("keep_best", [False, True])
def test_an_optimizer_that_keeps_the_parameters(fit, examples, keep_best):
    """One buffer in two places could not be donated."""
    stopping = train.Stopping("loss", keep_best=keep_best)
    settings = {"tx": optax.contrib.dog(), "stopping": stopping}
    state, history = fit(**settings, epochs=3, unfreeze_after=1)
    assert len(history) == 3 and np.isfinite(table_of(state)).all()


def test_another_optimizer_of_the_table_is_another_run(fit, tmp_path):
    """Although nothing of it is computed before the unfreezing."""

    def make(rate):
        each = {"embed": optax.adam(rate), "head": optax.adam(0.01)}
        return optax.partition(each, lambda params: {name: name for name in params})

    settings = {"unfreeze_after": 1, "checkpoint": tmp_path / "run"}
    fit(**settings, tx=make(0.01), epochs=1)
    with pytest.raises(ValueError, match="with other program"):
        fit(**settings, tx=make(0.5), epochs=3)
    assert len(fit(**settings, tx=make(0.01), epochs=3)[1]) == 3


def test_patience_counts_frozen_epochs(fit, examples, tmp_path):
    settings = {
        "tx": optax.sgd(0.0),
        "validation": examples,
        "stopping": train.Stopping(patience=2),
        "unfreeze_after": 5,
    }
    _, history = fit(**settings, epochs=9)
    assert len(history) == 3


def test_a_table_that_is_read_twice_may_have_frozen_rows(fit, examples):
    class Twice(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, ids, train=False):
            embed = nn.Embed(V, 4)
            rows = embed(ids) + embed(ids[:, ::-1])
            return nn.FlattenDense()(rows, train=train)

    state, _ = fit(Twice(), trainable_rows=np.arange(V) < 5)
    start, _ = fit(Twice(), epochs=0)
    tables = [np.asarray(s.params["Embed_0"]["embedding"]) for s in (state, start)]
    np.testing.assert_array_equal(tables[0][5:], tables[1][5:])
    assert (tables[0][:5] != tables[1][:5]).any()


def test_unfreezing_is_one_compilation_more(fit, model, examples):
    def count(**settings):
        tx = optim.rmsprop(0.02)
        return count_traces(model, lambda: fit(tx=tx, validation=examples, **settings))

    fit(validation=examples)
    whole = count(epochs=6)
    late = count(epochs=6, unfreeze_after=2)
    later = count(epochs=9, unfreeze_after=3)
    assert whole < late == later <= 2 * whole


@pytest.mark.parametrize("keep_best", [False, True])
@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_run_resumes_before_at_and_after_its_unfreezing(
    fit, examples, tmp_path, stop, keep_best
):
    validation = (examples[0][:20], 1 - examples[1][:20])  # grows worse and worse
    settings = {
        "epochs": 4,
        "unfreeze_after": 2,
        "tx": ADAMW,
        "validation": validation,
        "stopping": train.Stopping(keep_best=keep_best),
        "trainable_rows": np.arange(V) != 7,
    }
    whole, history = fit(**settings)
    path = tmp_path / "run"
    with pytest.raises(Interrupted):
        fit(**settings, checkpoint=path, on_epoch=interrupt_after(stop))
    resumed, again = fit(**settings, checkpoint=path)
    chex.assert_trees_all_equal(resumed, whole)
    assert again.metrics() == history.metrics()
    with pytest.raises(ValueError, match="with other unfreeze_after: give another"):
        fit(**settings | {"unfreeze_after": 3}, checkpoint=path)
    with pytest.raises(ValueError, match="with other examples"):
        fit(**settings | {"trainable_rows": np.arange(V) != 8}, checkpoint=path)


def test_the_best_epoch_from_before_the_unfreezing_is_kept(fit, model, examples):
    validation = (examples[0][:20], 1 - examples[1][:20])
    params = start_of(model, examples)
    settings = {"params": params, "validation": validation, "tx": ADAMW}
    best, history = fit(
        **settings, epochs=6, unfreeze_after=2, stopping=train.Stopping(keep_best=True)
    )
    assert history.best_epoch() < 2
    before = params["embed"]["embedding"]
    np.testing.assert_array_equal(bits(table_of(best)), bits(before))
    short, _ = fit(**settings, epochs=history.best_epoch() + 1, unfreeze_after=9)
    chex.assert_trees_all_equal(
        best.variables["params"]["head"], short.variables["params"]["head"]
    )


def test_unfreezing_nothing_is_refused(fit, frozen_model):
    with pytest.raises(ValueError, match="got 1 and 0 such tables"):
        fit(frozen_model, unfreeze_after=1)
    with pytest.raises(ValueError, match="got -1 and 1 such tables"):
        fit(unfreeze_after=-1)
    with pytest.raises(TypeError, match="must be an int, a number of epochs, got 1.5"):
        fit(unfreeze_after=1.5)
