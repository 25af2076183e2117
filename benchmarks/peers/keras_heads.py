"""Keras 3 on JAX: the heads of benchmarks.heads, trained by ``fit``."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Params = Mapping[str, Any]


def make_model(head: str, rows: int, dim: int, features: int) -> Any:
    """Return a compiled Keras model of a head, with RMSprop.

    Args:
      head: "pooled", "convolution", "lstm", "gru" or "attention".
      rows: number of rows of the table.
      dim: length of a row.
      features: number of features of the head.
    """
    import keras

    layers = keras.layers
    ids = keras.Input((None,), dtype="int32")
    x = layers.Embedding(rows, dim)(ids)
    if head == "pooled":
        x = layers.GlobalAveragePooling1D()(x)
    elif head == "convolution":
        x = layers.Conv1D(features, 3, padding="same", activation="relu")(x)
        x = layers.GlobalMaxPooling1D()(x)
    elif head == "attention":
        scores = layers.Dense(1, use_bias=False)(x)
        x = layers.Dot(axes=1)([layers.Softmax(axis=1)(scores), x])
        x = layers.Reshape((dim,))(x)
    else:
        cell = {"lstm": layers.LSTM, "gru": layers.GRU}[head]
        x = layers.GlobalMaxPooling1D()(cell(features, return_sequences=True)(x))
    model = keras.Model(ids, layers.Dense(1)(x))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.RMSprop(1e-3), loss=loss)
    return model


def set_weights(model: Any, head: str, params: Params) -> None:
    """Give a Keras model the parameters of jaxembed's model."""
    table = params["embed"]["embedding"]
    last = params["head"]["logits"]
    weights = [
        table,
        *NAMES[head](params.get("pool", {})),
        last["kernel"],
        last["bias"],
    ]
    model.set_weights([np.asarray(array) for array in weights])


def _name_convolution(pool: Params) -> list[Any]:
    return [pool["kernel_0"], pool["bias_0"]]


def _name_recurrent(pool: Params) -> list[Any]:
    return [pool[f"forward_{part}"] for part in ("kernel", "recurrent_kernel", "bias")]


NAMES: dict[str, Callable[[Params], list[Any]]] = {
    "pooled": lambda pool: [],
    "convolution": _name_convolution,
    "lstm": _name_recurrent,
    "gru": _name_recurrent,
    "attention": lambda pool: [np.asarray(pool["query"])[:, None]],
}
