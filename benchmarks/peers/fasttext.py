"""fastText: train its supervised classifier of words and word pairs."""

import os
import time
from pathlib import Path
from typing import Any

SETTINGS = {
    "wordNgrams": 2,
    "epoch": 10,
    "lr": 0.25,
    "bucket": 2**20,
    "minCount": 1,
    "thread": os.cpu_count() or 1,  # as many as JAX has
}

N_SEEDS = 20


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


def classify(
    train_lines: Path, texts: list[str], settings: dict[str, Any]
) -> tuple[list[str], dict[str, Any]]:
    """Train on a file with some settings; return a label for each text, and facts.

    fastText fails by chance on small files, with "Encountered NaN"; it is then tried
    with the next seed.
    """
    import fasttext

    for seed in range(N_SEEDS):
        start = time.perf_counter()
        try:
            model = fasttext.train_supervised(
                str(train_lines),
                seed=seed,
                thread=SETTINGS["thread"],
                verbose=0,
                **settings,
            )
            break
        except RuntimeError as error:
            if "NaN" not in str(error) or seed == N_SEEDS - 1:
                raise
    trained = time.perf_counter()
    # Not model.predict, which fails with NumPy 2.
    found = [model.f.predict(f"{text}\n", 1, 0.0, "strict") for text in texts]
    facts = {"run": trained - start, "predict": time.perf_counter() - trained}
    labels = [pairs[0][1].removeprefix("__label__") for pairs in found]
    return labels, facts | {"seed": seed}
