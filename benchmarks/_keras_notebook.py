"""The notebook's first half in Keras 3 on JAX: the peer of experiments.imdb_learned.

Run by benchmarks.notebook as a process of its own; prints a JSON line.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

NUM_WORDS, LENGTH, DIM, EPOCHS, BATCH_SIZE = 10_000, 20, 8, 10, 32
VALIDATION_BATCH = 1024  # as jaxembed's; with Keras's own 32 an epoch takes longer


def tokenise(data: str) -> dict[str, Any]:
    """Raw reviews to padded ids, with Keras's tokenizer and padding."""
    import keras
    from keras.src.legacy.preprocessing.text import Tokenizer

    from jaxembed import text

    corpus = text.load_imdb(data)
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts(corpus.train_texts)
    arrays = {"train_labels": corpus.train_labels, "test_labels": corpus.test_labels}
    for part, texts in (("train", corpus.train_texts), ("test", corpus.test_texts)):
        ranks = tokenizer.texts_to_sequences(texts)
        shifted = [[rank + 3 for rank in ids] for ids in ranks]
        kept = [[1, *(i if i < NUM_WORDS else 2 for i in ids)] for ids in shifted]
        arrays[part] = keras.utils.pad_sequences(kept, maxlen=LENGTH)
    return arrays


def make_model(num_words: int = NUM_WORDS, dim: int = DIM) -> Any:
    """The notebook's first model, or one with another table."""
    import keras

    model = keras.Sequential(
        [
            keras.layers.Embedding(num_words, dim),
            keras.layers.Flatten(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=["acc"])
    return model


def main(data: str, out: str, seed: int) -> None:
    """Trains as the notebook does; ``data`` are raw reviews or an .npz of ids."""
    import keras

    arrays = dict(np.load(data)) if data.endswith(".npz") else tokenise(data)
    order = np.random.default_rng(seed).permutation(len(arrays["train"]))
    ids, labels = arrays["train"][order], arrays["train_labels"][order]
    n = int(0.8 * len(ids))
    keras.utils.set_random_seed(seed)
    model = make_model()
    ends: list[float] = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter())
    )
    history = model.fit(
        ids[:n],
        labels[:n],
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        validation_data=(ids[n:], labels[n:]),
        validation_batch_size=VALIDATION_BATCH,
        verbose=0,
        callbacks=[watch],
    ).history
    draw(history, Path(out))
    weights = str(Path(out) / "model.weights.h5")
    model.save_weights(weights)
    model.load_weights(weights)
    test = arrays["test"], arrays["test_labels"]
    _, accuracy = model.evaluate(*test, batch_size=VALIDATION_BATCH, verbose=0)
    result = {
        "epoch_s": np.diff(ends).tolist(),
        "val_accuracy_best": max(history["val_acc"]),
        "test_accuracy": accuracy,
    }
    print(json.dumps(result))


def draw(history: dict[str, list[float]], out: Path) -> None:
    """The notebook's two plots."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6))
    for axes, name in zip(figure.subplots(1, 2), ("loss", "acc"), strict=True):
        axes.plot(history[name])
        axes.plot(history[f"val_{name}"])
    figure.savefig(out / "curves.png", dpi=150)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
