"""fastText: train its supervised classifier of words and n-grams."""

import itertools
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

THREADS = os.cpu_count() or 1  # as many as JAX has

N_SEEDS = 20


def classify(
    train_lines: Path, texts: list[str], settings: dict[str, Any]
) -> tuple[list[str], dict[str, Any]]:
    """Train on a file with some settings; return a label for each text, and facts.

    fastText fails by chance on small files, with "Encountered NaN"; it is then tried
    with the next seed after that of the settings, 0 by default. Each try is a new
    process, since after one failure most tries of the same process fail.
    """
    settings, first = dict(settings), settings.get("seed", 0)
    settings.pop("seed", None)
    for seed in itertools.count(first):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            run = pool.submit(_classify, str(train_lines), texts, settings, seed)
            error = run.exception()
        if error is None:
            break
        if "NaN" not in str(error) or seed == first + N_SEEDS - 1:
            raise error
    return run.result()


def _classify(
    train_lines: str, texts: list[str], settings: dict[str, Any], seed: int
) -> tuple[list[str], dict[str, Any]]:
    """Train with one seed, and predict."""
    import fasttext

    start = time.perf_counter()
    model = fasttext.train_supervised(
        train_lines, seed=seed, thread=THREADS, verbose=0, **settings
    )
    trained = time.perf_counter()
    # Not model.predict, which fails with NumPy 2.
    found = [model.f.predict(f"{text}\n", 1, 0.0, "strict") for text in texts]
    facts = {"run": trained - start, "predict": time.perf_counter() - trained}
    labels = [pairs[0][1].removeprefix("__label__") for pairs in found]
    return labels, facts | {"seed": seed}


def make_classifier(
    train_lines: Path, settings: dict[str, Any]
) -> Callable[[list[str]], np.ndarray]:
    """Train on a file; return a function from texts to integer labels."""
    import fasttext

    settings = {"seed": 0, "verbose": 0, "thread": THREADS} | settings
    model = fasttext.train_supervised(str(train_lines), **settings)

    def predict(texts: list[str]) -> np.ndarray:
        lines = [" ".join(text.split()) + "\n" for text in texts]
        labels, _ = model.f.multilinePredict(lines, 1, 0.0, "strict")
        return np.array([int(some[0].removeprefix("__label__")) for some in labels])

    return predict
