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
    most = max(map(len, panels.values()), default=1)
    n_columns = max(len(panels), 1)
    size = 2.6 + 3.4 * n_columns, 1.6 + 0.24 * most
    figure = Figure(size, layout="constrained")
    cells = figure.subplots(1, n_columns, squeeze=False, sharex=True)[0]
    for cell, ((generation, batch_size), some) in zip(
        cells, panels.items(), strict=False
    ):
        cell.set_title(f"{generation}, {batch_size:,} texts", fontsize=11)
        draw_panel(cell, some, earlier, find_place, is_first=cell is cells[0])
    figure.suptitle("Temporary memory of compiled programs (compiler's plan)")
    handles, labels = cells[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def draw_panel(
    cell: Any,
    lines: Sequence[Line],
    earlier: Mapping[Any, Line],
    find_place: Callable[[Line], Any],
    *,
    is_first: bool,
) -> None:
    """Draw the programs of one generation and batch size."""
    order = {name: number for number, name in enumerate(PROGRAMS)}
    lines = sorted(lines, key=lambda x: (order[x["program"]], x["table_bytes"]))
    places = list(range(len(lines)))[::-1]
    tables = [line["table_bytes"] / 1e6 for line in lines]
    cell.scatter(tables, places, marker="|", s=120, color="#D55E00", label="table")
    old = [earlier.get(find_place(line), {}).get("temp_bytes") for line in lines]
    found = [(n, place) for n, place in zip(old, places, strict=True) if n is not None]
    look = {"facecolors": "none", "edgecolors": "#777777"}
    xs = [max(n / 1e6, LEAST) for n, _ in found]
    cell.scatter(xs, [place for _, place in found], **look, label="temporary, before")
    temps = [max(line["temp_bytes"] / 1e6, LEAST) for line in lines]
    cell.scatter(temps, places, s=16, color="#000000", label="temporary")
    cell.set_xscale("log")
    cell.set_xlabel("MB (lower is better)")
    names = [f"{x['program']}, {x['rows']:,} x {x['dim']}" for x in lines]
    cell.set_yticks(places, labels=names if is_first else [""] * len(names), fontsize=8)
    cell.grid(alpha=0.3)
