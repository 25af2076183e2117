"""Keras notebook: tokenizer, models and first half of the notebook in Keras 3 on JAX.

benchmarks.notebook runs this module as a process. It prints a JSON line. Imports are
few, since the time of the process includes them.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

NUM_WORDS, LENGTH, DIM, EPOCHS, BATCH_SIZE = 10_000, 20, 8, 10, 32
VALIDATION_BATCH = 1024  # as in jaxembed; Keras's default, 32, makes an epoch longer


def fit_tokenizer(texts: Sequence[str], num_words: int | None = None) -> Any:
    """Fit Keras's tokenizer, which Keras 3 keeps as a private module."""
    from keras.src.legacy.preprocessing.text import Tokenizer

    tokenizer = Tokenizer(num_words)
    tokenizer.fit_on_texts(texts)
    return tokenizer


def make_model(
    n_rows: int,
    dim: int,
    *,
    hidden: int | None = None,
    length: int | None = None,
    table: np.ndarray | None = None,
) -> Any:
    """Return the notebook's classifier as a Keras model that XLA compiles.

    Args:
      n_rows: Number of rows of the table.
      dim: Length of a row.
      hidden: Number of units of a hidden layer, or None to omit the layer.
      length: Number of ids of a text, or None. If it is given, the variables of the
        model and of its optimizer are created here, not at the first call.
      table: ``float32[V, D]`` to freeze, or None to learn a table.

    Returns:
      A Keras model.
    """
    import keras

    layers = keras.layers
    embed = layers.Embedding(n_rows, dim, trainable=table is None)
    dense = [] if hidden is None else [layers.Dense(hidden, activation="relu")]
    dense.append(layers.Dense(1, activation="sigmoid"))
    model = keras.Sequential([embed, layers.Flatten(), *dense])
    if length is not None:
        model.build((None, length))
    if table is not None:
        embed.set_weights([table])
    model.compile("rmsprop", loss="binary_crossentropy", metrics=["acc"])
    if length is not None:
        model.optimizer.build(model.trainable_variables)
    return model


def restart(model: Any, new: Any) -> None:
    """Copy the weights and the optimizer state of a new model into a model."""
    states = [
        [*one.trainable_variables, *one.optimizer.variables] for one in (model, new)
    ]
    for variable, other in zip(*states, strict=True):
        variable.assign(other)


def tokenize(data: str) -> dict[str, Any]:
    """Turn raw reviews into padded ids with Keras's tokenizer and padding."""
    import keras

    from jaxembed import text

    corpus = text.load_imdb(data)
    corpus.check_test()
    tokenizer = fit_tokenizer(corpus.train_texts)
    arrays = {"train_labels": corpus.train_labels, "test_labels": corpus.test_labels}
    for part, texts in (("train", corpus.train_texts), ("test", corpus.test_texts)):
        ranks = tokenizer.texts_to_sequences(texts)
        shifted = [[rank + 3 for rank in ids] for ids in ranks]
        kept = [[1, *(i if i < NUM_WORDS else 2 for i in ids)] for ids in shifted]
        arrays[part] = keras.utils.pad_sequences(kept, maxlen=LENGTH)
    return arrays


def main(data: str, out: str, seed: int) -> None:
    """Train as in the notebook; ``data`` is raw reviews or an .npz file of ids."""
    import keras

    arrays = dict(np.load(data)) if data.endswith(".npz") else tokenize(data)
    order = np.random.default_rng(seed).permutation(len(arrays["train"]))
    ids, labels = arrays["train"][order], arrays["train_labels"][order]
    n = int(0.8 * len(ids))
    keras.utils.set_random_seed(seed)
    model = make_model(NUM_WORDS, DIM)
    history = model.fit(
        ids[:n],
        labels[:n],
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        validation_data=(ids[n:], labels[n:]),
        validation_batch_size=VALIDATION_BATCH,
        verbose=0,
    ).history
    draw(history, Path(out))
    weights = str(Path(out) / "model.weights.h5")
    model.save_weights(weights)
    model.load_weights(weights)
    test = arrays["test"], arrays["test_labels"]
    _, accuracy = model.evaluate(*test, batch_size=VALIDATION_BATCH, verbose=0)
    best = max(history["val_acc"])
    print(json.dumps({"val_accuracy_best": best, "test_accuracy": accuracy}))


def draw(history: dict[str, list[float]], out: Path) -> None:
    """Draw the notebook's two plots."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6))
    for axes, name in zip(figure.subplots(1, 2), ("loss", "acc"), strict=True):
        axes.plot(history[name])
        axes.plot(history[f"val_{name}"])
    figure.savefig(out / "curves.png", dpi=150)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
