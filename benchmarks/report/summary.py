"""Summary: the table that a benchmark prints when it ends."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.report.read import gather, make_line
from benchmarks.report.tables import list_left_out, name_machines, tabulate

IDS_CHECKED = (
    '"jaxembed" checks the ids in each call; "jaxembed, ids checked" uses '
    'mode="promise_in_bounds".'
)
HOW_TO_READ = (
    "Times are medians of jaxembed's first implementation. The other columns are the "
    "time of an\nimplementation divided by it: above 1, jaxembed is faster. Bold: "
    "jaxembed is slower beyond noise."
)


def print_summary(written: Sequence[dict[str, Any]], out: Path | None) -> None:
    """Print a table of each measurement on standard error, and name the report.

    Args:
      written: Lines of a benchmark, as they were written.
      out: File of the lines, or None if they were only printed.
    """
    if not written:
        return
    lines = [make_line(facts, "line") for facts in written]
    measurements = gather(lines)
    machines = name_machines(measurements)
    parts = []
    for what in dict.fromkeys(found.place.what for found in measurements):
        rows = [found for found in measurements if found.place.what == what]
        parts.append(f"{what}\n{tabulate(rows, machines)}")
    if measurements:
        parts.append(HOW_TO_READ)
        if any(line.implementation.endswith("ids checked") for line in lines):
            parts[-1] += f"\n{IDS_CHECKED}"
    left_out = list_left_out(lines)
    if left_out:
        parts.append(f"Left out:\n{left_out}")
    if out is not None:
        parts.append(f"Report with plots: python -m benchmarks.report {out}")
    else:
        parts.append(
            "Report with plots: python -m benchmarks.report FILE, where FILE has the "
            "JSON lines (option --out)"
        )
    print("\n" + "\n\n".join(parts), file=sys.stderr, flush=True)
