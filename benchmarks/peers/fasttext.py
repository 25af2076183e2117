"""fastText: train its supervised classifier of words and word pairs."""

import os
import time
from pathlib import Path

SETTINGS = {
    "wordNgrams": 2,
    "epoch": 10,
    "lr": 0.25,
    "bucket": 2**20,
    "minCount": 1,
    "thread": os.cpu_count() or 1,  # as many as JAX has
}


def train(train_lines: Path, test_lines: Path, seed: int, dim: int) -> dict[str, float]:
    """Train on a file; return the test accuracy and the seconds of training."""
    import fasttext

    start = time.perf_counter()
    model = fasttext.train_supervised(
        str(train_lines), seed=seed, dim=dim, verbose=0, **SETTINGS
    )
    seconds = time.perf_counter() - start
    _, accuracy, _ = model.test(str(test_lines))  # predict fails with NumPy 2
    return {"accuracy": accuracy, "run": seconds}
