"""Plot: temporary memory of each program beside the size of its table."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

Line = Mapping[str, Any]
# Programs to draw, at all tables and batch sizes that have lines.
PROGRAMS = (
    "lookup",
    "bag mean",
    "step, dense RMSprop",
    "step, row-sparse RMSprop",
)
LEAST = 1e-3  # MB; smaller memory is drawn here, since the axis is logarithmic


def draw(
    lines: Sequence[Line],
    earlier: Mapping[Any, Line],
    find_place: Callable[[Line], Any],
) -> Figure:
    """Draw a panel for each generation and batch size, a row for each program.

    A dot is the temporary memory of a program, an open dot the earlier one, and a bar
    the size of the table.
    """
    known = [x for x in lines if x["program"] in PROGRAMS and "temp_bytes" in x]
    panels: dict[tuple[str, int], list[Line]] = {}
    for line in known:
        panels.setdefault((line["topology"], line["batch_size"]), []).append(line)
    rows = sorted({find_row(line) for line in known})[::-1]
    n_columns = max(len(panels), 1)
    size = 2.6 + 3.0 * n_columns, 1.6 + 0.22 * len(rows)
    figure = Figure(size, layout="constrained")
    cells = figure.subplots(1, n_columns, squeeze=False, sharex=True, sharey=True)[0]
    for cell, ((generation, batch_size), some) in zip(
        cells, panels.items(), strict=False
    ):
        cell.set_title(f"{generation}, {batch_size:,} texts", fontsize=11)
        old = [earlier.get(find_place(line), {}).get("temp_bytes") for line in some]
        draw_panel(cell, some, old, [rows.index(find_row(line)) for line in some])
    names = [f"{PROGRAMS[n]}, {n_rows:,} x {dim}" for n, _, n_rows, dim in rows]
    cells[0].set_yticks(range(len(rows)), labels=names, fontsize=8)
    figure.suptitle("Temporary memory of compiled programs, which were not executed")
    handles, labels = cells[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def find_row(line: Line) -> tuple[int, int, int, int]:
    """Return the place of a program and its table in the order of the rows."""
    place = PROGRAMS.index(line["program"])
    return place, line["table_bytes"], line["rows"], line["dim"]


def draw_panel(
    cell: Any,
    lines: Sequence[Line],
    old: Sequence[float | None],
    places: Sequence[int],
) -> None:
    """Draw the programs of one generation and batch size.

    Args:
      cell: Axes of Matplotlib.
      lines: Lines of the programs.
      old: Earlier temporary bytes of each program; None if they are unknown.
      places: Row of each program.
    """
    tables = [line["table_bytes"] / 1e6 for line in lines]
    cell.scatter(tables, places, marker="|", s=120, color="#D55E00", label="table")
    found = [(n, place) for n, place in zip(old, places, strict=True) if n is not None]
    if found:
        xs = [max(n / 1e6, LEAST) for n, _ in found]
        look = {"facecolors": "none", "edgecolors": "#777777", "s": 60}
        label = "temporary, before"
        cell.scatter(xs, [place for _, place in found], label=label, **look)
    temps = [max(line["temp_bytes"] / 1e6, LEAST) for line in lines]
    cell.scatter(temps, places, s=16, color="#000000", label="temporary")
    cell.set_xscale("log")
    ticks = [LEAST, 1, 1e3]
    cell.set_xticks(ticks, labels=["none", "1", "1,000"])
    cell.set_xlabel("MB (lower is better)")
    cell.grid(alpha=0.3)
