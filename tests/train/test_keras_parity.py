"""Keras parity: equal weights and batches give the losses of Keras 3 on JAX."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from jaxembed import nn, optim, train

V, D, L, B, STEPS = 10_000, 8, 20, 32, 50
HIDDEN = {"learned": (), "frozen": (32,)}  # the two halves of the notebook


@pytest.fixture(scope="module")
def batches():
    rng = np.random.default_rng(0)
    zipf = 1 / np.arange(1, V + 1)
    ids = rng.choice(V, (STEPS * B, L), p=zipf / zipf.sum()).astype(np.int32)
    return ids, rng.integers(0, 2, STEPS * B).astype(np.int32)


def weights_of(model):
    """Return the weights of each layer in order, the table first."""
    return [
        np.asarray(variable.value)
        for layer in model.layers
        for variable in layer.weights
    ]


@pytest.fixture(scope="module", params=HIDDEN)
def half(request):
    return request.param


@pytest.fixture(scope="module")
def keras_run(batches, half):
    """Return initial weights, the loss of each step, and final weights."""
    with jax.numpy_rank_promotion("allow"):  # for the biases of Keras
        return run_keras(batches, half)


def run_keras(batches, half):
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(n, activation="relu") for n in HIDDEN[half]]
    model = keras.Sequential(
        [
            keras.layers.Embedding(V, D, trainable=half == "learned"),
            keras.layers.Flatten(),
            *hidden,
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="rmsprop", loss="binary_crossentropy")
    model.build((None, L))
    if half == "frozen":  # of the size of pre-trained vectors
        table = np.random.default_rng(1).normal(0, 0.4, (V, D)).astype(np.float32)
        model.layers[0].set_weights([table])
    start = weights_of(model)
    ids, labels = (array.reshape(STEPS, B, *array.shape[1:]) for array in batches)
    losses = []
    for batch in zip(ids, labels[..., None], strict=True):
        model.reset_metrics()
        losses.append(float(model.train_on_batch(*batch)))
    return start, losses, weights_of(model)


def to_params(weights):
    table, *dense = (jnp.asarray(array) for array in weights)
    names = [*(f"hidden_{i}" for i in range(len(dense) // 2 - 1)), "logits"]
    layers = zip(names, dense[::2], dense[1::2], strict=True)
    head = {name: {"kernel": kernel, "bias": bias} for name, kernel, bias in layers}
    return {"embed": {"embedding": table}, "head": head}


def differences(params, weights):
    theirs = flatten_dict(to_params(weights))
    ours = flatten_dict(params)
    assert ours.keys() == theirs.keys()
    return [np.abs(np.asarray(ours[path] - theirs[path])).max() for path in ours]


@pytest.fixture(scope="module")
def model(half):
    return nn.TextClassifier(
        nn.Embed(V, D, frozen=half == "frozen"), nn.DenseHead(HIDDEN[half])
    )


def test_fifty_steps(batches, keras_run, model):
    start, keras_losses, end = keras_run
    ids, labels = (array.reshape(STEPS, B, *array.shape[1:]) for array in batches)
    plan, _ = train.make_plan(model, optim.rmsprop(), ids[0])
    key = jax.random.key(0)
    state = train.create_state(plan, ids[0], key=key, params=to_params(start))
    state, frozen = state.replace(frozen={}), state.frozen
    step = jax.jit(train.step, static_argnames="plan")
    mask = jnp.ones(B, bool)
    for batch, expected in zip(
        zip(ids, labels, strict=True), keras_losses, strict=True
    ):
        state, metrics = step(plan, state, frozen, train.Batch(*batch, mask), key)
        assert abs(float(metrics.loss) / B - expected) <= 1e-6
    params = state.replace(frozen=frozen).variables["params"]
    assert max(differences(params, end)) <= 1e-7
    moved = max(differences(to_params(start), end))
    assert moved > 1e-2  # so that the test can fail


def test_an_epoch(batches, keras_run, model):
    start, keras_losses, end = keras_run
    ids, labels = map(jnp.asarray, batches)
    plan, _ = train.make_plan(model, optim.rmsprop(), ids[:B])
    key = jax.random.key(0)
    state = train.create_state(plan, ids[:B], key=key, params=to_params(start))
    examples, settings = jnp.arange(len(ids)), {"batch_size": B, "shuffle": False}
    state, metrics, _ = train.run_epoch(
        plan, state, state.frozen, (ids, labels), examples, key, 0, **settings
    )
    assert max(differences(state.variables["params"], end)) <= 1e-7
    mean_loss = float(metrics.loss) / len(ids)
    assert abs(mean_loss - np.mean(keras_losses)) <= 1e-6
