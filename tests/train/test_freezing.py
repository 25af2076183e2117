"""Frozen tables and rows: training changes none of their bits."""

import chex
import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxembed import nn, optim, train
from tests.train.conftest import V, bits, start_of, table_of
from tests.train.test_fit import count_traces

KEY = jax.random.key(0)
ADAMW = optax.adamw(0.01, weight_decay=0.5)


@pytest.mark.long
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
    model = nn.TextClassifier(nn.Embed(V, 4, frozen=frozen), nn.DenseHead((5,)))
    plan, _ = train.make_plan(model, ADAMW, ids)
    state = train.create_state(plan, ids, key=KEY)
    state, frozen = state.replace(frozen={}), state.frozen
    run = jax.jit(train.run_epoch, static_argnames=("plan", "batch_size"))
    arguments = frozen, (ids, labels), jnp.arange(64), KEY, 0
    text = run.lower(plan, state, *arguments, batch_size=8).compile().as_text()
    lines = [line.strip() for line in text.splitlines() if "scatter" in line]
    assert bool(lines) == (not frozen), lines


@pytest.mark.parametrize("tx", [ADAMW, optim.rmsprop(0.01), optax.sgd(0.1, 0.9)])
def test_rows_are_frozen_under_any_optimizer(fit, model, examples, tx):
    params, mask = start_of(model, examples), np.arange(V) % 3 == 0
    state, _ = fit(params=params, trainable_rows=mask, tx=tx, epochs=20)
    before, after = bits(params["embed"]["embedding"]), bits(table_of(state))
    np.testing.assert_array_equal(after[~mask], before[~mask])
    assert (after[mask] != before[mask]).any(axis=1).all()
    # The moments of untrained rows stay at zero.
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
    model = nn.TextClassifier(nn.Embed(V, 4, padding_idx=2), nn.DenseHead())
    assert (examples[0] == 2).any()
    state, _ = fit(model, tx=tx)
    np.testing.assert_array_equal(bits(table_of(state)[2]), np.zeros(4, np.uint32))
    assert table_of(state).any(axis=1).sum() == V - 1
    mask = np.arange(V) < 5
    state, _ = fit(model, tx=tx, trainable_rows=mask)
    np.testing.assert_array_equal(table_of(state)[2], np.zeros(4))
    assert mask[2]  # the caller's mask is unchanged


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (np.ones(V + 1, bool), ValueError, r"must be bool\[30\].*got bool\[31\]"),
        (np.ones(V), TypeError, "must be bool.* got float64"),
        (np.arange(4), TypeError, "must be bool.* got int64"),
    ],
)
def test_a_mask_that_is_none_is_refused(fit, mask, error, message):
    with pytest.raises(error, match=message):
        fit(trainable_rows=mask)


def test_a_mask_for_a_frozen_table_is_refused(fit, frozen_model):
    with pytest.raises(ValueError, match=r"one trainable table .* got 0: \[\]"):
        fit(frozen_model, trainable_rows=np.ones(V, bool))


def test_a_table_that_is_read_twice_may_have_frozen_rows(fit, examples):
    class Twice(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, ids, train=False):
            embed = nn.Embed(V, 4)
            rows = embed(ids) + embed(ids[:, ::-1])
            return nn.DenseHead()(rows, train=train)

    state, _ = fit(Twice(), trainable_rows=np.arange(V) < 5)
    start, _ = fit(Twice(), epochs=0)
    tables = [np.asarray(s.params["Embed_0"]["embedding"]) for s in (state, start)]
    np.testing.assert_array_equal(tables[0][5:], tables[1][5:])
    assert (tables[0][:5] != tables[1][:5]).any()
