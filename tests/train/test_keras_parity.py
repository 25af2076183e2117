"""The same weights and batches in Keras 3 on JAX: the same losses and weights."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from jaxembed import nn, optim, train

V, D, L, B, STEPS = 10_000, 8, 20, 32, 50
NAMES = (
    ("embed", "embedding"),
    ("head", "logits", "kernel"),
    ("head", "logits", "bias"),
)


@pytest.fixture(scope="module")
def batches():
    rng = np.random.default_rng(0)
    zipf = 1 / np.arange(1, V + 1)
    ids = rng.choice(V, (STEPS * B, L), p=zipf / zipf.sum()).astype(np.int32)
    return ids, rng.integers(0, 2, STEPS * B).astype(np.int32)


def weights_of(model):
    return [np.asarray(variable.value) for variable in model.weights]


@pytest.fixture(scope="module")
def keras_run(batches):
    """Start weights, the loss of each step, and the weights after them."""
    with jax.numpy_rank_promotion("allow"):  # Keras adds biases that way
        return run_keras(batches)


def run_keras(batches):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Embedding(V, D),
            keras.layers.Flatten(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="rmsprop", loss="binary_crossentropy")
    model.build((None, L))
    start = weights_of(model)
    ids, labels = (array.reshape(STEPS, B, *array.shape[1:]) for array in batches)
    losses = []
    for batch in zip(ids, labels[..., None], strict=True):
        model.reset_metrics()
        losses.append(float(model.train_on_batch(*batch)))
    return start, losses, weights_of(model)


def to_params(weights):
    table, kernel, bias = (jnp.asarray(array) for array in weights)
    return {
        "embed": {"embedding": table},
        "head": {"logits": {"kernel": kernel, "bias": bias}},
    }


def differences(params, weights):
    leaves = flatten_dict(params)
    for path, expected in zip(NAMES, weights, strict=True):
        yield np.abs(np.asarray(leaves[path]) - expected).max()


@pytest.fixture(scope="module")
def model():
    return nn.TextClassifier(nn.Embed(V, D), nn.FlattenDense())


def test_fifty_steps(batches, keras_run, model):
    start, keras_losses, end = keras_run
    ids, labels = (array.reshape(STEPS, B, *array.shape[1:]) for array in batches)
    plan, _ = train.make_plan(model, optim.rmsprop(), ids[0])
    key = jax.random.key(0)
    state = train.create_state(plan, ids[0], key=key, params=to_params(start))
    step = jax.jit(train.step, static_argnames="plan")
    mask = jnp.ones(B, bool)
    for batch, expected in zip(
        zip(ids, labels, strict=True), keras_losses, strict=True
    ):
        state, metrics = step(plan, state, {}, train.Batch(*batch, mask), key)
        assert abs(float(metrics.loss) / B - expected) <= 1e-6
    assert max(differences(state.params, end)) <= 1e-7
    moved = max(differences(to_params(start), end))
    assert moved > 1e-2  # not equal because nothing happened


def test_an_epoch_of_fit(batches, keras_run, model):
    start, keras_losses, end = keras_run
    state, history = train.fit(
        model,
        batches,
        tx=optim.rmsprop(),
        epochs=1,
        batch_size=B,
        key=jax.random.key(0),
        params=to_params(start),
        shuffle=False,
    )
    assert max(differences(state.params, end)) <= 1e-7
    assert abs(history.loss[0] - np.mean(keras_losses)) <= 1e-6
