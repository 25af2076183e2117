"""Weights of examples: factors of their losses, in fit alone."""

import chex
import jax
import numpy as np
import optax
import pytest

from jaxembed import optim, replicates, train
from tests.train.checkpoint.test_resume import Interrupted, interrupt_after
from tests.train.conftest import N


def with_weights(examples, weights):
    return (*examples, weights)


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_a_weight_is_a_number_of_copies(fit_form, examples, form):
    """With SGD of all examples at once, whose loss is divided by their number."""
    counts = np.arange(N) % 3
    copies = tuple(np.repeat(array, counts, axis=0) for array in examples)
    n = len(copies[0])
    weighted, copied = (
        fit_form(
            form,
            data=data,
            tx=optax.sgd(rate),
            table_tx=optim.sparse_sgd(rate),
            batch_size=len(data[0]),
        )[0]
        for data, rate in ((with_weights(examples, counts), 0.5), (copies, 0.5 * n / N))
    )
    chex.assert_trees_all_close(
        weighted.variables["params"], copied.variables["params"], atol=1e-6
    )


def test_weights_of_one_change_no_bit(fit, examples):
    weighted, history = fit(data=with_weights(examples, np.ones(N)))
    plain, expected = fit()
    chex.assert_trees_all_equal(weighted, plain)
    assert history.metrics() == expected.metrics()


def test_the_last_small_batch_and_zero_weights(fit, model, examples):
    """An example of weight 0 does not train, and accuracy counts each once."""
    weights = np.zeros(N)
    weights[:9] = 2
    state, history = fit(data=with_weights(examples, weights), epochs=40)
    chosen = examples[0][:9], examples[1][:9]
    assert train.evaluate(model, state.variables, *chosen)["loss"] < 0.5
    whole = train.evaluate(model, state.variables, *examples)["accuracy"]
    assert abs(history.accuracy[-1] - whole) < 0.1


def test_a_run_with_weights_resumes_with_the_same_bits(fit, examples, tmp_path):
    data = with_weights(examples, 0.5 + np.arange(N) % 4)
    whole, history = fit(data=data, epochs=5)
    path = tmp_path / "run"
    with pytest.raises(Interrupted):
        fit(data=data, epochs=5, checkpoint=path, on_epoch=interrupt_after(2))
    resumed, again = fit(data=data, epochs=5, checkpoint=path)
    chex.assert_trees_all_equal(resumed, whole)
    assert again.metrics() == history.metrics()


@pytest.mark.parametrize("other", ["other weights", "no weights"])
def test_a_checkpoint_of_other_weights_is_refused(fit, examples, tmp_path, other):
    fit(data=with_weights(examples, np.ones(N)), epochs=2, checkpoint=tmp_path / "run")
    data = examples if other == "no weights" else (*examples, np.full(N, 2))
    with pytest.raises(ValueError, match="belongs to a run that differs in examples"):
        fit(data=data, epochs=3, checkpoint=tmp_path / "run")


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (np.ones(N - 1), ValueError, rf"weights must have the shape \[{N}\], .*\[69\]"),
        (np.full(N, -1.5), ValueError, r"weights\[0\] must be 0 or more.* got -1.5"),
        (
            np.where(np.arange(N) == 3, np.nan, 1),
            ValueError,
            r"weights\[3\] .* got nan",
        ),
        (np.full(N, 1e39), ValueError, r"finite in float32, got 1e\+39"),
        (np.full(N, "a"), TypeError, "weights must be numbers, got <U1"),
    ],
)
def test_bad_weights_are_refused(fit, examples, weights, error, message):
    with pytest.raises(error, match=message):
        fit(data=with_weights(examples, weights))


def test_weights_elsewhere_are_refused(fit, examples, model):
    triple, words = (*examples, np.ones(N)), "Only data of train.fit have weights"
    with pytest.raises(TypeError, match=words):
        fit(validation=triple)
    with pytest.raises(TypeError, match=words):
        replicates.run(
            model,
            triple,
            examples=np.arange(N)[None],
            tx=optim.rmsprop(),
            epochs=1,
            batch_size=8,
            key=jax.random.key(0),
        )
