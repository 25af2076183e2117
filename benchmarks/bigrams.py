"""Bigrams: train on words and word pairs of whole reviews, against fastText.

Run:     python -m benchmarks.bigrams --data aclImdb_v1.tar.gz
         python -m benchmarks.bigrams --workload 61000x10x384 -- --epochs 1
Prints:  JSON lines of two measurements on all training reviews: the training alone, and
         the whole run from tokens to weights. jaxembed and fastText take turns.

A workload VxDxL is a table of V rows, 60,000 for words and V - 60,000 for hashed word
pairs, and reviews of at most L ids. A batch is the reviews of a step. fastText also has
rows of length D, but reads whole reviews and does not use batches. Arguments after "--"
are passed to experiments.imdb_bigrams.

fastText reads, counts and hashes the words and trains in one call, so that both
measurements report the same time of fastText. jaxembed reports loading (load_s) and
compilation (compile_s) separately. load_s includes counting and hashing, also of the
test reviews.
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
from benchmarks.harness.plan import announce
from benchmarks.harness.turns import run_process
from benchmarks.harness.workloads import Workload
from benchmarks.peers.available import find_peers
from benchmarks.peers.fasttext import SETTINGS
from benchmarks.peers.fasttext import train as run_fasttext
from jaxembed import text

WHAT = "bigrams"
NUM_WORDS = 60_000
WORKLOAD = f"{NUM_WORDS + 2**21}x10x384"  # sizes of the experiment
ACCURACY = 0.6  # least test accuracy; below it nothing is reported
SEED_S = 30  # seconds of one training by an implementation, about
Results = dict[str, list[dict[str, float]]]  # results of each run, by implementation


def main(argv: list[str] | None = None) -> None:
    """Train and test each implementation once for each seed, then report."""
    parser = options.make_parser(
        "bigrams",
        __doc__,
        peers=("fasttext",),
        workloads=(WORKLOAD,),
        large=(),
        seconds=False,
        batch_sizes=(32,),
    )
    add = parser.add_argument
    words = "Source of the reviews: a folder, an archive, or synthetic."
    add("--data", default="synthetic", help=words)
    words = "Number of seeds; each implementation is trained once for each seed."
    add("--seeds", type=int, default=3, help=words)
    words, cache = "Cache folder for tokenised reviews.", Path("runs/cache")
    add("--cache", type=Path, default=cache, metavar="FOLDER", help=words)
    add("flags", nargs="*", help="Arguments of the experiment, after --.")
    arguments = parser.parse_args(argv)
    if min(workload.rows for workload in arguments.workload) <= NUM_WORDS:
        parser.error(
            f"--workload must have more than {NUM_WORDS} rows: that many are for "
            "words, and further rows are for word pairs."
        )
    with options.open_lines(arguments) as lines:
        peers = find_peers(arguments.peers, WHAT, lines)
        n = 2 * len(arguments.workload) * len(arguments.batch_sizes)
        seconds = SEED_S * arguments.seeds * n / 2 * (1 + len(peers))
        announce(lines, arguments, peers, n_measurements=n, seconds=seconds)
        tokens = text.load_imdb_tokens(arguments.data, cache_dir=arguments.cache)
        tokens.check_test()
        for workload in arguments.workload:
            for batch_size in arguments.batch_sizes:
                flags = [*list_flags(workload, batch_size), *arguments.flags]
                results = train(tokens, workload, flags, bool(peers), arguments)
                facts = {"workload": workload.name, "batch_size": batch_size}
                facts |= {"data": tokens.description, "flags": flags}
                report(results, lines, **facts)


def list_flags(workload: Workload, batch_size: int) -> list[str]:
    """Return the flags of the experiment for these sizes."""
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
    """Train jaxembed and fastText with each seed, in turns."""
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
    # Shuffled, since fastText reads the file in order and the corpus starts with all
    # negative reviews.
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
    """Run the experiment as a process; return its test accuracy and seconds."""
    out = folder / "ours"
    command = [sys.executable, "-m", "experiments.imdb_bigrams", *flags]
    run_process([*command, "--seed", str(seed), "--out", str(out)])
    metrics = json.loads((out / "metrics.json").read_text())
    return {"accuracy": metrics["test_accuracy"]} | metrics["seconds"]


def report(results: Results, lines: Lines, **facts: Any) -> None:
    """Stop at a low test accuracy; otherwise write the lines."""
    accuracies = {name: pick(runs, "accuracy") for name, runs in results.items()}
    if min(map(min, accuracies.values())) < ACCURACY:
        raise SystemExit(
            f"Test accuracies must be at least {ACCURACY}, got {accuracies}: nothing "
            "is reported."
        )
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
    """Return the numbers of all runs with this name."""
    return [round(run[name], 5) for run in runs]


if __name__ == "__main__":
    main()
