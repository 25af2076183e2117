"""Options: command-line arguments and output that all benchmarks share."""

import argparse
import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.lines import Lines
from benchmarks.harness.workloads import BATCH_SIZES, KINDS, WORKLOADS, parse_workload
from benchmarks.report.summary import print_summary

SMALL, LARGE = ("first", "second"), ("large", "huge")
FOLDER = Path("runs/benchmarks")


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keep the lines of the description, and show each default."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        default: Any = action.default
        words = action.help
        if words is None or default in (None, False, argparse.SUPPRESS):
            return words
        if isinstance(default, list | tuple):
            default = " ".join(map(str, default))
        return f"{words} (default: {str(default).replace('%', '%%')})"


def make_parser(
    name: str,
    doc: str,
    *,
    peers: Sequence[str],
    workloads: Iterable[str] = SMALL,
    large: Iterable[str] = LARGE,
    batch_sizes: Iterable[int] = BATCH_SIZES,
    ids: bool = False,
    seconds: bool = True,
) -> argparse.ArgumentParser:
    """Make a parser, to which a benchmark adds its own arguments.

    Args:
      name: Name of the benchmark, as in ``python -m benchmarks.NAME``.
      doc: Docstring of the benchmark, which is the description.
      peers: Names of the peers; without peers the option is missing.
      workloads: Default workloads, by name or sizes.
      large: Workloads that ``--large`` adds; without them the option is missing.
      batch_sizes: Default batch sizes.
      ids: Whether the benchmark takes kinds of ids.
      seconds: Whether the benchmark takes the seconds of a measurement.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=doc.strip(),
        formatter_class=HelpFormatter,
    )
    parser.set_defaults(name=name, title=doc.splitlines()[0])
    _add_workloads(parser, list(workloads), list(large))
    add = parser.add_argument
    add(
        "--batch-sizes",
        type=_positive,
        nargs="+",
        default=list(batch_sizes),
        metavar="B",
        help="Batch sizes to measure.",
    )
    if peers:
        _add_peers(parser, list(peers))
    if ids:
        _add_ids(parser)
    if seconds:
        words = "Target duration of each measurement, in seconds."
        add("--seconds", type=float, default=0.5, help=words)
    words = "File to append the JSON lines to. The default is standard output or, in a "
    words += f"terminal, {FOLDER / name}.jsonl."
    add("--out", type=Path, metavar="FILE", help=words)
    words = "Do not print the table at the end."
    add("--no-table", action="store_true", help=words)
    return parser


def _add_workloads(
    parser: argparse.ArgumentParser, small: list[str], large: list[str]
) -> None:
    """Add ``--workload``, and ``--large`` if there are large workloads."""
    group = parser.add_mutually_exclusive_group()
    words = f"Workloads to measure: {', '.join(WORKLOADS)}, or VxDxL for a table of V "
    words += "rows of length D and for texts of L ids."
    small_workloads = [parse_workload(name) for name in small]
    group.add_argument(
        "--workload",
        type=parse_workload,
        nargs="+",
        default=small_workloads,
        metavar="W",
        help=words,
    )
    if large:
        group.add_argument(
            "--large",
            dest="workload",
            action="store_const",
            const=[*small_workloads, *map(parse_workload, large)],
            default=argparse.SUPPRESS,
            help=f"Also measure the large workloads: {', '.join(large)}. They need "
            "more time and memory.",
        )


def _add_peers(parser: argparse.ArgumentParser, peers: list[str]) -> None:
    parser.add_argument(
        "--peers",
        choices=peers,
        nargs="*",
        default=peers,
        metavar="NAME",
        help=f"Libraries to compare with: {', '.join(peers)}. --peers without a "
        "name measures jaxembed only.",
    )


def _add_ids(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    words = "Kinds of ids: zipf (frequencies by Zipf's law), uniform (equal "
    words += "frequencies), equal (a single id) or real (words of --data)."
    add(
        "--ids",
        choices=KINDS,
        nargs="+",
        default=["zipf"],
        metavar="KIND",
        help=words,
    )
    add("--data", help="Reviews for --ids real: a folder or an archive.")
    words = "Cache folder for tokenised reviews."
    add("--cache", type=Path, metavar="FOLDER", help=words)


@contextlib.contextmanager
def open_lines(arguments: argparse.Namespace) -> Iterator[Lines]:
    """Open the lines of a benchmark; when they are complete, print them as a table.

    A terminal shows the table only: the JSON lines go to a file.
    """
    is_terminal, out = sys.stdout.isatty(), arguments.out
    if is_terminal and out is None:
        out = FOLDER / f"{arguments.name}.jsonl"
    print(arguments.title, file=sys.stderr, flush=True)
    lines = Lines(out, prints=not is_terminal)
    try:
        yield lines
    finally:
        lines.close()
        if not arguments.no_table:
            print_summary(lines.written, out)


def _positive(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}.")
    return number
