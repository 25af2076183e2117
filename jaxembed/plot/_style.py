"""Style of all plots: colours, markers, a legend below the panels, PNG files."""

import functools
import math
import textwrap
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

DPI = 150
# The colour-blind safe palette of Okabe and Ito, without yellow, which is too pale for
# lines. Arms also differ in marker and line style. Dotted lines are for chance.
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


def check_arms(n_arms: int, name: str = "arms") -> None:
    """Raise unless there are 1 to 7 arms, the number of different looks."""
    if not 1 <= n_arms <= len(COLORS):
        raise ValueError(
            f"{name} must be 1 to {len(COLORS)}, the number of different colours, got "
            f"{n_arms}: draw several plots."
        )


def draw_arm(
    axes: "Axes", at: Sequence[float], arm: Sequence[Interval], i: int
) -> "Artist":
    """Draw means as a line, and their intervals as a band.

    A thin bar at each mean shows an interval whose neighbours are missing, which the
    band does not show.

    Args:
      axes: panel to draw on.
      at: S positions on the x axis.
      arm: S intervals.
      i: number of the arm, which selects its colour, marker and line style.

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
        at,
        means,
        color=color,
        marker=MARKERS[i],
        linestyle=LINES[i],
        linewidth=max(2.6 - 0.6 * i, 1.4),  # an arm remains visible below the next one
        ms=max(7 - i, 5),
        mew=0,
    )
    return line


def draw_chance(axes: "Axes", chance: float) -> "Artist":
    """Draw the accuracy of guessing as a dotted line; return it for the legend."""
    return axes.axhline(
        chance, color="#555555", linestyle=":", linewidth=1.4, label=name_chance(chance)
    )


def name_chance(chance: float) -> str:
    """Return the text of the legend for the accuracy of guessing."""
    return f"chance ({chance:g})"


def make_figure(
    width: float,
    height: float,
    title: str,
    names: Sequence[str] = (),
    *,
    above: float = 0.0,
    below: float = 0.6,
    wspace: float = 0.22,
) -> "Figure":
    """Return a figure with space for its title, and for a legend below the panels.

    Args:
      width: width in inches.
      height: height in inches, without the legend and further lines of the title.
      title: text above the panels, broken into lines where it is too long.
      names: entries of the legend, drawn by :func:`draw_legend`.
      above: inches for text between the title and the panels.
      below: inches for the labels between the panels and the legend.
      wspace: space between panels, as a share of their width.
    """
    from matplotlib.figure import Figure

    lines = _break_lines(title, int(width / 0.096))  # 0.096 inches a letter
    bottom, top = below, above + (0.18 + 0.22 * len(lines) if lines else 0.15)
    if names:
        bottom += 0.1 + 0.22 * math.ceil(len(names) / _columns(width, names))
    height += bottom - below + 0.22 * max(len(lines) - 1, 0)
    figure = Figure(figsize=(width, height), dpi=DPI)
    # Fixed margins: a layout engine draws everything twice, which doubles the time.
    figure.subplots_adjust(
        left=0.75 / width,
        right=1 - 0.15 / width,
        top=1 - top / height,
        bottom=bottom / height,
        wspace=wspace,
    )
    figure.suptitle("\n".join(lines), y=1 - 0.1 / height, va="top", parse_math=False)
    return figure


def _break_lines(text: str, width: int) -> list[str]:
    """Break a text into as few lines as possible, of similar lengths.

    Lines end at a semicolon if the parts between semicolons are short enough.

    Example:
      >>> _break_lines("learned table; IMDB reviews; training seed 0", 36)
      ['learned table; IMDB reviews;', 'training seed 0']
    """
    least = max(map(len, text.split("; "))) + 1
    if least <= width:
        text = text.replace(" ", "\xa0").replace(";\xa0", "; ")
    else:
        least = 1
    wrap = functools.partial(textwrap.wrap, text, break_on_hyphens=False)
    n_lines = len(wrap(width))
    while width > least and len(wrap(width - 1)) == n_lines:
        width -= 1
    return [line.replace("\xa0", " ") for line in wrap(width)]


def draw_legend(
    figure: "Figure", handles: Sequence["Artist"], names: Sequence[str]
) -> None:
    """Draw the legend below all panels, in the space of :func:`make_figure`."""
    legend = figure.legend(
        handles,
        list(map(str, names)),
        loc="lower center",
        ncols=_columns(figure.get_size_inches()[0], names),
        frameon=False,
        handlelength=3,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)  # a $ does not start a formula


def _columns(width: float, names: Sequence[str]) -> int:
    """Return the columns of a legend, for 0.09 inches a letter and 0.8 a handle."""
    longest = max(len(str(name)) for name in names)
    return max(1, min(len(names), int(width / (0.8 + 0.09 * longest))))


def save_figure(figure: "Figure", path: Path) -> Path:
    """Write a figure as a PNG of 150 dots per inch, atomically.

    Args:
      figure: a Matplotlib figure.
      path: file to write; its folder is created if it does not exist.

    Returns:
      ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _io.replace(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI)
    return path
