"""Report: tables in Markdown of the steps that were compiled for meshes of TPUs."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.tpu.mesh.links import (
    MEMORY,
    copy_seconds,
    exchange_seconds,
    network_seconds,
)

Line = Mapping[str, Any]


def tabulate(lines: Sequence[Line]) -> str:
    """Return a table of the large tables, and one of weak scaling."""
    parts = []
    for programs, make, head in (
        (("large table", "copies of a table", "large batch"), describe, LARGE_HEAD),
        (("weak scaling",), compare, SCALING_HEAD),
    ):
        some = [line for line in lines if line["program"] in programs]
        if some:
            rule = " | ".join(["---"] * 2 + ["---:"] * (len(head) - 2))
            rows = [" | ".join(head), rule, *[make(line, some[0]) for line in some]]
            parts.append("\n".join(f"| {row} |" for row in rows))
    return "\n\n".join(parts)


LARGE_HEAD = (
    "table, chips",
    "optimizer",
    "texts",
    "table and state on a chip, GB",
    "of the memory",
    "temporary, MB",
    "limit, MB",
    "exchanged by a chip, MB",
    "least ms by ICI",
    "least ms by DCN",
)
SCALING_HEAD = (
    "chips",
    "table",
    "texts",
    "exchanged by a chip, MB",
    "ratio",
    "least ms by ICI",
    "temporary, MB",
)


def describe(line: Line, _: Line) -> str:
    """Return a row of the table of large tables."""
    topology, moved = line["topology"], line.get("exchanged_bytes")
    data, copied = line.get("data", 1), line.get("copied_bytes", 0)
    name = f"{line['rows']:,} x {line['dim']}, {topology}"
    cells = [name if data == 1 else f"{name}, data={data}", line["optimizer"]]
    cells.append(f"{line['batch_size']:,}")
    if moved is None:
        return " | ".join([*cells, line["left_out"], *[""] * (len(LARGE_HEAD) - 4)])
    held = line["argument_bytes"]
    seconds = exchange_seconds(topology, moved, data)
    seconds += copy_seconds(topology, copied, data)
    cells += [
        f"{held / 1e9:.2f}",
        f"{held / MEMORY[topology.partition(':')[0]]:.0%}",
        f"{line['temp_bytes'] / 1e6:.1f}",
        f"{line['temp_limit_bytes'] / 1e6:.1f}",
        f"{(moved + copied) / 1e6:.1f}",
        f"{1e3 * seconds:.2f}",
        f"{1e3 * network_seconds(topology, moved + copied):.1f}",
    ]
    return " | ".join(cells)


def compare(line: Line, first: Line) -> str:
    """Return a row of the table of weak scaling."""
    cells = [line["topology"], f"{line['rows']:,} x {line['dim']}"]
    if "left_out" in line or "left_out" in first:
        return " | ".join([*cells, "", *[""] * (len(SCALING_HEAD) - 3)])
    moved = line["exchanged_bytes"]
    cells += [
        f"{line['batch_size']:,}",
        f"{moved / 1e6:.1f}",
        f"{moved / first['exchanged_bytes']:.2f}",
        f"{1e3 * exchange_seconds(line['topology'], moved):.2f}",
        f"{line['temp_bytes'] / 1e6:.1f}",
    ]
    return " | ".join(cells)
