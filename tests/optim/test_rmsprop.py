"""rmsprop: weights equal to Keras's."""

import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest

from jaxembed import optim


def keras_weights(start, grads, optimizer):
    variable = keras.Variable(start)
    optimizer.build([variable])
    for grad in grads:
        optimizer.apply([grad], [variable])
    return np.asarray(variable)


def our_weights(start, grads, tx):
    weights, state = jnp.asarray(start), tx.init(jnp.asarray(start))
    for grad in grads:
        updates, state = tx.update(jnp.asarray(grad), state)
        weights = optax.apply_updates(weights, updates)
    return np.asarray(weights)


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    # Tiny to large gradients, so that eps matters, and its place inside the root.
    scales = 10.0 ** rng.integers(-6, 2, (30, 1))
    return rng.random(20).astype("f"), (scales * rng.standard_normal((30, 20))).astype(
        "f"
    )


@pytest.mark.parametrize("rate", [1e-3, 0.1])
def test_equal_to_keras(case, rate):
    ours = our_weights(*case, optim.rmsprop(rate))
    theirs = keras_weights(*case, keras.optimizers.RMSprop(rate))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-6 * rate * 1e3)


def test_optax_default_is_another(case):
    theirs = keras_weights(*case, keras.optimizers.RMSprop(1e-3))
    assert np.abs(our_weights(*case, optax.rmsprop(1e-3)) - theirs).max() > 2e-5


def test_a_schedule_sets_the_rate():
    tx = optim.rmsprop(optax.piecewise_constant_schedule(1.0, {1: 0.0}))
    weights = our_weights(np.zeros(1, "f"), np.ones((3, 1), "f"), tx)
    np.testing.assert_allclose(weights, -1 / np.sqrt(0.1), rtol=1e-5)
