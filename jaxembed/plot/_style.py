"""Style of all plots: colours, markers, one legend below the panels, PNG files."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxembed import _io
from jaxembed.stats._intervals import Interval

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The colour-blind safe palette of Okabe and Ito, without its yellow, too light for
# lines; arms differ by marker and line as well. Dotted is for chance.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES: tuple[str | tuple[float, tuple[float, ...]], ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (6, 1.5, 1.5, 1.5)),
    (0, (9, 1.5)),
    (0, (2.5, 1.5)),
    (0, (6, 1.5, 1.5, 1.5, 1.5, 1.5)),
    (0, (9, 1.5, 3, 1.5)),
)


def check_arms(n_arms: int) -> None:
    """Refuses more arms than can be told apart, and none."""
    if not 1 <= n_arms <= len(COLORS):
        raise ValueError(
            f"arms must be 1 to {len(COLORS)}, which can be told apart, got {n_arms}: "
            "write more than one picture."
        )


def draw_arm(
    axes: "Axes", at: Sequence[float], arm: Sequence[Interval], i: int
) -> "Artist":
    """Draws means as a line, and their intervals as a band.

    A thin bar at each mean shows an interval between two that are missing, which a
    band cannot.

    Args:
      axes: of the panel.
      at: S places on the axis.
      arm: S intervals.
      i: the number of the arm, which says how it looks.

    Returns:
      The line, for the legend.
    """
    ends = [(interval.low, interval.high) for interval in arm]
    low, high = np.array(ends, np.float64).T  # None becomes NaN, which is not drawn
    color = COLORS[i]
    axes.fill_between(at, low, high, color=color, alpha=0.18, linewidth=0)
    axes.vlines(at, low, high, color=color, alpha=0.5, linewidth=1)
    means = [interval.estimate for interval in arm]
    (line,) = axes.plot(
        at, means, color=color, marker=MARKERS[i], linestyle=LINES[i], ms=5, mew=0
    )
    return line


def draw_chance(axes: "Axes", chance: float) -> "Artist":
    """Draws what guessing gives, as a dotted line."""
    return axes.axhline(chance, color="#555555", linestyle=":", linewidth=1.4)


def make_figure(
    width: float, height: float, title: str, names: Sequence[str], *, below: float = 0.6
) -> "Figure":
    """A figure with room below for a legend of these names.

    Args:
      width: in inches.
      height: in inches, without the legend.
      title: a line above.
      names: of the legend.
      below: inches for the labels between the panels and the legend.

    Returns:
      The figure; :func:`draw_legend` fills the room.
    """
    from matplotlib.figure import Figure

    legend = 0.1 + 0.22 * math.ceil(len(names) / _columns(width, names))
    figure = Figure(figsize=(width, height + legend))
    # By hand: a layout engine draws everything twice, which takes as long again.
    figure.subplots_adjust(
        left=0.75 / width,
        right=1 - 0.15 / width,
        top=1 - (0.4 if title else 0.15) / (height + legend),
        bottom=(below + legend) / (height + legend),
        wspace=0.22,
    )
    figure.suptitle(title, y=1 - 0.1 / (height + legend), va="top", parse_math=False)
    return figure


def draw_legend(
    figure: "Figure", handles: Sequence["Artist"], names: Sequence[str]
) -> None:
    """Writes the legend below all panels, where it covers nothing."""
    columns = _columns(figure.get_size_inches()[0], names)
    legend = figure.legend(
        handles,
        list(map(str, names)),
        loc="lower center",
        ncols=columns,
        frameon=False,
        handlelength=3,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)  # $ starts no formula


def _columns(width: float, names: Sequence[str]) -> int:
    """How many names stand side by side: a letter takes 0.09 inches, a line 0.8."""
    longest = max(len(str(name)) for name in names)
    return max(1, min(len(names), int(width / (0.8 + 0.09 * longest))))


def save_figure(figure: "Figure", path: Path) -> Path:
    """Write a figure as a PNG of 150 dots per inch, atomically.

    Args:
      figure: a Matplotlib figure.
      path: the file to write. Its folder is created if it does not exist.

    Returns:
      ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _io.replace(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
    return path
