"""Unfreezing: tables are trained after some epochs, with moments from zero."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxembed import optim, train
from tests.train.checkpoint.test_resume import Interrupted, interrupt_after
from tests.train.conftest import V, bits, start_of, table_of
from tests.train.test_fit import count_traces

KEY = jax.random.key(0)
ADAMW = optax.adamw(0.01, weight_decay=0.5)


@pytest.mark.parametrize("make", [optax.adam, optim.rmsprop])
@pytest.mark.long
def test_a_table_is_unfrozen_after_some_epochs(fit, model, examples, make):
    """Compare with a frozen run and an epoch that continues from its weights."""
    params, tx = start_of(model, examples), make(0.01)
    settings = {"params": params, "tx": tx, "validation": examples}
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
    """Run an epoch in which the table's moments start at zero and counts continue."""
    params = before.variables["params"]
    old = dict(jax.tree_util.tree_leaves_with_path(before.opt_state))
    opt_state = jax.tree_util.tree_map_with_path(
        lambda path, leaf: old.get(path, leaf), tx.init(params)
    )
    moments = [path for path, _ in jax.tree_util.tree_leaves_with_path(opt_state)]
    assert any("embed" in str(path) for path in moments)
    assert not any("embed" in str(path) for path in old)
    state = train.TrainState(before.step, params, opt_state)
    data, rows = tuple(map(jnp.asarray, examples)), jnp.arange(70)
    plan = train.Plan(model, tx)
    return train.run_epoch(plan, state, {}, data, rows, KEY, 2, batch_size=8)[0]


@pytest.mark.long
def test_counts_continue_and_moments_start_at_zero(fit, model):
    schedule = optax.piecewise_constant_schedule(0.01, {18: 0.0})
    state, _ = fit(tx=optax.adam(schedule), epochs=2, unfreeze_after=1)
    leaves = jax.tree_util.tree_leaves_with_path(state.opt_state)
    counts = {jax.tree_util.keystr(path): leaf for path, leaf in leaves}
    found = [int(n) for path, n in counts.items() if "count" in path]
    assert found == [18, 18]  # Adam's own, and the schedule's
    frozen, _ = fit(tx=optax.adam(schedule), epochs=1, unfreeze_after=1)
    longer, _ = fit(tx=optax.adam(schedule), epochs=3, unfreeze_after=2)
    # The rate is 0 from step 18 on, also for the table that is unfrozen there.
    np.testing.assert_array_equal(table_of(longer), table_of(frozen))


@pytest.mark.parametrize(
    "make",
    [
        lambda rate: optax.inject_hyperparams(optax.adam)(learning_rate=rate),
        lambda rate: optax.chain(optax.adam(1.0), optax.scale_by_schedule(rate)),
    ],
)
def test_a_schedule_in_any_form_goes_on(fit, make):
    """Set the rate to 0 from step 18 on, where the table is unfrozen."""
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
    """Copy the parameters: one buffer at two places cannot be donated."""
    stopping = train.Stopping("loss", keep_best=keep_best)
    settings = {"tx": optax.contrib.dog(), "stopping": stopping}
    state, history = fit(**settings, epochs=3, unfreeze_after=1)
    assert len(history) == 3 and np.isfinite(table_of(state)).all()


@pytest.mark.long
def test_another_optimizer_of_the_table_is_another_run(fit, tmp_path):
    """Refuse it before the unfreezing, when the run does not use it yet."""

    def make(rate):
        each = {"embed": optax.adam(rate), "head": optax.adam(0.01)}
        return optax.partition(each, lambda params: {name: name for name in params})

    settings = {"unfreeze_after": 1, "checkpoint": tmp_path / "run"}
    fit(**settings, tx=make(0.01), epochs=1)
    with pytest.raises(ValueError, match="differs in program"):
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
    validation = (examples[0][:20], 1 - examples[1][:20])  # the loss rises
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
    with pytest.raises(ValueError, match="differs in unfreeze_after: give another"):
        fit(**settings | {"unfreeze_after": 3}, checkpoint=path)
    with pytest.raises(ValueError, match="differs in examples"):
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
    with pytest.raises(ValueError, match="unfreeze_after=1 needs a trainable table"):
        fit(frozen_model, unfreeze_after=1)
    with pytest.raises(ValueError, match="unfreeze_after must be at least 0, got -1"):
        fit(unfreeze_after=-1)
    with pytest.raises(TypeError, match="unfreeze_after must be an integer, got 1.5"):
        fit(unfreeze_after=1.5)
