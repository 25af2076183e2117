"""The layout: chosen by cost, named, and remembered by a checkpoint."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn, optim, train
from jaxembed.train._layout import make_dense, measure_layouts

from .conftest import L, V, bits, table_of

TX = optim.sparse_rmsprop(0.01)


@pytest.fixture
def cost(monkeypatch):
    """Says which layout is cheap, in place of a clock; counts its calls."""
    calls = []

    def choose(cheap):
        def measure(*arguments):
            calls.append(cheap)
            return {"sparse": 2.0, "dense": 2.0} | {cheap: 1.0}

        module = importlib.import_module("jaxembed.train._layout")
        monkeypatch.setattr(module, "measure_layouts", measure)
        return calls

    return choose


@pytest.mark.parametrize("cheap", ["sparse", "dense"])
def test_auto_takes_the_cheaper_one_and_says_so(fit, cost, cheap):
    calls = cost(cheap)
    state, history = fit(table_tx=TX)
    assert (history.layout, calls) == (cheap, [cheap])
    assert bool(state.tables) == (cheap == "sparse")


def test_a_layout_that_is_asked_for_is_not_measured(fit, cost):
    calls = cost("dense")
    assert fit(table_tx=TX, layout="sparse")[1].layout == "sparse"
    assert fit()[1].layout == "dense"
    assert not calls


def measured(n_rows, dim, batch):
    model = nn.TextClassifier(nn.Embed(n_rows, dim), nn.FlattenDense())
    ids = np.random.default_rng(0).integers(0, n_rows, (batch, L)).astype(np.int32)
    plan, _ = train.make_plan(model, optim.rmsprop(), ids[:1], table_tx=TX)
    shapes = jax.eval_shape(model.init, jax.random.key(0), ids[:1])
    return measure_layouts(plan, shapes, ids)


def test_what_is_measured():
    large = measured(3_000_000, 64, 4)  # 768 MB, of which only a part is made
    assert large["dense"] > 20 * large["sparse"] > 0
    small = measured(4, 4, 2_000)  # each row many times in each batch
    assert 0 < small["dense"] < 20 * small["sparse"]


@pytest.mark.parametrize("layout", ["sparse", "dense"])
def test_a_checkpoint_remembers_and_goes_on_bit_by_bit(fit, cost, tmp_path, layout):
    cost(layout)
    whole, history = fit(table_tx=TX, epochs=4)
    fit(table_tx=TX, epochs=2, checkpoint=tmp_path / "run")
    calls = cost("dense" if layout == "sparse" else "sparse")  # a noisy machine
    del calls[:]
    state, resumed = fit(table_tx=TX, epochs=4, checkpoint=tmp_path / "run")
    assert not calls
    assert resumed.layout == layout and resumed.loss == history.loss
    np.testing.assert_array_equal(bits(table_of(state)), bits(table_of(whole)))
    other = "dense" if layout == "sparse" else "sparse"
    with pytest.raises(ValueError, match="with other .*layout"):
        fit(table_tx=TX, layout=other, epochs=4, checkpoint=tmp_path / "run")


def test_a_late_table_is_resumed_bit_by_bit(fit, tmp_path):
    settings = {"table_tx": TX, "layout": "sparse", "unfreeze_after": 2}
    whole, _ = fit(epochs=5, **settings)
    for epochs in (1, 2, 3, 5):
        state, _ = fit(epochs=epochs, checkpoint=tmp_path / "run", **settings)
    np.testing.assert_array_equal(bits(table_of(state)), bits(table_of(whole)))


def test_the_best_epoch_is_kept_with_its_tables(fit, examples):
    stopping = train.Stopping("loss", keep_best=True)
    settings = {"table_tx": TX, "layout": "sparse", "stopping": stopping}
    state, history = fit(epochs=3, **settings)
    assert history.best_epoch("loss") == 2
    again, _ = fit(epochs=3, table_tx=TX, layout="sparse")
    np.testing.assert_array_equal(bits(table_of(state)), bits(table_of(again)))


def test_equal_plans_have_one_dense_form():
    model = nn.TextClassifier(nn.Embed(V, 4), nn.FlattenDense())
    ids, tx = jnp.zeros((1, L), jnp.int32), optim.rmsprop()
    plans = [train.make_plan(model, tx, ids, table_tx=TX)[0] for _ in range(2)]
    assert make_dense(plans[0]) is make_dense(plans[1])
