"""Keras 3 on JAX: models of the heads on sequences, trained by ``fit``."""

import time
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


def classify(
    head: str,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    *,
    sizes: tuple[int, int, int],
    batch_size: int,
    epochs: int,
    seed: int,
) -> tuple[float, float]:
    """Train on ids and labels; return the test accuracy and the seconds of training.

    Two steps, whose weights are then put back, compile before the clock starts.

    Args:
      head: See :func:`make_model`.
      train: Ids ``int32[N, L]`` and labels ``int[N]``.
      test: Ids and labels of the test examples.
      sizes: Rows of the table, length of a row, and features of the head.
      batch_size: Number of examples in a step.
      epochs: Number of passes over the examples.
      seed: Random seed of the weights and the orders.
    """
    import keras

    keras.utils.set_random_seed(seed)
    model = make_model(head, *sizes)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    metric = keras.metrics.BinaryAccuracy(threshold=0.0)
    model.compile(keras.optimizers.Adam(), loss=loss, metrics=[metric])
    ids, labels = train[0], train[1][:, None]
    start = [np.asarray(variable.value) for variable in model.weights]
    n = batch_size + len(ids) % batch_size  # the last batch has a program of its own
    model.fit(ids[:n], labels[:n], batch_size=batch_size, verbose=0)
    model.set_weights(start)
    for variable in model.optimizer.variables[2:]:  # moments, after step and rate
        variable.assign(np.zeros(variable.shape))
    model.optimizer.iterations.assign(0)
    clock = time.perf_counter()
    model.fit(ids, labels, batch_size=batch_size, epochs=epochs, verbose=0)
    seconds = time.perf_counter() - clock
    found = model.evaluate(test[0], test[1][:, None], batch_size=256, verbose=0)
    return float(found[1]), seconds


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
