"""Plan: what a benchmark will measure and about how long, printed before it starts."""

import argparse
import sys
from collections.abc import Sequence

from benchmarks.harness.lines import Lines


def announce(
    lines: Lines,
    arguments: argparse.Namespace,
    peers: Sequence[str],
    *,
    n_measurements: int,
    seconds: float,
) -> None:
    """Print the plan on standard error, and start the progress bar.

    Args:
      lines: Lines of the benchmark.
      arguments: Arguments of the benchmark, with workloads and batch sizes, if any.
      peers: Names of the peers that are measured besides jaxembed.
      n_measurements: Number of calls of ``lines.report``.
      seconds: Estimated seconds of the whole run.
    """
    parts = {
        "workloads": "; ".join(
            w.description for w in getattr(arguments, "workload", ())
        ),
        "batch sizes": ", ".join(
            f"{n:,}" for n in getattr(arguments, "batch_sizes", ())
        ),
        "kinds of ids": ", ".join(getattr(arguments, "ids", ())),
        "implementations": ", ".join(["jaxembed", *peers]),
    }
    for name, words in parts.items():
        if words:
            _print(f"  {name + ':':<16} {words}")
    noun = "measurement" if n_measurements == 1 else "measurements"
    _print(f"  {n_measurements} {noun}, {format_duration(seconds)} on two idle cores")
    lines.start(n_measurements)


def format_duration(seconds: float) -> str:
    """Format an estimate, as "about 40 s", "about 3 min" or "about 2 h"."""
    if seconds < 90:
        return f"about {max(round(seconds, -1), 10):.0f} s"
    if seconds < 90 * 60:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.0f} h"


def _print(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
