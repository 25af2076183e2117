"""One step of the notebook's first model, as a process of its own.

Run by benchmarks.first_step; prints a JSON line with the seconds of its parts.
"""

import json
import sys
import time

NUM_WORDS, LENGTH, DIM, BATCH_SIZE = 10_000, 20, 8, 32


def run_jaxembed() -> dict[str, float]:
    """``train.fit`` on one batch."""
    start = time.perf_counter()
    import jax
    import numpy as np

    from jaxembed import nn, optim, train

    middle = time.perf_counter()
    ids = np.arange(BATCH_SIZE * LENGTH, dtype=np.int32).reshape(BATCH_SIZE, LENGTH)
    embed = nn.Embed(NUM_WORDS, DIM)
    _, history = train.fit(
        nn.TextClassifier(embed, nn.FlattenDense()),
        (ids, np.arange(BATCH_SIZE, dtype=np.int32) % 2),
        tx=optim.rmsprop(),
        epochs=1,
        batch_size=BATCH_SIZE,
        key=jax.random.key(0),
        progress=False,
    )
    return _describe(start, middle, history.loss[0])


def run_keras() -> dict[str, float]:
    """``fit`` of Keras on JAX likewise."""
    start = time.perf_counter()
    import keras
    import numpy as np

    from benchmarks._keras_notebook import make_model

    assert keras.backend.backend() == "jax"
    middle = time.perf_counter()
    ids = np.arange(BATCH_SIZE * LENGTH, dtype=np.int32).reshape(BATCH_SIZE, LENGTH)
    labels = np.arange(BATCH_SIZE, dtype=np.int32) % 2
    settings = {"epochs": 1, "batch_size": BATCH_SIZE, "verbose": 0}
    history = make_model().fit(ids, labels, **settings).history
    return _describe(start, middle, history["loss"][0])


def _describe(start: float, middle: float, loss: float) -> dict[str, float]:
    end = time.perf_counter()
    return {"import_s": middle - start, "step_s": end - middle, "loss": float(loss)}


if __name__ == "__main__":
    found = {"jaxembed": run_jaxembed, "keras": run_keras}[sys.argv[1]]()
    print(json.dumps(found))
