"""Plots: time and share of the copy bandwidth against batch size."""

import argparse
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.harness.workloads import parse_workload
from benchmarks.report.read import Line, Measurement
from benchmarks.report.tables import name_machines

COLUMNS = 3
PANEL = 3.7, 4.3  # inches: width, and height of time and share together
Curves = dict[str, list[Line]]  # by implementation, with ascending batch sizes

# Colour, line and marker of an implementation in all plots. The colours are the palette
# of Okabe and Ito, which the colour-blind can tell apart: one for each library.
LOOKS: dict[str, tuple[str, Any, str]] = {
    "jaxembed": ("#000000", "-", "o"),
    "jaxembed, ids checked": ("#000000", "--", "s"),
    "jaxembed, scan": ("#000000", ":", "D"),
    "jaxembed, folded": ("#000000", "-.", "P"),
    "jaxembed, most_similar": ("#000000", "--", "X"),
    "flax": ("#0072B2", "-", "^"),
    "keras": ("#D55E00", "-", "v"),
    "keras, as is usual": ("#D55E00", "--", "<"),
    "torch": ("#CC79A7", "-", "s"),
    "torch, 1 thread": ("#CC79A7", "--", "D"),
    "torch, sparse": ("#CC79A7", ":", "P"),
    "numpy": ("#009E73", "-", "X"),
    "gensim": ("#E69F00", "-", "p"),
    "fasttext": ("#56B4E9", "-", "h"),
}
OTHER = ("#777777", "-", ".")


def draw_all(measurements: Sequence[Measurement]) -> dict[str, Figure]:
    """Draw a figure for each workload and machine with two batch sizes or more.

    Args:
      measurements: Measurements, in the order of a table.

    Returns:
      Figures by workload, and also by machine if there are two or more.
    """
    machines = name_machines(measurements)
    panels: dict[tuple[str, str], dict[str, Curves]] = {}
    for place, ours, peers in measurements:
        if place.workload is None or place.batch_size is None:
            continue
        title = f"{place.what}, {place.ids} ids" if place.ids else place.what
        figure = panels.setdefault((place.workload, machines[place.machine]), {})
        curves = figure.setdefault(title, {})
        for line in (ours, *peers):
            curves.setdefault(line.implementation, []).append(line)
    figures = {}
    for (workload, machine), all_curves in panels.items():
        kept = {
            title: curves
            for title, curves in all_curves.items()
            if max(map(len, curves.values())) > 1
        }
        if kept:
            name = ", ".join(filter(None, (workload, machine)))
            figures[name] = draw(f"{describe(workload)}\n{machine}".strip(), kept)
    return figures


def name_file(figure: str) -> str:
    """Return the file name of a figure."""
    return re.sub(r"[^\w.-]+", "-", figure).strip(".-") + ".png"


def describe(workload: str) -> str:
    """Return a title: the workload and its sizes."""
    try:
        sizes = parse_workload(workload)
    except argparse.ArgumentTypeError:  # the name of a file
        return workload
    return f"{workload}: {sizes.rows:,} rows of {sizes.dim}, {sizes.length} ids a text"


def find_look(name: str) -> dict[str, Any]:
    """Return the look of an implementation as matplotlib's arguments."""
    owner = name.split(",")[0]
    color, linestyle, marker = LOOKS.get(name) or (LOOKS.get(owner, OTHER)[0], ":", "x")
    look = {"color": color, "linestyle": linestyle, "marker": marker}
    is_ours = owner == "jaxembed"
    return look | {"markersize": 5, "linewidth": 2.6 if is_ours else 1.2}


def draw(title: str, panels: dict[str, Curves]) -> Figure:
    """Draw a panel for each title: time above, share of the copy bandwidth below."""
    rows = math.ceil(len(panels) / COLUMNS)
    columns = math.ceil(len(panels) / rows)
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    n_labels = min(len(names), 2 * columns)
    height = rows * PANEL[1] + 0.22 * math.ceil(len(names) / n_labels) + 0.6
    figure = Figure((columns * PANEL[0] + 0.6, height), layout="constrained")
    cells = figure.subfigures(rows, columns, squeeze=False).ravel()
    for number, (name, curves) in enumerate(panels.items()):
        draw_panel(cells[number], name, curves, is_first=number % columns == 0)
    figure.suptitle(title, parse_math=False)
    handles = [Line2D([], [], **find_look(name)) for name in names]
    place: Any = {"loc": "outside lower center", "ncols": n_labels, "frameon": False}
    for text in figure.legend(handles, names, handlelength=3.5, **place).get_texts():
        text.set_parse_math(False)  # a $ starts no formula
    return figure


def draw_panel(cell: Any, title: str, curves: Curves, *, is_first: bool) -> None:
    """Draw one measurement on a part of a figure; label the axes of the first."""
    lines = [line for curve in curves.values() for line in curve]
    has_shares = any(line.number("copy_share") for line in lines)
    ratios = {"height_ratios": (1.6, 1)} if has_shares else {}
    axes = cell.subplots(1 + has_shares, 1, sharex=True, squeeze=False, **ratios)[:, 0]
    axes[0].set_title(title, fontsize=10, parse_math=False)
    for name, curve in curves.items():
        look = find_look(name)
        _plot(axes[0], curve, "median_s", label=name, **look)
        low, high = (
            [line.number(part) or line.median_s for line in curve]
            for part in ("p10_s", "p90_s")
        )
        sizes = [line.place.batch_size or 0 for line in curve]
        band = {"color": look["color"], "alpha": 0.15, "linewidth": 0}
        axes[0].fill_between(sizes, low, high, **band)
        if has_shares:
            _plot(axes[1], curve, "copy_share", **look)
    _set_scales(axes[0], "time of a call" if is_first else "", format_time)
    if has_shares:
        axes[1].axhline(1, color="#555555", linestyle=":", linewidth=1.2)
        _set_scales(axes[1], "share of a copy" if is_first else "", format_share)
    ticks = sorted({line.place.batch_size or 0 for line in lines})
    axes[-1].set_xticks(ticks, labels=[f"{size:,}" for size in ticks])
    axes[-1].xaxis.set_minor_locator(NullLocator())
    axes[-1].set_xlabel("batch size")


def _plot(axes: Axes, curve: Sequence[Line], name: str, **look: Any) -> None:
    """Plot a field against batch size, where it is known."""
    found = ((line.place.batch_size or 0, line.number(name) or 0) for line in curve)
    known = {size: value for size, value in found if value}
    axes.plot(list(known), list(known.values()), **look)


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


def format_time(seconds: float, _: object = None) -> str:
    """Format seconds for a tick, as "1 ms"."""
    units = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))
    unit, size = next((u for u in units if seconds >= 0.999 * u[1]), units[-1])
    return f"{seconds / size:g} {unit}"


def format_share(share: float, _: object = None) -> str:
    """Format a share in percent."""
    return f"{100 * share:g} %"
