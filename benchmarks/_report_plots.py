"""Plots: time and bandwidth against batch size, a picture for each workload."""

import argparse
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks._report_lines import Line, Measurement
from benchmarks._report_looks import find_looks
from benchmarks._report_tables import name_machines
from benchmarks._workloads import KINDS, parse_workload

COLUMNS = 3
PANEL_WIDTH, PANEL_HEIGHT = 3.7, 4.3  # inches, of time and bandwidth together
LEFT, RIGHT, ABOVE, BELOW = 0.85, 0.15, 0.7, 0.5  # inches around the panels


class Panel(NamedTuple):
    """One thing that was measured, for one kind of ids.

    Attributes:
      what: that it is.
      ids: the kind, or None.
      curves: the lines of each implementation, with ascending batch sizes.
    """

    what: str
    ids: str | None
    curves: dict[str, list[Line]]


def draw_all(measurements: Sequence[Measurement]) -> dict[str, Figure]:
    """A figure for each workload of which something has two batch sizes or more.

    Args:
      measurements: of one machine or of more, which have figures of their own.

    Returns:
      Figures by workload, and if there is more than one machine by that too.
    """
    figures = {}
    machines = name_machines(measurements)
    both = [(found.place.workload, found.place.machine) for found in measurements]
    for name, machine in dict.fromkeys(both):
        of_it = [
            m
            for m, own in zip(measurements, both, strict=True)
            if own == (name, machine)
        ]
        panels = find_panels(of_it)
        if name is not None and panels:
            where = f", {machines[machine]}" if machines[machine] else ""
            figures[name + where] = draw(name, panels, machines[machine])
    return figures


def name_file(workload: str) -> str:
    """Of the picture."""
    return re.sub(r"[^\w.-]+", "-", workload).strip(".-") + ".png"


def find_panels(measurements: Sequence[Measurement]) -> list[Panel]:
    """What has two batch sizes or more, for the first kind of ids that there is.

    Args:
      measurements: of one workload on one machine.

    Returns:
      Panels, all of one kind of ids, but for what has other kinds only.
    """
    found: dict[tuple[str, str | None], dict[str, list[Line]]] = {}
    for place, ours, peers in measurements:
        if place.batch_size is not None:
            curves = found.setdefault((place.what, place.ids), {})
            for line in (ours, *peers):
                curves.setdefault(line.implementation, []).append(line)
    long = [
        Panel(what, ids, curves)
        for (what, ids), curves in found.items()
        if any(len(curve) > 1 for curve in curves.values())
    ]
    kind = first_kind(long)
    panels = []
    for what in dict.fromkeys(panel.what for panel in long):
        of_it = [panel for panel in long if panel.what == what]
        wanted = kind if any(p.ids == kind for p in of_it) else first_kind(of_it)
        panels += [panel for panel in of_it if panel.ids == wanted]
    return panels


def first_kind(panels: Sequence[Panel]) -> str | None:
    """The first kind of ids that there is, of those known and then of others."""
    there = [panel.ids for panel in panels if panel.ids is not None]
    return next((kind for kind in (*KINDS, *there) if kind in there), None)


def draw(workload: str, panels: Sequence[Panel], machine: str = "") -> Figure:
    """Panels side by side: above time, below the share of the copy bandwidth.

    Args:
      workload: its name.
      panels: of it; more than three go on below.
      machine: to name in the title, if it is not the only one.

    Returns:
      The figure.
    """
    names = list(dict.fromkeys(name for panel in panels for name in panel.curves))
    looks = find_looks(names)
    rows = math.ceil(len(panels) / COLUMNS)
    columns = math.ceil(len(panels) / rows)
    width = LEFT + columns * PANEL_WIDTH + RIGHT
    per_row = max(1, int(width / (0.8 + 0.085 * max(map(len, names)))))
    below = BELOW + 0.1 + 0.22 * math.ceil(len(names) / per_row)
    height = ABOVE + rows * PANEL_HEIGHT + below
    figure = Figure(figsize=(width, height))
    # By hand: a layout engine draws everything twice, which takes as long again.
    places = {"left": LEFT / width, "right": 1 - RIGHT / width}
    places |= {"bottom": below / height, "top": 1 - ABOVE / height}
    grid = figure.add_gridspec(rows, columns, wspace=0.24, hspace=0.22, **places)
    kind = first_kind(panels)
    for number, panel in enumerate(panels):
        cell = grid[divmod(number, columns)]
        draw_panel(figure, cell, panel, looks=looks, kind=kind)
    title = f"{describe(workload, kind)}\n{machine}".strip()
    figure.suptitle(title, y=1 - 0.08 / height, va="top", parse_math=False)
    handles = [Line2D([], [], **looks[name]) for name in names]
    labels = {"ncols": min(per_row, len(names)), "handlelength": 3.5}
    legend = figure.legend(handles, names, loc="lower center", frameon=False, **labels)
    for text in legend.get_texts():
        text.set_parse_math(False)  # $ starts no formula
    return figure


def describe(workload: str, kind: str | None) -> str:
    """A title: the workload, its sizes and the kind of ids."""
    words = workload
    try:
        sizes = parse_workload(workload)
        words += f": {sizes.rows:,} rows of {sizes.dim}, {sizes.length} ids a text"
    except argparse.ArgumentTypeError:
        pass  # of another benchmark, which knows what it means
    return words if kind is None else f"{words}, {kind} ids"


def draw_panel(
    figure: Figure,
    cell: SubplotSpec,
    panel: Panel,
    *,
    looks: Mapping[str, Mapping[str, Any]],
    kind: str | None,
) -> None:
    """Time above, and below the share of a copy, if it is known.

    Args:
      figure: to draw on.
      cell: where.
      panel: what.
      looks: of each implementation.
      kind: of ids, that need not be said.
    """
    parts = cell.subgridspec(2, 1, height_ratios=(1.6, 1), hspace=0.07)
    upper, lower = figure.add_subplot(parts[0]), None
    if any(find_shares(curve) for curve in panel.curves.values()):
        lower = figure.add_subplot(parts[1], sharex=upper)
    for name, curve in panel.curves.items():
        _draw_times(upper, curve, {"label": name, **looks[name]})
        if lower is not None:
            shares = find_shares(curve)
            lower.plot(list(shares), list(shares.values()), **looks[name])
    is_first = cell.colspan.start == 0
    is_other = panel.ids not in (kind, None)
    title = f"{panel.what} ({panel.ids} ids)" if is_other else panel.what
    upper.set_title(title, fontsize=10, parse_math=False)
    _set_scales(upper, "time of a call" if is_first else "", format_time)
    if lower is not None:
        lower.axhline(1, color="#555555", linestyle=":", linewidth=1.2)
        _set_scales(lower, "share of a copy" if is_first else "", format_share)
        upper.tick_params(labelbottom=False)
    lines = [line for curve in panel.curves.values() for line in curve]
    _set_sizes(lower or upper, sorted({line.place.batch_size or 0 for line in lines}))


def _draw_times(axes: Axes, curve: Sequence[Line], look: Mapping[str, Any]) -> None:
    """Medians as a line, from the 10th to the 90th percentile as a band."""
    at = [line.place.batch_size or 0 for line in curve]
    axes.plot(at, [line.median_s for line in curve], **look)
    low, high = zip(*(line.find_spread() for line in curve), strict=True)
    axes.fill_between(at, low, high, color=look["color"], alpha=0.15, linewidth=0)


def find_shares(curve: Sequence[Line]) -> dict[int, float]:
    """Shares of the copy bandwidth by batch size, where they are known."""
    found = ((line.place.batch_size, line.find_number("copy_share")) for line in curve)
    return {size: share for size, share in found if size and share}


def format_time(seconds: float, _: object = None) -> str:
    """Short, for a tick: 1 ms."""
    units = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))
    unit, size = next((u for u in units if seconds >= 0.999 * u[1]), units[-1])
    return f"{seconds / size:g} {unit}"


def format_share(share: float, _: object = None) -> str:
    """In percent."""
    return f"{100 * share:g} %"


def _set_scales(axes: Axes, label: str, write: Callable[[float, object], str]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    # Less than two powers of ten would leave an axis with one number or none.
    subs = (1.0,) if high / low > 100 else (1.0, 2.0, 5.0)
    axes.yaxis.set_major_locator(LogLocator(subs=subs))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(write))
    axes.set_ylabel(label)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)


def _set_sizes(axes: Axes, sizes: Sequence[int]) -> None:
    axes.set_xticks(sizes, labels=[f"{size:,}" for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("batch size")
