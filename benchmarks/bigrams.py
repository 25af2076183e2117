"""Words and word pairs of whole reviews against fastText: accuracy and seconds.

Run:     python -m benchmarks.bigrams --data aclImdb_v1.tar.gz
         python -m benchmarks.bigrams --workload 61000x10x384 -- --epochs 1
Prints:  JSON lines of jaxembed and of fastText, in turns and trained on all training
         reviews: the training alone, and all from tokens to weights.

The rows of a workload are those of 60,000 words and of hashed pairs, its length is that
of a review, and a batch is of reviews in a step. fastText's rows have the same length;
it reads all of a review, and knows no batches. Arguments after "--" are passed on to
experiments.imdb_bigrams. fastText's one number is in both lines: it reads words, counts
and hashes them, and trains, in one call. jaxembed counts and hashes as it loads
(``load_s``, which includes the test reviews), and compiles (``compile_s``).
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import options
from benchmarks.harness.lines import Lines
from benchmarks.harness.turns import run_process
from benchmarks.harness.workloads import Workload
from benchmarks.peers.available import find_peers
from benchmarks.peers.fasttext import SETTINGS
from benchmarks.peers.fasttext import train as run_fasttext
from jaxembed import text

WHAT = "bigrams"
NUM_WORDS = 60_000
WORKLOAD = f"{NUM_WORDS + 2**21}x10x384"  # the experiment's
ACCURACY = 0.6  # of all; below it nothing is reported
Results = dict[str, list[dict[str, float]]]  # of each run, by implementation


def main(argv: list[str] | None = None) -> None:
    """Train and test both once for each seed, then report."""
    parser = options.make_parser(
        __doc__, peers=("fasttext",), workloads=(WORKLOAD,), batch_sizes=(32,)
    )
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("flags", nargs="*", help="of the experiment, after --")
    arguments = parser.parse_args(argv)
    if min(workload.rows for workload in arguments.workload) <= NUM_WORDS:
        parser.error(f"--workload must have rows beside those of {NUM_WORDS} words.")
    lines = options.open_lines(arguments)
    with_fasttext = "fasttext" in find_peers(arguments.peers, WHAT, lines)
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
    """Return the flags that give the experiment these sizes."""
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
    """Train both with each seed, in turns."""
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
    """Write the training and test reviews in fastText's format."""
    # In a random order: fastText reads the file as it is, and all negative reviews come
    # first in the corpus.
    order = np.random.default_rng(0).permutation(len(tokens.train))
    parts = {
        "train": (tokens.train.take(order), tokens.train_labels[order]),
        "test": (tokens.test, tokens.test_labels),
    }
    for name, (ranks, labels) in parts.items():
        words = tokens.tokenizer.decode(ranks.tolist())
        with (folder / f"{name}.txt").open("w", encoding="utf-8") as file:
            for label, review in zip(labels.tolist(), words, strict=True):
                file.write(f"__label__{label} {review}\n")
    return folder / "train.txt", folder / "test.txt"


def run_experiment(flags: list[str], seed: int, folder: Path) -> dict[str, float]:
    """Return the test accuracy and the seconds of one process of the experiment."""
    out = folder / "ours"
    command = [sys.executable, "-m", "experiments.imdb_bigrams", *flags]
    run_process([*command, "--seed", str(seed), "--out", str(out)])
    metrics = json.loads((out / "metrics.json").read_text())
    return {"accuracy": metrics["test_accuracy"]} | metrics["seconds"]


def report(results: Results, lines: Lines, **facts: Any) -> None:
    """Stop if one has not learned, else print the lines."""
    accuracies = {name: pick(runs, "accuracy") for name, runs in results.items()}
    if min(map(min, accuracies.values())) < ACCURACY:
        raise SystemExit(f"test accuracies below {ACCURACY}: {accuracies}")
    details: dict[str, dict[str, Any]] = {}
    for name, found in accuracies.items():
        mean = round(float(np.mean(found)), 5)
        details[name] = {"test_accuracy": found, "mean_test_accuracy": mean}
    ours = results["jaxembed"]
    load, compiling, training = (pick(ours, x) for x in ("load", "compile", "run"))
    details["jaxembed"]["load_s"] = round(float(np.median(load)), 4)
    details["jaxembed"]["compile_s"] = round(float(np.median(compiling)), 4)
    if "fasttext" in details:
        details["fasttext"]["settings"] = SETTINGS
    parts = zip(load, compiling, training, strict=True)
    whole = [round(sum(part), 3) for part in parts]
    of_all = {name: pick(runs, "run") for name, runs in results.items()}
    for what, seconds in (("training", training), ("from tokens to weights", whole)):
        of_all["jaxembed"] = seconds
        lines.report(f"{WHAT}: {what}", of_all, details=details, **facts)


def pick(runs: list[dict[str, float]], name: str) -> list[float]:
    """Return one of the numbers of all runs."""
    return [round(run[name], 5) for run in runs]


if __name__ == "__main__":
    main()
