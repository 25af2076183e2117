"""N-grams of whole reviews: imdb_ngrams against fastText and scikit-learn.

Run:     python -m benchmarks.ngrams --data aclImdb_v1.tar.gz
         python -m benchmarks.ngrams --orders 3 --seeds 5 --data aclImdb_v1.tar.gz
Prints:  JSON lines of two measurements for each largest order: the training alone, and
         all from tokens to weights. Each line has the test accuracy of each seed, and
         the difference of jaxembed's accuracy with its 95 % interval, by a bootstrap
         over test reviews and seeds.

All train on the 25,000 training reviews and read the same words. jaxembed is the
command experiments.imdb_ngrams with its defaults. fastText trains with -wordNgrams of
the largest order. scikit-learn fits a logistic regression to tf-idf of the same
n-grams; it has no seed and is run once.

fastText counts the words and trains in one call, so that both measurements report the
same time of fastText. jaxembed reports loading (load_s), which counts the n-grams, also
of the test reviews, and compilation (compile_s) separately. process_s are the seconds
of jaxembed's whole process, with its test and its files.
"""

import argparse
import csv
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
from benchmarks.peers import fasttext, sklearn
from benchmarks.peers.available import find_peers
from jaxembed import stats, text

WHAT = "ngrams"
RATES = {1: 30.0}  # initial learning rate by the largest order; else the default
FASTTEXT = {"epoch": 10, "lr": 0.25, "bucket": 2**21, "minCount": 1, "dim": 10}
WORDS_DIM = 100  # fastText fails on words alone with fewer, with "Encountered NaN"
ACCURACY = 0.6  # least test accuracy; below it nothing is reported
SEED_S = 60  # seconds of one training by an implementation, about
Results = dict[str, list[dict[str, Any]]]  # results of each run, by implementation


def main(argv: list[str] | None = None) -> None:
    """Train and test each implementation for each order, then report."""
    arguments = make_parser().parse_args(argv)
    with options.open_lines(arguments) as lines:
        peers = find_peers(arguments.peers, WHAT, lines)
        n = 2 * len(arguments.orders)
        seconds = SEED_S * arguments.seeds * n / 2 * (1 + len(peers))
        announce(lines, arguments, peers, n_measurements=n, seconds=seconds)
        tokens = text.load_imdb_tokens(arguments.data, cache_dir=arguments.cache)
        tokens.check_test()
        for order in arguments.orders:
            results = train(tokens, order, peers, arguments)
            facts = {"orders": order, "data": tokens.description}
            report(results, lines, **facts, flags=arguments.flags)


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the arguments."""
    peers = ("fasttext", "sklearn")
    parser = options.make_parser(WHAT, __doc__, peers=peers, sizes=False, seconds=False)
    add = parser.add_argument
    words = "Source of the reviews: a folder, an archive, or synthetic."
    add("--data", default="synthetic", help=words)
    words = "Largest numbers of words of an n-gram to measure."
    add("--orders", nargs="+", type=int, default=[1, 2, 3], metavar="N", help=words)
    words = "Number of seeds; each implementation is trained once for each seed."
    add("--seeds", type=int, default=3, help=words)
    words, cache = "Cache folder for tokenised reviews.", Path("runs/cache")
    add("--cache", type=Path, default=cache, metavar="FOLDER", help=words)
    add("flags", nargs="*", help="Arguments of the experiment, after --.")
    return parser


def train(
    tokens: text.TokenizedCorpus,
    order: int,
    peers: list[str],
    arguments: argparse.Namespace,
) -> Results:
    """Train each implementation with each seed, in turns."""
    flags = ["--data", arguments.data, "--cache", str(arguments.cache)]
    flags += ["--orders", *map(str, range(1, order + 1)), "--validation-fraction", "0"]
    if order in RATES:
        flags += ["--learning-rate", str(RATES[order])]
    flags += arguments.flags
    results: Results = {name: [] for name in ("jaxembed", *peers)}
    with tempfile.TemporaryDirectory() as folder:
        texts: tuple[list[str], list[str]] = ([], [])
        if peers:
            texts = write_lines(tokens, Path(folder))
        for seed in range(arguments.seeds):
            results["jaxembed"].append(run_experiment(flags, seed, Path(folder)))
            if "fasttext" in peers:
                settings = FASTTEXT | {"wordNgrams": order, "seed": seed}
                if order == 1:
                    settings["dim"] = WORDS_DIM
                path = Path(folder, "train.txt")
                labels, facts = fasttext.classify(path, texts[1], settings)
                add_result(results["fasttext"], labels, facts, tokens.test_labels)
            if "sklearn" in peers and seed == 0:
                found = sklearn.classify(texts[0], tokens.train_labels, texts[1], order)
                add_result(results["sklearn"], *found, tokens.test_labels)
    return results


def add_result(
    runs: list[dict[str, Any]], found: Any, facts: dict[str, Any], labels: np.ndarray
) -> None:
    """Append the predictions of a peer, labels as numbers or strings."""
    is_correct = np.array([int(label) for label in found]) == labels
    runs.append({"is_correct": is_correct, "load": 0.0, "compile": 0.0} | facts)


def write_lines(
    tokens: text.TokenizedCorpus, folder: Path
) -> tuple[list[str], list[str]]:
    """Write the training reviews in fastText's format; return all reviews as words."""
    texts = tokens.tokenizer.decode(tokens.train.tolist())
    # Shuffled, since fastText reads the file in order and the corpus starts with all
    # negative reviews.
    with (folder / "train.txt").open("w", encoding="utf-8") as file:
        for i in np.random.default_rng(0).permutation(len(texts)):
            file.write(f"__label__{tokens.train_labels[i]} {texts[i]}\n")
    return texts, tokens.tokenizer.decode(tokens.test.tolist())


def run_experiment(flags: list[str], seed: int, folder: Path) -> dict[str, Any]:
    """Run the experiment as a process; return its predictions and seconds."""
    out = folder / f"ours-{seed}"
    command = [sys.executable, "-m", "experiments.imdb_ngrams", *flags]
    seconds, _ = run_process([*command, "--seed", str(seed), "--out", str(out)])
    metrics = json.loads((out / "metrics.json").read_text())
    with (out / "test.csv").open() as file:
        rows = list(csv.DictReader(file))
    is_correct = [(float(row["logit"]) > 0) == (row["label"] == "1") for row in rows]
    found = {"is_correct": np.array(is_correct), "process": seconds}
    found["without_copies"] = metrics["test_accuracy_without_copies"]
    return found | metrics["seconds"]


def report(results: Results, lines: Lines, **facts: Any) -> None:
    """Stop at a low test accuracy; otherwise write the lines."""
    correct = {name: stack(runs) for name, runs in results.items()}
    accuracies = {name: found.mean(1) for name, found in correct.items()}
    if min(found.min() for found in accuracies.values()) < ACCURACY:
        raise SystemExit(
            f"Test accuracies must be at least {ACCURACY}, got {accuracies}: nothing "
            "is reported."
        )
    details: dict[str, dict[str, Any]] = {}
    for name, found in accuracies.items():
        details[name] = {"test_accuracy": found.round(5).tolist()}
        details[name]["mean_test_accuracy"] = round(float(found.mean()), 5)
        if name != "jaxembed":
            ends = stats.bootstrap_difference(correct["jaxembed"], correct[name])[:3]
            details[name]["difference"] = [round(float(end or 0), 5) for end in ends]
    ours = results["jaxembed"]
    for name in ("load", "compile", "process"):
        details["jaxembed"][f"{name}_s"] = round(float(np.median(pick(ours, name))), 4)
    copies = round(float(np.mean(pick(ours, "without_copies"))), 5)
    details["jaxembed"]["accuracy_without_copies"] = copies
    parts = ("load", "compile", "run")
    for what, names in (("training", parts[2:]), ("from tokens to weights", parts)):
        seconds = {
            name: [round(sum(run[part] for part in names), 3) for run in runs]
            for name, runs in results.items()
        }
        name = f"{WHAT} of 1 to {facts['orders']} words: {what}"
        lines.report(name, seconds, details=details, **facts)


def stack(runs: list[dict[str, Any]]) -> np.ndarray:
    """Return whether each prediction is correct, ``bool[S, N]``, of S runs."""
    return np.stack([run["is_correct"] for run in runs])


def pick(runs: list[dict[str, Any]], name: str) -> list[float]:
    """Return the numbers of all runs with this name."""
    return [run[name] for run in runs]


if __name__ == "__main__":
    main()
