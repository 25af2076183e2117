"""First step: one training step of the notebook's first model, by jaxembed or Keras.

benchmarks.first_step runs this module as a process. It prints a JSON line with the
seconds of its parts. Imports are inside functions, since they are a timed part.
"""

import json
import sys
import time

NUM_WORDS, LENGTH, DIM, BATCH_SIZE = 10_000, 20, 8, 32


def run_jaxembed() -> dict[str, float]:
    """Run ``train.fit`` on one batch."""
    start = time.perf_counter()
    import jax
    import numpy as np

    from jaxembed import nn, optim, train

    middle = time.perf_counter()
    ids = np.arange(BATCH_SIZE * LENGTH, dtype=np.int32).reshape(BATCH_SIZE, LENGTH)
    labels = np.arange(BATCH_SIZE, dtype=np.int32) % 2
    model = nn.TextClassifier(nn.Embed(NUM_WORDS, DIM), nn.DenseHead())
    state, history = train.fit(
        model,
        (ids, labels),
        tx=optim.rmsprop(),
        epochs=1,
        batch_size=BATCH_SIZE,
        key=jax.random.key(0),
        progress=False,
    )
    end = time.perf_counter()
    logits = model.apply(state.variables, ids).astype(float)
    losses = np.logaddexp(0, np.where(labels == 1, -logits, logits))
    return _describe(start, middle, end, loss=history.loss[0], after=losses.mean())


def run_keras() -> dict[str, float]:
    """Run ``fit`` of Keras on JAX on one batch."""
    start = time.perf_counter()
    import keras
    import numpy as np

    from benchmarks.peers.keras_notebook import make_model

    assert keras.backend.backend() == "jax"
    middle = time.perf_counter()
    ids = np.arange(BATCH_SIZE * LENGTH, dtype=np.int32).reshape(BATCH_SIZE, LENGTH)
    labels = np.arange(BATCH_SIZE, dtype=np.int32) % 2
    settings = {"epochs": 1, "batch_size": BATCH_SIZE, "verbose": 0}
    model = make_model(NUM_WORDS, DIM)
    history = model.fit(ids, labels, **settings).history
    end = time.perf_counter()
    after, _ = model.evaluate(ids, labels, verbose=0)
    return _describe(start, middle, end, loss=history["loss"][0], after=after)


def _describe(
    start: float, middle: float, end: float, *, loss: float, after: float
) -> dict[str, float]:
    """Return the seconds of each part, and the losses before and after the step."""
    seconds = {"import_s": middle - start, "step_s": end - middle}
    seconds["check_s"] = time.perf_counter() - end
    return seconds | {"loss": float(loss), "loss_after": float(after)}


if __name__ == "__main__":
    found = {"jaxembed": run_jaxembed, "keras": run_keras}[sys.argv[1]]()
    print(json.dumps(found))
