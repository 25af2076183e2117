"""Plots: time and share of the copy bandwidth by batch size."""

import argparse
import math
import re
import textwrap
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
PANEL = 4.0, 4.6  # inches: width, and height of time and share together
Curves = dict[str, list[Line]]  # lines by implementation, in order of batch size

# Colour, line and marker of an implementation in all plots. Each library has one colour
# of the palette of Okabe and Ito, which colour-blind readers can distinguish, and each
# implementation its own marker. Dashes keep equal curves visible below each other.
DASHED, DOTTED, MIXED = (0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2))
LOOKS: dict[str, tuple[str, Any, str]] = {
    "jaxembed": ("#000000", "-", "o"),
    "jaxembed, ids checked": ("#000000", DASHED, "s"),
    "jaxembed, scan": ("#000000", DOTTED, "D"),
    "jaxembed, folded": ("#000000", MIXED, "P"),
    "jaxembed, most_similar": ("#000000", DASHED, "*"),
    "jaxembed, cached": ("#000000", DASHED, "d"),
    "flax": ("#0072B2", "-", "^"),
    "keras": ("#D55E00", DASHED, "v"),
    "keras, as is usual": ("#D55E00", DOTTED, "<"),
    "torch": ("#CC79A7", "-", "s"),
    "torch, 1 thread": ("#CC79A7", DASHED, "D"),
    "torch, sparse": ("#CC79A7", DOTTED, "p"),
    "numpy": ("#009E73", MIXED, "X"),
    "gensim": ("#E69F00", "-", "h"),
    "fasttext": ("#56B4E9", "-", "8"),
}
OTHER = ("#777777", "-", ".")
SHARE_NOTE = (
    "Share of a copy: the bytes that an implementation itself must move per second, "
    "divided by the speed of copying a large array. A dense step must move more bytes "
    "than a row-sparse step."
)
# Label of the x axis by the first words of a measurement's name
UNITS = {
    "geometry: most similar": "words in a batch",
    "geometry: analogies": "questions",
    "load vectors": "words loaded",
    "tokenizer": "reviews in a batch",
    "replicate": "draws in a call",
    "epoch": "reviews in a step",
    "process": "reviews in a step",
    "checkpoint": "texts in a step",
}


def draw_all(measurements: Sequence[Measurement]) -> dict[str, Figure]:
    """Draw a figure for each workload and machine with two or more batch sizes.

    Args:
      measurements: Measurements, in the order of a table.

    Returns:
      Figures by workload; with several machines, by workload and machine.
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
    """Return a title with the name and the sizes of a workload."""
    try:
        return parse_workload(workload).description
    except argparse.ArgumentTypeError:  # the name of a file
        return workload


def find_look(name: str) -> dict[str, Any]:
    """Return the colour, line and marker of an implementation for matplotlib."""
    owner = name.split(",")[0]
    color, linestyle, marker = LOOKS.get(name) or (LOOKS.get(owner, OTHER)[0], ":", "x")
    look = {"color": color, "linestyle": linestyle, "marker": marker}
    if owner == "jaxembed":
        return look | {"markersize": 5, "linewidth": 3.2, "alpha": 0.75, "zorder": 2}
    # Open markers on top, so that curves below them stay visible.
    look |= {"markerfacecolor": "none", "markersize": 7, "linewidth": 1.4}
    return look | {"zorder": 3}


def draw(title: str, panels: dict[str, Curves]) -> Figure:
    """Draw a panel for each title: time above, share of the copy bandwidth below."""
    rows = math.ceil(len(panels) / COLUMNS)
    columns = math.ceil(len(panels) / rows)
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    n_labels = min(len(names), 2 * columns)
    height = rows * PANEL[1] + 0.22 * math.ceil(len(names) / n_labels) + 0.9
    figure = Figure((columns * PANEL[0] + 0.6, height), layout="constrained")
    cells = figure.subfigures(rows, columns, squeeze=False).ravel()
    for number, (name, curves) in enumerate(panels.items()):
        draw_panel(cells[number], name, curves, is_first=number % columns == 0)
    figure.suptitle(title, parse_math=False)
    handles = [Line2D([], [], **find_look(name)) for name in names]
    place: Any = {"loc": "outside lower center", "ncols": n_labels, "frameon": False}
    if any(_has_shares(curves) for curves in panels.values()):
        place["title"] = textwrap.fill(SHARE_NOTE, 62 * columns)
    legend = figure.legend(handles, names, handlelength=3.5, title_fontsize=9, **place)
    for text in legend.get_texts():
        text.set_parse_math(False)  # so that a $ does not start a formula
    return figure


def draw_panel(cell: Any, title: str, curves: Curves, *, is_first: bool) -> None:
    """Draw a measurement on a part of a figure, with y labels if it is the first."""
    lines = [line for curve in curves.values() for line in curve]
    has_shares = _has_shares(curves)
    ratios = {"height_ratios": (1.6, 1)} if has_shares else {}
    axes = cell.subplots(1 + has_shares, 1, sharex=True, squeeze=False, **ratios)[:, 0]
    axes[0].set_title(title, fontsize=11, parse_math=False)
    for name, curve in curves.items():
        look = find_look(name)
        if len(curve) == 1:  # a large open marker around the marker of another curve
            look |= {"markersize": 13, "markerfacecolor": "white", "zorder": 1.5}
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
    _set_scales(axes[0], "median time\n(lower is better)" * is_first, format_time)
    if has_shares:
        axes[1].axhline(1, color="#555555", linestyle=":", linewidth=1.2)
        label = "share of a copy\n(higher is better)" * is_first
        _set_scales(axes[1], label, format_share)
    ticks = sorted({line.place.batch_size or 0 for line in lines})
    axes[-1].set_xticks(ticks, labels=[f"{size:,}" for size in ticks])
    axes[-1].xaxis.set_minor_locator(NullLocator())
    units = (unit for start, unit in UNITS.items() if title.startswith(start))
    axes[-1].set_xlabel(next(units, "texts in a batch"))


def _has_shares(curves: Curves) -> bool:
    """Return whether a line has a share of the copy bandwidth."""
    return any(line.number("copy_share") for curve in curves.values() for line in curve)


def _plot(axes: Axes, curve: Sequence[Line], name: str, **look: Any) -> None:
    """Plot a field by batch size; batch sizes without the field are skipped."""
    found = ((line.place.batch_size or 0, line.number(name) or 0) for line in curve)
    known = {size: value for size, value in found if value}
    axes.plot(list(known), list(known.values()), **look)


def _set_scales(axes: Axes, label: str, write: Callable[[float, object], str]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    # Below two powers of ten, powers alone would label the axis once or not at all.
    subs = (1.0,) if high / low > 100 else (1.0, 2.0, 5.0)
    axes.yaxis.set_major_locator(LogLocator(subs=subs))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(write))
    axes.set_ylabel(label)
    axes.tick_params("x", labelsize=8)
    axes.tick_params("y", labelsize=9)
    axes.grid(alpha=0.3)


def format_time(seconds: float, _: object = None) -> str:
    """Format seconds for a tick, as "1 ms"."""
    units = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))
    unit, size = next((u for u in units if seconds >= 0.999 * u[1]), units[-1])
    return f"{seconds / size:g} {unit}"


def format_share(share: float, _: object = None) -> str:
    """Format a share in percent."""
    return f"{100 * share:g} %"
