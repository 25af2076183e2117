"""Words and word pairs of whole reviews against fastText: accuracy and seconds.

Run:     python -m benchmarks.bigrams --data aclImdb_v1.tar.gz
         python -m benchmarks.bigrams --workload 61000x10x384 -- --epochs 1
Prints:  JSON lines of jaxembed and of fastText, in turns and trained on all training
         reviews: the training alone, and all from tokens to weights.

The rows of a workload are those of 60,000 words and of hashed pairs, its length is that
of a review, and a batch is of reviews in a step. fastText's rows have as many numbers;
it reads all of a review, and knows no batches. What follows "--" is handed on to
experiments.imdb_bigrams. fastText's one number is in both lines: it reads words, counts
and hashes them, and trains, in one call. jaxembed does the former as it loads
(``load_s``, with what it does for the test reviews), and compiles (``compile_s``).
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

from benchmarks import _options, _peers
from benchmarks._lines import Lines
from benchmarks._workloads import Workload
from jaxembed import text

WHAT = "bigrams"
NUM_WORDS = 60_000
WORKLOAD = f"{NUM_WORDS + 2**21}x10x384"  # the experiment's
ACCURACY = 0.6  # of all; below it nothing is reported
FASTTEXT = {
    "wordNgrams": 2,
    "epoch": 10,
    "lr": 0.25,
    "bucket": 2**20,
    "minCount": 1,
    "thread": os.cpu_count() or 1,  # as many as JAX has
}
Results = dict[str, list[dict[str, float]]]  # of each run, by implementation


def main(argv: list[str] | None = None) -> None:
    """Trains and tests both once for each seed, then reports."""
    parser = _options.make_parser(
        __doc__, peers=("fasttext",), workloads=(WORKLOAD,), batch_sizes=(32,)
    )
    parser.add_argument("--data", default="embedded")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("flags", nargs="*", help="of the experiment, after --")
    arguments = parser.parse_args(argv)
    if min(workload.rows for workload in arguments.workload) <= NUM_WORDS:
        parser.error(f"--workload must have rows beside those of {NUM_WORDS} words.")
    lines = _options.open_lines(arguments)
    with_fasttext = "fasttext" in _peers.find_peers(arguments.peers, WHAT, lines)
    tokens = text.load_imdb_tokens(arguments.data, cache_dir=arguments.cache)
    for workload in arguments.workload:
        for batch_size in arguments.batch_sizes:
            flags = [*list_flags(workload, batch_size), *arguments.flags]
            results = train(tokens, workload, flags, with_fasttext, arguments)
            report(
                results,
                lines,
                workload=workload.name,
                batch_size=batch_size,
                data=tokens.description,
                flags=flags,
            )


def list_flags(workload: Workload, batch_size: int) -> list[str]:
    """Those that give the experiment these sizes."""
    sizes = {
        "--num-words": NUM_WORDS,
        "--buckets": workload.rows - NUM_WORDS,
        "--dim": workload.dim,
        "--length": workload.length,
        "--batch-size": batch_size,
    }
    return [str(word) for pair in sizes.items() for word in pair]


def train(
    tokens: text.TokenizedCorpus,
    workload: Workload,
    flags: list[str],
    with_fasttext: bool,
    arguments: argparse.Namespace,
) -> Results:
    """Both with each seed, in turns."""
    flags = ["--data", arguments.data, "--cache", str(arguments.cache), *flags]
    flags += ["--validation-fraction", "0"]
    results: Results = {"jaxembed": []}
    with tempfile.TemporaryDirectory() as folder:
        if with_fasttext:
            results["fasttext"] = []
            paths = write_lines(tokens, Path(folder))
        for seed in range(arguments.seeds):
            results["jaxembed"].append(run_experiment(flags, seed, Path(folder)))
            if with_fasttext:
                theirs = run_fasttext(*paths, seed, workload.dim)
                results["fasttext"].append(theirs)
    return results


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


def run_fasttext(
    train_lines: Path, test_lines: Path, seed: int, dim: int
) -> dict[str, float]:
    """Likewise of one call of fastText."""
    import fasttext

    start = time.perf_counter()
    model = fasttext.train_supervised(
        str(train_lines), seed=seed, dim=dim, verbose=0, **FASTTEXT
    )
    seconds = time.perf_counter() - start
    _, accuracy, _ = model.test(str(test_lines))  # predict fails with NumPy 2
    return {"accuracy": accuracy, "run": seconds}


def report(results: Results, lines: Lines, **facts: Any) -> None:
    """Refuses what has not learned, then prints the lines."""
    accuracies = {name: pick(runs, "accuracy") for name, runs in results.items()}
    if min(map(min, accuracies.values())) < ACCURACY:
        raise SystemExit(f"test accuracies below {ACCURACY}: {accuracies}")
    details: dict[str, dict[str, Any]] = {}
    for name, found in accuracies.items():
        mean = round(float(np.mean(found)), 5)
        details[name] = {"test_accuracy": found, "mean_test_accuracy": mean}
    ours = results["jaxembed"]
    load, compiling = pick(ours, "load"), pick(ours, "compile")
    details["jaxembed"]["load_s"] = round(float(np.median(load)), 4)
    details["jaxembed"]["compile_s"] = round(float(np.median(compiling)), 4)
    training = pick(ours, "run")
    parts = zip(load, compiling, training, strict=True)
    whole = [round(sum(part), 3) for part in parts]
    theirs = {name: pick(results[name], "run") for name in results}
    if "fasttext" in details:
        details["fasttext"]["settings"] = FASTTEXT
    for what, seconds in (("training", training), ("from tokens to weights", whole)):
        of_all = theirs | {"jaxembed": seconds}
        lines.report(f"{WHAT}: {what}", of_all, details=details, **facts)


def pick(runs: list[dict[str, float]], name: str) -> list[float]:
    """One of the numbers, of all runs."""
    return [round(run[name], 5) for run in runs]


if __name__ == "__main__":
    main()
