"""Learning curve: accuracy of each arm against the size of the training data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxembed._checks import require
from jaxembed.plot._style import (
    check_arms,
    draw_arm,
    draw_chance,
    draw_legend,
    make_figure,
    name_chance,
    save_figure,
)
from jaxembed.stats._crossover import Crossover
from jaxembed.stats._intervals import Interval

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

WIDTH = 9.0


def learning_curve(
    sizes: Sequence[int],
    arms: Mapping[str, Sequence[Interval]],
    path: str | Path,
    title: str = "",
    *,
    ylabel: str = "validation accuracy",
    crossover: Crossover | None = None,
    chance: float | None = None,
) -> Path:
    """Plot each arm against the size of the data, as a PNG with a logarithmic axis.

    Args:
      sizes: S sizes above 0, in ascending order.
      arms: S intervals for each name: a line of the means, in a band of the intervals.
        An interval without ends is left out of the band. At most 7 arms.
      path: file to write; its folder is created if it does not exist.
      title: text above the plot.
      ylabel: name of the values.
      crossover: result of :func:`jaxembed.stats.crossover`, drawn as a vertical line
        in a shaded interval. The shade reaches the edge of the plot if an end of the
        interval is beyond the sizes. Without a line and a shade, the x label states
        the result.
      chance: accuracy of guessing, drawn as a dotted line; None for no line.

    Returns:
      The path.

    Raises:
      ImportError: if Matplotlib is not installed.
      ValueError: if the sizes do not ascend from above 0, there are 0 or more than 7
        arms, or an arm does not have S intervals.

    Example:
      >>> import tempfile
      >>> few, many = Interval(0.6, 0.5, 0.7, 9), Interval(0.8, None, None, 1)
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = folder + "/sizes.png"
      ...     learning_curve([100, 200], {"a": [few, many]}, path).stat().st_size > 9000
      True
    """
    require("matplotlib", "plot")
    _check(sizes, arms)
    names = list(arms)
    if chance is not None:
        names.append(name_chance(chance))
    is_drawn = crossover is not None and crossover[:2] != (None, None)
    if is_drawn:
        names.append(f"crossover: {crossover}")
    labels, is_rotated = _name_sizes(sizes)
    figure = make_figure(WIDTH, 4.8, title, names, below=0.85 if is_rotated else 0.6)
    axes = figure.subplots()
    axes.set_xscale("log", base=2)
    axes.minorticks_off()
    # A margin in logarithms, set here since the shade of a crossover has to reach it.
    axes.set_xlim(sizes[0] / _margin(sizes), sizes[-1] * _margin(sizes))
    axes.set_xticks(sizes, labels)
    if is_rotated:
        for label in axes.get_xticklabels():
            label.set(rotation=45, ha="right", rotation_mode="anchor")
    handles = [draw_arm(axes, sizes, arm, i) for i, arm in enumerate(arms.values())]
    if chance is not None:
        handles.append(draw_chance(axes, chance))
    xlabel = "size of the training data (logarithmic)"
    if crossover is not None and is_drawn:
        handles.append(_draw_crossover(axes, crossover))
    elif crossover is not None:
        xlabel += f"; crossover: {crossover}"
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel, parse_math=False)
    axes.grid(alpha=0.3)
    draw_legend(figure, handles, names)
    return save_figure(figure, Path(path))


def _check(sizes: Sequence[int], arms: Mapping[str, Sequence[Interval]]) -> None:
    """Raise unless the sizes ascend and each arm has an interval for each size."""
    check_arms(len(arms))
    if not (len(sizes) and sizes[0] > 0 and (np.diff(sizes) > 0).all()):
        raise ValueError(f"sizes must ascend from above 0, got {list(sizes)}.")
    for name, arm in arms.items():
        if len(arm) != len(sizes):
            raise ValueError(
                f"arm {name!r} must have {len(sizes)} intervals, one for each size, "
                f"got {len(arm)}."
            )


def _margin(sizes: Sequence[int]) -> float:
    """Return the factor from the last size to the right edge of the plot."""
    return max(sizes[-1] / sizes[0], 2) ** 0.04


def _name_sizes(sizes: Sequence[int]) -> tuple[list[str], bool]:
    """Return the tick labels, and whether to rotate them because they are dense.

    Labels without room even if they are rotated are empty.
    """
    names = [f"{size:,}" for size in sizes]
    span = np.log(sizes[-1] / sizes[0] * _margin(sizes) ** 2)
    places = np.log(np.array(sizes, np.float64)) / span * (WIDTH - 0.9)  # inches
    room = 0.085 * max(map(len, names)) + 0.1  # 0.085 inches a letter
    if len(sizes) == 1 or np.diff(places).min() >= room:
        return names, False
    right = np.inf
    for i in reversed(range(len(names))):  # from the right: the largest size is named
        if right - places[i] < 0.18:
            names[i] = ""
        else:
            right = places[i]
    return names, True


def _draw_crossover(axes: "Axes", crossover: Crossover) -> "Artist":
    """Draw the size and the interval, as far as known; return the legend handle."""
    first, last = axes.get_xlim()
    low, size, high = crossover.low, crossover.size, crossover.high
    shade: dict[str, Any] = {"color": "#777777", "alpha": 0.15, "linewidth": 0}
    if low is not None:
        low = first if low <= crossover.smallest else low
        axes.axvspan(low, last if high is None else high, **shade)
    if size is None:
        return axes.fill_between([], [], **shade)
    axes.axvline(size, color="#444444", linewidth=1.5)
    (line,) = axes.plot(
        [], [], marker="|", linestyle="", color="#444444", markersize=11, mew=1.5
    )
    return line
