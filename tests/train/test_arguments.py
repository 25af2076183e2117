"""Arguments: each bad number, key and length has one error, the same in every call."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import TextModel, nn, optim, replicates, train

N, L, V = 40, 6, 30
KEY = jax.random.key(0)
IDS = np.random.default_rng(0).integers(0, V, (N, L)).astype(np.int32)
LABELS = np.arange(N) % 2
MODEL = nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead())
VARIABLES = MODEL.init(KEY, IDS)
TX = optim.rmsprop(0.01)
TEXTS = [f"good film {i}" if i % 2 else f"bad bore {i}" for i in range(N)]


def fit(**changed):
    settings = {"tx": TX, "epochs": 1, "batch_size": 8, "key": KEY} | changed
    return train.fit(MODEL, (IDS, LABELS), **settings)


def replicate(**changed):
    examples = np.arange(20).reshape(2, 10)
    settings = {"tx": TX, "epochs": 1, "batch_size": 5, "key": KEY} | changed
    return replicates.run(MODEL, (IDS, LABELS), examples=examples, **settings)


def evaluate(ids=IDS, **changed):
    return train.evaluate(MODEL, VARIABLES, ids, LABELS[: len(ids)], **changed)


def predict(ids=IDS, **changed):
    return train.predict(MODEL, VARIABLES, ids, **changed)


def text_model(**changed):
    return TextModel.fit(TEXTS, LABELS, compilation_cache=False, **changed)


@pytest.mark.parametrize("value", [2.5, float("nan"), True, "3", np.float32(2)])
def test_a_number_must_be_an_integer(value):
    message = " must be an integer, got "
    for call in (fit, replicate, text_model):
        with pytest.raises(TypeError, match="^epochs" + message):
            call(epochs=value)
    for call in (fit, replicate, text_model, evaluate, predict):
        with pytest.raises(TypeError, match="^batch_size" + message):
            call(batch_size=value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "must be at least 1, got 0"),
        (-3, "must be at least 1, got -3"),
        (2**70, r"must be below 2\*\*63, got 1180591620717411303424"),
    ],
)
def test_a_number_must_be_in_range(value, message):
    for call in (fit, replicate, text_model, evaluate, predict):
        with pytest.raises(ValueError, match=f"^batch_size {message}"):
            call(batch_size=value)
    for call in (replicate, text_model):
        with pytest.raises(ValueError, match=f"^epochs {message}"):
            call(epochs=value)


def test_no_epoch():
    with pytest.raises(ValueError, match="epochs must be at least 0, got -3"):
        fit(epochs=-3)
    state, history = fit(epochs=0)
    assert len(history) == 0 and int(state.step) == 0


NO_KEYS = {
    "a number": 0,
    "None": None,
    "text": "k",
    "a generator": np.random.default_rng(0),
    "an array without axes": jnp.array(3),
    "floats": jnp.array([1.0, 2.0]),
    "a list": [0, 7],
    "too many numbers": jnp.zeros(3, jnp.uint32),
}


def draw(key):
    return replicates.draw_examples(key, 2, N, 10)


@pytest.mark.parametrize("name", NO_KEYS)
def test_something_else_than_a_key(name):
    message = r"key must be a random key, got .*: make it with jax.random.key\(seed\)"
    for call in (fit, replicate, draw):
        with pytest.raises(TypeError, match=message):
            call(key=NO_KEYS[name])


@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])
def test_several_keys(make):
    message = r"key must be a single key, got keys of the shape \[2\]: give one of them"
    for call in (fit, replicate, draw):
        with pytest.raises(ValueError, match=message):
            call(key=jax.random.split(make(0)))


@pytest.mark.long
def test_old_and_new_keys_are_equal():
    old, new = (fit(key=make(3))[1] for make in (jax.random.PRNGKey, jax.random.key))
    assert old.loss == new.loss
    assert np.isfinite(fit(key=jax.random.key(0, impl="rbg"))[1].loss).all()


@pytest.mark.parametrize("length", [L - 2, L + 3])
def test_texts_of_another_length(length):
    ids = np.ones((N, length), np.int32)
    message = (
        f"the parameters do not fit the model and texts of length {length}. Pad the "
        "texts to the length of the training texts"
    )
    for call in (
        lambda: predict(ids),
        lambda: predict(ids[:1]),
        lambda: evaluate(ids),
        lambda: fit(validation=(ids, LABELS)),
        lambda: replicate(validation=(ids, LABELS)),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("rate", [-1.0, float("nan"), float("inf")])
def test_a_learning_rate_out_of_range(rate):
    for call in (
        optim.rmsprop,
        optim.sparse_sgd,
        optim.sparse_adagrad,
        optim.sparse_rmsprop,
        optim.lazy_adam,
    ):
        with pytest.raises(ValueError, match="learning_rate must be from 0 to below i"):
            call(rate)
    with pytest.raises(ValueError, match="learning_rate must be a positive number"):
        text_model(learning_rate=rate)


@pytest.mark.parametrize("rate", ["0.1", None, True, [0.1, 0.2], 1j])
def test_a_learning_rate_of_another_type(rate):
    for call in (optim.rmsprop, optim.sparse_sgd):
        with pytest.raises(TypeError, match="learning_rate must be a number or a sche"):
            call(rate)


@pytest.mark.parametrize("rate", [0, 0.1, np.float32(0.1), jnp.bfloat16(0.5)])
def test_any_number_is_a_learning_rate(rate):
    weights = jnp.ones(3)
    tx = optim.rmsprop(rate)
    updates, _ = tx.update(jnp.ones(3), tx.init(weights))
    # The step of Keras's rule, -rate / sqrt(0.1 + 1e-7).
    np.testing.assert_allclose(updates, -float(rate) / np.sqrt(0.1 + 1e-7), rtol=1e-5)
