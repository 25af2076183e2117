"""Arguments that all benchmarks take."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.harness.lines import Lines
from benchmarks.harness.workloads import BATCH_SIZES, KINDS, WORKLOADS, parse_workload

PEERS = ("flax", "keras", "torch", "numpy", "gensim", "fasttext")


def make_parser(
    doc: str,
    *,
    peers: Sequence[str],
    workloads: Iterable[str] = tuple(WORKLOADS),
    batch_sizes: Iterable[int] = BATCH_SIZES,
    ids: bool = False,
) -> argparse.ArgumentParser:
    """Make a parser, to which a benchmark adds its own arguments.

    Args:
      doc: Docstring of the benchmark; its first line is the description.
      peers: Names of the peers.
      workloads: Default workloads, by name or sizes.
      batch_sizes: Default batch sizes.
      ids: Whether the benchmark takes kinds of ids.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    add = parser.add_argument
    sizes = list(batch_sizes)
    add("--batch-sizes", type=_positive, nargs="+", default=sizes, metavar="B")
    add(
        "--workload",
        type=parse_workload,
        nargs="+",
        default=[parse_workload(name) for name in workloads],
        help=f"{', '.join(WORKLOADS)}, or rows x numbers x ids: VxDxL",
    )
    add("--peers", choices=peers, nargs="*", default=list(peers))
    add("--seconds", type=float, default=2.0, help="time to spend on a measurement")
    add("--out", type=Path, help="a file to which the lines are appended")
    if ids:
        add("--ids", choices=KINDS, nargs="+", default=KINDS)
        add("--data", help="reviews for real ids: a folder or an archive")
        add("--cache", type=Path, help="a folder for tokens of the reviews")
    return parser


def open_lines(arguments: argparse.Namespace) -> Lines:
    """Open the file of the lines."""
    return Lines(arguments.out)


def _positive(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}.")
    return number
