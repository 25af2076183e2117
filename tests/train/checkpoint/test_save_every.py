"""Saves within an epoch: parts of an epoch, and the bits of an interrupted run."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxembed import nn, optim, train
from tests.train.conftest import V

EVERY = 4  # an epoch of 9 steps has parts of 4, 4 and 1
FORMS = {
    "dense": {},
    "sparse": {"table_tx": optim.sparse_rmsprop(0.01), "batch_size": 4},
    "unfrozen late": {"unfreeze_after": 1},
    "best of dropout": {
        "model": nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead((5,), 1, 0.3)),
        "stopping": train.Stopping("loss", keep_best=True),
    },
}


def stop_after(n_parts):
    """Return a ``stop`` that lets so many parts of epochs pass."""
    calls = []

    def stop():
        calls.append(1)
        return len(calls) > n_parts

    return stop


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(
    "n_parts", [pytest.param((1, 1), marks=pytest.mark.long), (4, 3)], ids=str
)
def test_an_interrupted_run_has_the_bits_of_an_uninterrupted_one(
    fit, examples, tmp_path, name, n_parts
):
    settings = FORMS[name] | {"save_every": EVERY, "validation": examples}
    whole, history = fit(**settings)
    for n in n_parts:
        with pytest.raises(KeyboardInterrupt):
            fit(**settings, checkpoint=tmp_path / "run", stop=stop_after(n))
    assert train.restore(tmp_path / "run")[1]["n_steps"] > 0  # within an epoch
    seen = []
    resumed, again = fit(
        **settings,
        checkpoint=tmp_path / "run",
        on_epoch=lambda history: seen.append(len(history)),
    )
    assert seen[0] > sum(n_parts) // 5
    chex.assert_trees_all_equal(resumed, whole)
    assert again.metrics() == history.metrics()


def test_the_weights_are_those_of_whole_epochs(fit):
    whole, history = fit()
    parts, found = fit(save_every=EVERY)
    chex.assert_trees_all_close(parts, whole, rtol=1e-5)
    for name, values in history.metrics().items():
        np.testing.assert_allclose(found.metrics()[name], values, rtol=1e-5)
    once, found = fit(save_every=1_000)  # more than an epoch has
    chex.assert_trees_all_close(once, whole, rtol=1e-5)


@pytest.mark.long
def test_two_parts_of_an_epoch_have_its_steps(model, examples):
    ids, labels = map(jnp.asarray, examples)
    plan, _ = train.make_plan(model, optax.sgd(0.1), ids[:8])
    key = jax.random.key(1)
    state = train.create_state(plan, ids[:8], key=key)

    def run(state, **part):
        chosen = jnp.arange(len(ids))
        return train.run_epoch(
            plan, state, {}, (ids, labels), chosen, key, 0, batch_size=8, **part
        )

    whole, sums, _ = run(state)
    first, some, _ = run(state, n_steps=3)
    both, others, _ = run(first, first=3, n_steps=6)
    assert (int(first.step), int(both.step), int(some.n_examples)) == (3, 9, 24)
    chex.assert_trees_all_close(both, whole, rtol=1e-6)
    assert int(some.correct + others.correct) == int(sums.correct)
    np.testing.assert_allclose(some.loss + others.loss, sums.loss, rtol=1e-6)


def test_the_step_of_a_bad_number_is_counted_from_the_start_of_the_epoch(fit):
    def rate(count):
        return jnp.where(count == 6, jnp.nan, 0.1)

    for save_every in (None, EVERY):
        with pytest.raises(FloatingPointError, match="in epoch 1, .* after step 7 of"):
            fit(tx=optax.sgd(rate), save_every=save_every)


def test_another_save_every_is_another_run(fit, tmp_path):
    fit(epochs=1, checkpoint=tmp_path / "run", save_every=EVERY)
    with pytest.raises(ValueError, match="differs in program, save_every"):
        fit(epochs=2, checkpoint=tmp_path / "run", save_every=5)


def test_fewer_epochs_than_were_begun_are_refused(fit, tmp_path):
    settings = {"checkpoint": tmp_path / "run", "save_every": EVERY}
    with pytest.raises(KeyboardInterrupt):
        fit(epochs=3, **settings, stop=stop_after(4))
    with pytest.raises(ValueError, match="epochs must be at least 2, .*, got 1"):
        fit(epochs=1, **settings)


@pytest.mark.parametrize(
    ("save_every", "error"), [(0, ValueError), (2.5, TypeError), ("4", TypeError)]
)
def test_a_bad_save_every_is_refused(fit, save_every, error):
    with pytest.raises(error, match="save_every must be"):
        fit(save_every=save_every)
