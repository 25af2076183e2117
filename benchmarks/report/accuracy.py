"""Accuracy: a plot of test accuracy against seconds, for the README.

Run:     python -m benchmarks.report.accuracy
Writes:  docs/accuracy_seconds.png

The numbers and their sources are in benchmarks/results/accuracy_seconds.json. Points of
our own measurements are filled. Quoted points are open: they are from another machine.
"""

import json
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from benchmarks.report.plots import find_look

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "accuracy_seconds.json"
PICTURE = ROOT / "docs" / "accuracy_seconds.png"
TICKS = 1, 2, 5, 10, 20, 50, 100, 200, 500  # seconds
FIELDS = {"name", "library", "test_accuracy", "seconds", "is_measured"}
FIELDS |= {"covers", "source", "label"}
# Offset in points, horizontal and vertical alignment of a name beside its point.
LABELS = {
    "right": ((9, 0), "left", "center"),
    "below": ((0, -9), "center", "top"),
    "above": ((0, 7), "center", "bottom"),
}
Results = dict[str, Any]


def main() -> None:
    """Draw the stored numbers."""
    figure = draw(read(RESULTS))
    figure.savefig(PICTURE, dpi=150)
    print(PICTURE)


def read(path: Path) -> Results:
    """Read the numbers of a plot.

    Args:
      path: A JSON file with "title", "measured_on" and "points".

    Raises:
      ValueError: If a point lacks a field, or a number is out of range.
    """
    results = json.loads(path.read_text("utf-8"))
    for number, point in enumerate(results["points"]):
        if missing := FIELDS - point.keys():
            raise ValueError(f"{path}: points[{number}] lacks {sorted(missing)}.")
        if not 0 < point["test_accuracy"] < 1 or point["seconds"] <= 0:
            raise ValueError(
                f"{path}: points[{number}] must have an accuracy between 0 and 1 and "
                f"seconds above 0, got {point['test_accuracy']} and {point['seconds']}."
            )
    return results


def draw(results: Results) -> Figure:
    """Draw each point with its name.

    Args:
      results: The result of :func:`read`.
    """
    figure = Figure((7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    for point in results["points"]:
        draw_point(axes, point)
    axes.set_xscale("log")
    axes.set_xlim(0.6, 800)
    axes.set_ylim(0.72, 0.95)
    axes.xaxis.set_major_locator(FixedLocator(TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g} s")
    axes.set_xlabel(
        f"time (filled: measured on {results['measured_on']};\n"
        "open: quoted, on a machine that the source does not name)"
    )
    axes.set_ylabel("test accuracy (higher is better)")
    axes.set_title(results["title"], fontsize=11, parse_math=False)
    axes.grid(alpha=0.3)
    return figure


def draw_point(axes: Axes, point: Results) -> None:
    """Draw a point, filled if it was measured, with its name beside it."""
    look = find_look(point["library"])
    color = look["color"]
    face = color if point["is_measured"] else "none"
    at = point["seconds"], point["test_accuracy"]
    axes.plot(
        *at,
        color=color,
        linestyle="none",
        marker=look["marker"],
        markerfacecolor=face,
        markersize=9,
        markeredgewidth=1.6,
    )
    offset, horizontal, vertical = LABELS[point["label"]]
    axes.annotate(
        f"{point['name']}\n{at[1]:.3f} in {format_seconds(at[0])}",
        at,
        xytext=offset,
        textcoords="offset points",
        ha=horizontal,
        va=vertical,
        fontsize=9,
        parse_math=False,
    )


def format_seconds(seconds: float) -> str:
    """Format seconds with one decimal below 20."""
    return f"{seconds:.1f} s" if seconds < 20 else f"{seconds:.0f} s"


if __name__ == "__main__":
    main()
