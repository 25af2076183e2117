"""Sequence layers, compared with Keras's layers from the same weights."""

import jax
import keras
import numpy as np
import pytest

from jaxembed import nn

B, L, D, H = 3, 7, 4, 5
rng = np.random.default_rng(0)
ROWS = rng.normal(size=(B, L, D)).astype(np.float32)
LENGTHS = np.array([7, 4, 1])
MASK = np.arange(L)[None] < LENGTHS[:, None]


@pytest.fixture(autouse=True)
def allow_rank_promotion():
    with jax.numpy_rank_promotion("allow"):  # for the biases of Keras
        yield


def draw(layer, *inputs, **arguments):
    """Call a Keras layer once, so that it has weights, and draw all of them."""
    layer(*inputs, **arguments)
    layer.set_weights([rng.normal(size=w.value.shape) for w in layer.weights])
    return layer


def weights_of(layer):
    return [np.asarray(variable.value) for variable in layer.weights]


@pytest.mark.parametrize("width", [1, 4, 5])
def test_conv1d(width):
    conv = draw(keras.layers.Conv1D(H, width, padding="same"), ROWS)
    kernel, bias = weights_of(conv)
    expected = np.asarray(keras.layers.GlobalMaxPooling1D()(keras.ops.relu(conv(ROWS))))
    params = {"kernel_0": kernel, "bias_0": bias}
    found = nn.Conv1D(H, widths=(width,)).apply({"params": params}, ROWS)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_attention():
    query = rng.normal(size=D).astype(np.float32)
    queries = np.tile(query, (B, 1, 1))
    expected = keras.layers.Attention()([queries, ROWS], mask=[None, MASK])
    found = nn.attention(ROWS, query, MASK)
    np.testing.assert_allclose(found, np.asarray(expected)[:, 0], rtol=1e-4, atol=1e-5)


CELLS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
NAMES = ("kernel", "recurrent_kernel", "bias")


@pytest.mark.parametrize(
    ("cell", "pool", "bidirectional"),
    [
        ("lstm", "last", False),
        ("lstm", "mean", True),
        ("gru", "last", True),
        ("gru", "max", False),
    ],
)
def test_recurrent(cell, pool, bidirectional):
    layer = CELLS[cell](H, return_sequences=pool != "last")
    n_weights = 3
    if bidirectional:
        layer = keras.layers.Bidirectional(layer)
    draw(layer, ROWS, mask=MASK)
    outputs = np.asarray(layer(ROWS, mask=MASK))
    kept = np.where(MASK[..., None], 1, np.nan)
    if pool == "max":
        outputs = np.nanmax(outputs * kept, 1)
    if pool == "mean":
        outputs = np.nanmean(outputs * kept, 1)
    weights = weights_of(layer)
    params = {}
    for i, direction in enumerate(("forward", "backward")[: 1 + bidirectional]):
        own = weights[i * n_weights : (i + 1) * n_weights]
        params |= {f"{direction}_{name}": w for name, w in zip(NAMES, own, strict=True)}
    ours = nn.Recurrent(H, cell=cell, pool=pool, bidirectional=bidirectional)
    found = ours.apply({"params": params}, ROWS, MASK)
    np.testing.assert_allclose(found, outputs, rtol=1e-4, atol=1e-5)
