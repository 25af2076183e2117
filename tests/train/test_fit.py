"""fit: learns, compiles once, freezes, and stops early or at NaN."""

import io
import re
import sys

import chex
import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxembed import nn, optim, train
from tests.train.conftest import L, N, V


def test_it_learns(fit, examples):
    state, history = fit(epochs=60, validation=examples)
    assert history.accuracy[0] < 0.8 < 0.99 < history.val_accuracy[-1]
    assert history.loss[-1] < 0.2 < history.loss[0]
    assert int(state.step) == 60 * -(-N // 8)
    assert all(len(values) == 60 for values in history.metrics().values())
    assert history.seconds["compile"] > 0 and history.seconds["run"] > 0


def test_the_same_key_gives_the_same_bits(fit):
    first, second = fit()[0], fit()[0]
    chex.assert_trees_all_equal(first, second)
    other = fit(key=jax.random.key(1))[0]
    assert not np.array_equal(*(s.params["embed"]["embedding"] for s in (first, other)))


def test_validation_is_that_of_evaluate(fit, model, examples):
    held_out = (examples[0][:33], examples[1][:33])
    state, history = fit(validation=held_out)
    metrics = train.evaluate(model, state.variables, *held_out)
    assert metrics["accuracy"] == history.val_accuracy[-1]
    np.testing.assert_allclose(metrics["loss"], history.val_loss[-1], rtol=1e-6)


def test_validation_changes_no_weight(fit, examples):
    chex.assert_trees_all_equal(fit()[0], fit(validation=examples)[0])


def test_rows_pick_the_examples(fit, examples):
    rows = np.array([5, 60, 7, 8, 1, 33, 2, 19, 40, 41])
    picked = (examples[0][rows], examples[1][rows])
    chex.assert_trees_all_equal(
        fit(examples=rows)[0].params,
        fit(data=picked)[0].params,
    )


def test_the_params_that_are_given_are_copied(fit, model, examples):
    params = model.init(jax.random.key(5), examples[0])["params"]
    before = jax.tree.map(np.array, params)
    state, _ = fit(params=params, epochs=1)
    chex.assert_trees_all_equal(params, before)  # still readable, and the same
    assert not np.array_equal(
        state.params["embed"]["embedding"], params["embed"]["embedding"]
    )
    chex.assert_trees_all_equal(fit(params=params, epochs=0)[0].params, before)


def count_traces(model, call):
    """Count how often the body of a model is traced while ``call`` runs."""
    n_traces = 0

    def record(run, args, kwargs, context):
        nonlocal n_traces
        n_traces += type(context.module) is type(model)
        return run(*args, **kwargs)

    with flax.linen.intercept_methods(record):
        call()
    return n_traces


def test_epochs_and_partial_batches_trace_nothing_again(fit, model, examples):
    fit(validation=examples)  # evaluation is compiled once for a model
    tx, another = optim.rmsprop(0.02), optim.rmsprop(0.02)  # not in JAX's cache yet
    short = count_traces(model, lambda: fit(tx=tx, epochs=1, validation=examples))
    many = count_traces(model, lambda: fit(tx=another, epochs=6, validation=examples))
    assert many == short
    # With the same shapes and another key, only the checks of shapes trace.
    again = count_traces(model, lambda: fit(tx=tx, key=jax.random.key(3)))
    assert again < short


@pytest.mark.parametrize("tx", [optax.adamw(0.01, weight_decay=0.5), optax.sgd(0.1)])
def test_a_frozen_table_stays_bit_equal_and_has_no_moments(fit, examples, tx):
    model = nn.TextClassifier(nn.Embed(V, 4, frozen=True), nn.DenseHead())
    params = model.init(jax.random.key(1), examples[0])["params"]
    state, _ = fit(model, params=params, tx=tx, epochs=20)
    table = state.variables["params"]["embed"]["embedding"]
    np.testing.assert_array_equal(table, params["embed"]["embedding"])
    shapes = {jnp.shape(leaf) for leaf in jax.tree.leaves(state.opt_state)}
    assert (V, 4) not in shapes
    kernels = (s["head"]["logits"]["kernel"] for s in (state.params, params))
    assert not np.array_equal(*kernels)
    # The same call moves a table that is not frozen, so that the test can fail.
    free = nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead())
    moved = fit(free, params=params, tx=tx, epochs=20)[0].params["embed"]["embedding"]
    assert not np.array_equal(moved, params["embed"]["embedding"])


def test_more_classes(fit, examples):
    ids, _ = examples
    model = nn.TextClassifier(nn.Embed(V, 8), nn.DenseHead(classes=3))
    labels = np.minimum(ids[:, 0] // 10, 2)
    state, history = fit(model, (ids, labels), epochs=80)
    assert history.accuracy[-1] > 0.95
    logits = train.predict(model, state.variables, ids)
    chex.assert_shape(logits, (N, 3))
    assert np.mean(np.argmax(logits, 1) == labels) > 0.95


def test_the_best_epoch_is_kept(fit, model, examples):
    ids, labels = examples
    held_out = (ids[:20], 1 - labels[:20])  # wrong labels, so the loss rises
    run = {"epochs": 8, "validation": held_out}
    best, history = fit(stopping=train.Stopping(keep_best=True), **run)
    assert history.best_epoch() < 7 and len(history) == 8
    metrics = train.evaluate(model, best.variables, *held_out)
    np.testing.assert_allclose(metrics["loss"], min(history.val_loss), rtol=1e-6)
    early, short = fit(stopping=train.Stopping(patience=2), **run)
    assert len(short) == history.best_epoch() + 3
    assert short.val_loss == history.val_loss[: len(short)]
    assert int(early.step) == len(short) * -(-N // 8)


def test_progress_is_shown_where_there_is_a_terminal(fit, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream, shown in ((io.StringIO(), False), (Terminal(), True)):
        monkeypatch.setattr(sys, "stderr", stream)
        fit(progress=None)
        assert ("3/3" in stream.getvalue()) == shown


def test_on_epoch_sees_each_epoch(fit):
    seen = []
    fit(on_epoch=lambda history: seen.append((len(history), history.loss[-1])))
    assert [epoch for epoch, _ in seen] == [1, 2, 3]


@pytest.mark.parametrize(
    ("last_good", "message"),
    [
        (13, "the loss is nan in epoch 2, and the weights are not finite after step 5"),
        # No loss of an epoch depends on its last update.
        (
            8,
            r"the loss is 0\.\d+ in epoch 1, and the weights are not finite after step",
        ),
    ],
)
def test_numbers_that_are_none_stop_with_epoch_and_step(
    fit, tmp_path, last_good, message
):
    def rate(count):  # 9 steps an epoch, the first with count 0
        return jnp.where(count < last_good, 0.01, jnp.inf)

    with pytest.raises(FloatingPointError, match=message):
        fit(tx=optax.sgd(rate), checkpoint=tmp_path / "run")
    if last_good == 13:
        _, extra = train.restore(tmp_path / "run")
        assert len(extra["history"]["loss"]) == 1  # the finite epoch is saved
    else:
        assert not (tmp_path / "run").exists()


def test_weights_that_start_as_nan_stop_at_once(fit, model, examples):
    params = model.init(jax.random.key(5), examples[0])["params"]
    params["embed"]["embedding"] = params["embed"]["embedding"].at[:].set(jnp.nan)
    with pytest.raises(FloatingPointError, match="in epoch 1, .* after step 0 of this"):
        fit(params=params)


class WithPositions(flax.linen.Module):
    """Words and positions: the table of positions does not limit the ids."""

    @flax.linen.compact
    def __call__(self, ids, train=False):
        places = nn.Embed(L, 4, name="places")(jnp.arange(L))
        rows = nn.Embed(V, 4, name="words")(ids) + places[None]
        return flax.linen.Dense(1)(rows.reshape(len(ids), -1))[:, 0]


def test_a_table_of_positions_is_trained_too(fit, examples):
    assert examples[0].max() > L
    with jax.numpy_rank_promotion("allow"):  # for the bias of flax.linen.Dense
        state, history = fit(WithPositions(), epochs=30)
    assert history.accuracy[-1] > 0.9
    assert set(state.params) == {"words", "places", "Dense_0"}
    with pytest.raises(ValueError, match=r"is 30, and the table has the rows 0 to 29"):
        fit(WithPositions(), (examples[0] + 1, examples[1]))


def test_hidden_layers_may_be_a_list(fit, examples):
    model = nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead(hidden=[5]))
    state, _ = fit(model, epochs=1)
    assert train.predict(model, state.variables, examples[0]).shape == (N,)


def test_a_history_has_no_metric_that_was_not_measured(fit):
    _, history = fit(epochs=1)
    assert set(history.metrics()) == {"loss", "accuracy"}
    assert re.fullmatch(r"\{'loss': .*'compile'.*\}", str(history.to_dict()))
