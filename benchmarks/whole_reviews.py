"""Heads on whole reviews: accuracy and seconds of imdb_sequence against Keras on JAX.

Run:     python -m benchmarks.whole_reviews --data aclImdb_v1.tar.gz
         python -m benchmarks.whole_reviews --heads lstm --seeds 3 --data synthetic
Prints:  a JSON line of the seconds of training for each head and implementation, with
         the test accuracy of each seed.

Both train on all training reviews, on the same ids, with the same sizes, batches and
number of epochs. jaxembed is experiments.imdb_sequence with learned vectors and its
settings, which were chosen on held-out reviews and include dropout. Keras has Adam with
its default learning rate, and no dropout. Neither counts its compilation.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness import options
from benchmarks.harness.plan import announce
from benchmarks.harness.turns import run_process
from benchmarks.peers import keras_heads
from benchmarks.peers.available import find_peers
from jaxembed import text

WHAT = "whole_reviews"
# Name in imdb_sequence, features and batch size there, by the name in keras_heads.
HEADS = {"convolution": ("convolution", 100, 32), "lstm": ("recurrent", 64, 64)}
N_ROWS, DIM, LENGTH, EPOCHS = 30_000, 50, 400, 3  # those of imdb_sequence
SEED_S = 150  # seconds of one training by an implementation on two idle cores, about


class Run(NamedTuple):
    """Result of a training.

    Attributes:
      accuracy: Test accuracy.
      seconds: Seconds of training, without compilation.
    """

    accuracy: float
    seconds: float


def main(argv: list[str] | None = None) -> None:
    """Train and test each head with each implementation, then report."""
    arguments = make_parser().parse_args(argv)
    with options.open_lines(arguments) as lines:
        peers = find_peers(arguments.peers, WHAT, lines)
        n = len(arguments.heads)
        seconds = SEED_S * arguments.seeds * n * (1 + len(peers))
        announce(lines, arguments, peers, n_measurements=n, seconds=seconds)
        tokens = text.load_imdb_tokens(arguments.data, cache_dir=arguments.cache)
        tokens.check_test()
        for head in arguments.heads:
            runs = {"jaxembed": run_experiment(head, arguments)}
            if "keras" in peers:
                runs["keras"] = run_keras(head, tokens, arguments)
            details = {
                name: {"test_accuracy": [round(run.accuracy, 5) for run in found]}
                for name, found in runs.items()
            }
            seconds = {
                name: [run.seconds for run in found] for name, found in runs.items()
            }
            lines.report(
                f"{WHAT}: {head}", seconds, details=details, data=tokens.description
            )


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the arguments."""
    parser = options.make_parser(
        WHAT, __doc__, peers=("keras",), sizes=False, seconds=False
    )
    add = parser.add_argument
    words = "Source of the reviews: a folder, an archive, or synthetic."
    add("--data", default="synthetic", help=words)
    words = f"Heads to measure: {', '.join(HEADS)}."
    names = list(HEADS)
    add("--heads", nargs="+", choices=names, default=names, metavar="NAME", help=words)
    words = "Number of seeds; each implementation is trained once for each seed."
    add("--seeds", type=int, default=1, help=words)
    words, cache = "Cache folder for tokenised reviews.", Path("runs/cache")
    add("--cache", type=Path, default=cache, metavar="FOLDER", help=words)
    add("flags", nargs="*", help="Arguments of the experiment, after --.")
    return parser


def run_experiment(head: str, arguments: argparse.Namespace) -> list[Run]:
    """Run the experiment as a process with all seeds."""
    flags = ["--heads", HEADS[head][0], "--starts", "learned"]
    flags += ["--validation-fraction", "0", "--seeds", str(arguments.seeds)]
    flags += ["--data", arguments.data, "--cache", str(arguments.cache)]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "experiments.imdb_sequence", *flags]
        run_process([*command, "--out", folder, *arguments.flags])
        metrics = json.loads(Path(folder, "metrics.json").read_text())
    (found,) = metrics["runs"]
    pairs = zip(found["accuracies"], found["seconds"], strict=True)
    return [Run(accuracy, seconds["run"]) for accuracy, seconds in pairs]


def run_keras(
    head: str, tokens: text.TokenizedCorpus, arguments: argparse.Namespace
) -> list[Run]:
    """Train and test Keras's model of a head with each seed."""
    _, features, batch_size = HEADS[head]
    sets = [
        text.pad_sequences(
            part.keep(part.values < N_ROWS), maxlen=LENGTH, padding="post"
        )
        for part in (tokens.train, tokens.test)
    ]
    return [
        Run(
            *keras_heads.classify(
                head,
                (sets[0], tokens.train_labels),
                (sets[1], tokens.test_labels),
                sizes=(N_ROWS, DIM, features),
                batch_size=batch_size,
                epochs=EPOCHS,
                seed=seed,
            )
        )
        for seed in range(arguments.seeds)
    ]


if __name__ == "__main__":
    main()
