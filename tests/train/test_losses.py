"""Losses of several labels and of numbers: formulas in float64, training, errors."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxembed import nn, train
from jaxembed.train._losses import is_correct

RNG = np.random.default_rng(0)
IDS = RNG.integers(1, 20, (90, 5))
LOGITS = RNG.normal(size=(6, 3))
FLAGS = RNG.integers(0, 2, (6, 3))
BINARY, SQUARED = "binary_cross_entropy", "mean_squared_error"


def make_model(classes=1):
    return nn.TextClassifier(
        nn.Embed(20, 4), nn.DenseHead(classes=classes), pool="mean"
    )


def fit(model, labels, loss, **changed):
    settings = {"tx": optax.adam(0.05), "epochs": 40, "batch_size": 30}
    settings |= {"key": jax.random.key(0), "loss": loss} | changed
    return train.fit(model, (IDS, labels), **settings)


def test_several_labels_are_a_mean_of_sigmoid_losses():
    p = 1 / (1 + np.exp(-LOGITS))
    expected = -(FLAGS * np.log(p) + (1 - FLAGS) * np.log(1 - p)).mean(1)
    logits, flags = jnp.array(LOGITS, jnp.float32), jnp.array(FLAGS)
    found = train.example_losses(logits, flags, BINARY)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    flat = train.example_losses(logits[:, 0], flags[:, 0], BINARY)
    np.testing.assert_allclose(flat, train.example_losses(logits[:, 0], flags[:, 0]))
    right = ((LOGITS > 0) == FLAGS).all(1)
    assert is_correct(logits, flags, BINARY).tolist() == right.tolist()
    assert not is_correct(logits.at[:, 1].set(jnp.nan), flags, BINARY).any()


def test_numbers_have_squared_errors():
    targets = LOGITS + RNG.normal(size=LOGITS.shape)
    logits, numbers = jnp.array(LOGITS, jnp.float32), jnp.array(targets, jnp.float32)
    expected = ((LOGITS - targets) ** 2).mean(1)
    found = train.example_losses(logits, numbers, SQUARED)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    flat = train.example_losses(logits[:, 0], numbers[:, 0], SQUARED)
    np.testing.assert_allclose(flat, (LOGITS - targets)[:, 0] ** 2, rtol=1e-4)
    near = (np.abs(LOGITS - targets) <= 0.5).all(1)
    assert is_correct(logits, numbers, SQUARED).tolist() == near.tolist()


def test_a_model_learns_several_labels():
    labels = np.stack([(IDS < 5).any(1), (IDS > 17).any(1), IDS[:, 0] > 0], 1)
    model = make_model(classes=3)
    state, history = fit(model, labels, BINARY, validation=(IDS, labels))
    logits = train.predict(model, state.variables, IDS)
    right = ((logits > 0) == labels).all(1).mean()
    assert right > 0.9
    metrics = train.evaluate(model, state.variables, IDS, labels, loss=BINARY)
    np.testing.assert_allclose(metrics["accuracy"], right)
    expected = np.logaddexp(0, np.where(labels, -logits, logits)).mean()
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-5)
    np.testing.assert_allclose(history.val_loss[-1], expected, rtol=1e-5)


def test_a_model_learns_numbers():
    targets = (IDS < 10).sum(1) * 1.5 - 3
    model = make_model()
    state, history = fit(model, targets, SQUARED, validation=(IDS, targets), epochs=150)
    found = train.predict(model, state.variables, IDS)
    assert np.abs(found - targets).max() < 0.3
    metrics = train.evaluate(model, state.variables, IDS, targets, loss=SQUARED)
    np.testing.assert_allclose(
        metrics["loss"], ((found - targets) ** 2).mean(), rtol=1e-3
    )
    assert metrics["accuracy"] == history.val_accuracy[-1] == 1


def test_a_run_of_another_loss_is_not_resumed(tmp_path):
    labels = (IDS < 5).any(1)
    fit(make_model(), labels, SQUARED, epochs=1, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match="differs in .*program"):
        fit(make_model(), labels, BINARY, epochs=2, checkpoint=tmp_path / "run")


@pytest.mark.parametrize(
    ("classes", "labels", "loss", "error", "message"),
    [
        (1, np.ones(90), "mse", ValueError, "loss must be one of .* got 'mse'"),
        (
            3,
            np.ones(90),
            BINARY,
            ValueError,
            r"shape \[90, 3\] of the logits .* \[90\]",
        ),
        (3, np.full((90, 3), 2), BINARY, ValueError, r"labels\[0, 0\] is 2: give 1"),
        (
            1,
            np.full(90, np.nan),
            SQUARED,
            ValueError,
            r"labels\[0\] is nan: give finite",
        ),
        (1, np.full(90, 1e39), SQUARED, ValueError, "finite numbers of 32 bits"),
        (1, ["a"] * 90, SQUARED, TypeError, "labels must be numbers for mean_squared"),
    ],
)
def test_bad_labels_are_refused(classes, labels, loss, error, message):
    with pytest.raises(error, match=message):
        fit(make_model(classes), labels, loss)


def test_bad_shapes_are_refused():
    for loss in (BINARY, SQUARED):
        with pytest.raises(
            ValueError, match=r"labels of their shape, got \[6, 3\] and"
        ):
            train.example_losses(jnp.zeros((6, 3)), jnp.zeros(6), loss)
    with pytest.raises(ValueError, match="got 'hinge'"):
        train.example_losses(jnp.zeros(6), jnp.zeros(6), "hinge")
