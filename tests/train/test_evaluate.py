"""evaluate and predict: one program for any number of examples."""

import importlib

import jax
import numpy as np
import optax
import pytest

from jaxembed import train
from tests.train.test_fit import count_traces


@pytest.fixture
def variables(model, examples):
    return model.init(jax.random.key(0), examples[0])


@pytest.mark.parametrize("n", [1, 15, 16, 17, 70])
def test_any_number_of_examples(model, variables, examples, n):
    ids, labels = examples[0][:n], examples[1][:n]
    logits = model.apply(variables, ids)
    losses = optax.sigmoid_binary_cross_entropy(logits, labels.astype("f"))
    metrics = train.evaluate(model, variables, ids, labels, batch_size=16)
    np.testing.assert_allclose(metrics["loss"], losses.mean(), rtol=1e-6)
    assert metrics["accuracy"] == np.mean((np.asarray(logits) > 0) == labels)
    predicted = train.predict(model, variables, ids, batch_size=16)
    np.testing.assert_allclose(predicted, logits, atol=1e-7)


def test_one_program_serves_all_numbers(model, variables, examples):
    module = importlib.import_module("jaxembed.train._evaluate")
    module._measure.clear_cache()
    for n in (1, 20, 70):
        train.evaluate(model, variables, examples[0][:n], examples[1][:n])
    assert module._measure._cache_size() == 1


def test_a_stream_of_requests_compiles_once(model, variables, examples):
    module = importlib.import_module("jaxembed.train._predict")
    module._logits.clear_cache()
    module._few_logits.clear_cache()
    whole = train.predict(model, variables, examples[0])
    assert module._logits._cache_size() == 1
    for n in (1, 2, 3, 5, 7, 11, 13):
        found = train.predict(model, variables, examples[0][:n])
        np.testing.assert_allclose(found, whole[:n], atol=1e-7)
    assert module._few_logits._cache_size() == 1
    many = np.resize(examples[0], (2500, examples[0].shape[1]))
    found = train.predict(model, variables, many)
    np.testing.assert_allclose(found, np.resize(whole, 2500), atol=1e-7)
    assert module._logits._cache_size() == 2
    assert module._few_logits._cache_size() == 1


def test_a_text_costs_no_inspection_of_the_model(model, variables, examples):
    train.predict(model, variables, examples[0][:1])
    traces = count_traces(
        model, lambda: train.predict(model, variables, examples[0][:2])
    )
    assert traces == 0


@pytest.mark.parametrize("n", [1, 20])
def test_texts_of_another_length_are_named(model, variables, examples, n):
    ids, labels = examples[0][:n, :-1], examples[1][:n]
    length = f"texts of length {ids.shape[1]}"
    with pytest.raises(ValueError, match=length):
        train.predict(model, variables, ids)
    with pytest.raises(ValueError, match=length):
        train.evaluate(model, variables, ids, labels)


def test_variables_are_wanted_and_not_a_state(fit, model, examples):
    state, _ = fit(epochs=1)
    for call in (
        lambda: train.predict(model, state, examples[0]),
        lambda: train.evaluate(model, state, *examples),
    ):
        with pytest.raises(TypeError, match="got TrainState: give state.variables"):
            call()


@pytest.mark.parametrize("call", [train.evaluate, train.predict])
def test_bad_input_is_refused(model, variables, examples, call):
    ids, labels = examples
    rest = (labels,) if call is train.evaluate else ()
    empty = (labels[:0],) if rest else ()
    with pytest.raises(ValueError, match="ids must have at least one text"):
        call(model, variables, ids[:0], *empty)
    with pytest.raises(ValueError, match=r"ids\[0, 0\] is -1"):
        call(model, variables, np.full_like(ids, -1), *rest)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        call(model, variables, ids, *rest, batch_size=0)
    with pytest.raises(TypeError, match="ids must be integers, got float64"):
        call(model, variables, ids + 0.5, *rest)
