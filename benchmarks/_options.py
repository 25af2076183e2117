"""The arguments that all benchmarks take."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks import _workloads
from benchmarks._lines import Lines

PEERS = ("flax", "keras", "torch", "numpy", "gensim", "fasttext")


def make_parser(
    doc: str,
    *,
    peers: Sequence[str],
    workloads: Iterable[str] = tuple(_workloads.WORKLOADS),
    batch_sizes: Iterable[int] = _workloads.BATCH_SIZES,
    ids: bool = False,
) -> argparse.ArgumentParser:
    """A parser with the arguments of all benchmarks.

    Args:
      doc: of the module, of which the first line is printed.
      peers: that there are.
      workloads: names or sizes of those to take by default.
      batch_sizes: to take by default.
      ids: whether there are kinds of ids.

    Returns:
      A parser, to which a benchmark adds its own arguments.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    add = parser.add_argument
    sizes = list(batch_sizes)
    add("--batch-sizes", type=_positive, nargs="+", default=sizes, metavar="B")
    add(
        "--workload",
        type=_workloads.parse_workload,
        nargs="+",
        default=[_workloads.parse_workload(name) for name in workloads],
        help=f"{', '.join(_workloads.WORKLOADS)}, or rows x numbers x ids: VxDxL",
    )
    add("--peers", choices=peers, nargs="*", default=list(peers))
    add("--seconds", type=float, default=2.0, help="to spend on calls in turns")
    add("--out", type=Path, help="a file to which the lines are appended")
    if ids:
        add("--ids", choices=_workloads.KINDS, nargs="+", default=_workloads.KINDS)
        add("--data", help="reviews for real ids: a folder or an archive")
        add("--cache", type=Path, help="a folder for tokens of the reviews")
    return parser


def open_lines(arguments: argparse.Namespace) -> Lines:
    """Where the lines go."""
    return Lines(arguments.out)


def _positive(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}.")
    return number
