"""Words and word pairs of whole reviews against fastText: accuracy and seconds.

Run:     python -m benchmarks.bigrams --data aclImdb_v1.tar.gz
         python -m benchmarks.bigrams --data embedded -- --buckets 1000 --epochs 1
Prints:  JSON lines of jaxembed and of fastText, in turns and trained on all training
         reviews: the training alone, and all from tokens to weights.

What follows "--" is handed on to experiments.imdb_bigrams. fastText's one number is in
both lines: it reads words, counts and hashes them, and trains, in one call. jaxembed
does the former as it loads (``load_s``, with what it does for the test reviews), and
compiles (``compile_s``).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import _timing
from jaxembed import text

ACCURACY = 0.6  # of all; below it nothing is reported
FASTTEXT = {
    "wordNgrams": 2,
    "dim": 10,
    "epoch": 10,
    "lr": 0.25,
    "bucket": 2**20,
    "minCount": 1,
    "thread": os.cpu_count() or 1,  # as many as JAX has
}


def main(argv: list[str] | None = None) -> None:
    """Trains and tests both once for each seed, then reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="embedded")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("flags", nargs="*", help="of the experiment, after --")
    arguments = parser.parse_args(argv)
    try:
        import fasttext  # noqa: F401
    except ImportError:
        raise SystemExit("fasttext is missing: pip install jaxembed[bench]") from None
    tokens = text.load_imdb_tokens(arguments.data, cache_dir=arguments.cache)
    flags = ["--data", arguments.data, "--cache", str(arguments.cache)]
    flags += ["--validation-fraction", "0", *arguments.flags]
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        train_lines, test_lines = write_lines(tokens, Path(folder))
        for seed in range(arguments.seeds):
            ours.append(run_experiment(flags, seed, Path(folder)))
            theirs.append(run_fasttext(train_lines, test_lines, seed))
    report({"jaxembed": ours, "fasttext": theirs}, tokens.description, arguments.flags)


def write_lines(tokens: text.TokenizedCorpus, folder: Path) -> tuple[Path, Path]:
    """The reviews to train on and to test on, in fastText's format."""
    # In a random order: fastText reads the file as it is, and all negative reviews come
    # first in it.
    order = np.random.default_rng(0).permutation(len(tokens.train))
    parts = {
        "train": (tokens.train.take(order), tokens.train_labels[order]),
        "test": (tokens.test, tokens.test_labels),
    }
    paths = []
    for name, (ranks, labels) in parts.items():
        path = folder / f"{name}.txt"
        words = tokens.tokenizer.decode(ranks.tolist())
        with path.open("w", encoding="utf-8") as file:
            for label, review in zip(labels.tolist(), words, strict=True):
                file.write(f"__label__{label} {review}\n")
        paths.append(path)
    return paths[0], paths[1]


def run_experiment(flags: list[str], seed: int, folder: Path) -> dict[str, float]:
    """The test accuracy and the seconds of one process of the experiment."""
    out = folder / "ours"
    command = [sys.executable, "-m", "experiments.imdb_bigrams", *flags]
    command += ["--seed", str(seed), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    metrics = json.loads((out / "metrics.json").read_text())
    return {"accuracy": metrics["test_accuracy"]} | metrics["seconds"]


def run_fasttext(train_lines: Path, test_lines: Path, seed: int) -> dict[str, float]:
    """Likewise of one call of fastText."""
    import fasttext

    start = time.perf_counter()
    model = fasttext.train_supervised(
        str(train_lines), seed=seed, verbose=0, **FASTTEXT
    )
    seconds = time.perf_counter() - start
    _, accuracy, _ = model.test(str(test_lines))  # predict fails with NumPy 2
    return {"accuracy": accuracy, "run": seconds}


def report(results: dict[str, list[dict[str, float]]], data: str, flags: Any) -> None:
    """Refuses what has not learned, then prints the lines."""
    accuracies = {name: pick(runs, "accuracy") for name, runs in results.items()}
    if min(map(min, accuracies.values())) < ACCURACY:
        raise SystemExit(f"test accuracies below {ACCURACY}: {accuracies}")
    means = {name: float(np.mean(values)) for name, values in accuracies.items()}
    ours, theirs = results["jaxembed"], pick(results["fasttext"], "run")
    load, compiling = pick(ours, "load"), pick(ours, "compile")
    facts = {
        "test_accuracy": accuracies,
        "mean_test_accuracy": {name: round(mean, 5) for name, mean in means.items()},
        "margin": round(means["jaxembed"] - means["fasttext"], 5),
        "load_s": {"jaxembed": load},
        "compile_s": {"jaxembed": compiling},
        "data": data,
        "flags": flags,
        "fasttext": FASTTEXT,
    }
    training = pick(ours, "run")
    whole = [
        round(sum(parts), 3) for parts in zip(load, compiling, training, strict=True)
    ]
    for what, seconds in (
        ("bigrams: training", training),
        ("bigrams: from tokens to weights", whole),
    ):
        _timing.report(what, {"jaxembed": seconds, "fasttext": theirs}, **facts)


def pick(runs: list[dict[str, float]], name: str) -> list[float]:
    """One of the numbers, of all runs."""
    return [round(run[name], 5) for run in runs]


if __name__ == "__main__":
    main()
