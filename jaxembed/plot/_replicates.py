"""Replicates: a metric of many draws of each arm, epoch by epoch and at the end."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from jaxembed._checks import require
from jaxembed.plot._style import (
    COLORS,
    MARKERS,
    check_arms,
    draw_arm,
    draw_chance,
    draw_legend,
    make_figure,
    name_chance,
    save_figure,
)
from jaxembed.stats._epochs import best_epoch, final_epoch
from jaxembed.stats._intervals import mean_interval

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

WIDTH = 11.0
COLUMN = 0.9  # share of the space of a group that its columns take


def replicates(
    arms: Mapping[str, ArrayLike],
    path: str | Path,
    title: str = "",
    *,
    ylabel: str = "validation accuracy",
    chance: float | None = None,
    is_loss: bool = False,
) -> Path:
    """Plot the replicates of each arm, as a PNG of two panels with one y axis.

    The left panel shows the mean of each arm after each epoch, in a band of its 95 %
    interval. The right panel shows every replicate at its last and at its best epoch,
    with the mean and its 95 % interval in black.

    Args:
      arms: ``float[K, E]`` for each name, K replicates of E epochs; at most 7 arms.
      path: file to write; its folder is created if it does not exist.
      title: text above the panels.
      ylabel: name of the values.
      chance: accuracy of guessing, drawn as a dotted line; None for no line.
      is_loss: whether the best epoch is the lowest, not the highest.

    Returns:
      The path.

    Raises:
      ImportError: if Matplotlib is not installed.
      ValueError: if there are 0 or more than 7 arms, or an arm is empty, does not have
        two axes, or has a number that is not finite.

    Example:
      >>> import tempfile
      >>> arms = {"learned": [[0.5, 0.6], [0.5, 0.7]], "frozen": [[0.5, 0.5]]}
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = replicates(arms, folder + "/arms.png", chance=0.5)
      ...     path.stat().st_size > 10_000
      True
    """
    require("matplotlib", "plot")
    check_arms(len(arms))
    best = {name: best_epoch(metric, is_loss)[0] for name, metric in arms.items()}
    last = {name: final_epoch(metric) for name, metric in arms.items()}
    names = [*arms, *([] if chance is None else [name_chance(chance)])]
    n_letters = _count_rotated(list(arms))
    below = max(0.6, 0.3 + 0.08 * n_letters)
    figure = make_figure(
        WIDTH, 3.6 + below, title, names, above=0.25, below=below, wspace=0.06
    )
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[2, 3])
    handles = _draw_epochs(left, arms)
    _draw_columns(right, {"last epoch": last, "best epoch of each replicate": best})
    if n_letters:
        right.tick_params(axis="x", rotation=90)
    for axes in (left, right):
        axes.grid(alpha=0.3, axis="both" if axes is left else "y")
    if chance is not None:
        handles.append([draw_chance(axes, chance) for axes in (left, right)][0])
    left.set_ylabel(ylabel, parse_math=False)
    draw_legend(figure, handles, names)
    return save_figure(figure, Path(path))


def _count_rotated(names: Sequence[str]) -> int:
    """Return the letters of the longest name if the names must be rotated, else 0."""
    longest = max(map(len, map(str, names)))
    room = (WIDTH - 1.2) * 0.6 / 2 * COLUMN / len(names)  # inches for a name
    return longest if 0.08 * longest + 0.05 > room else 0  # 0.08 inches a letter


def _draw_epochs(axes: Any, arms: Mapping[str, ArrayLike]) -> "list[Artist]":
    """Draw the mean of each arm after each epoch; return the lines for the legend."""
    handles = []
    for i, metric in enumerate(arms.values()):
        columns = np.asarray(metric, np.float64).T
        epochs = range(1, len(columns) + 1)
        handles.append(draw_arm(axes, epochs, list(map(mean_interval, columns)), i))
    axes.set(xlabel="epoch", title="mean of the replicates")
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    return handles


def _draw_columns(axes: "Axes", groups: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Draw a column of replicates for each arm of each group."""
    ticks, labels = [], []
    for group, (title, values) in enumerate(groups.items()):
        apart = COLUMN / len(values)
        for i, (name, draws) in enumerate(values.items()):
            center = group + (i + 0.5) * apart - COLUMN / 2
            _draw_draws(axes, center, min(0.57 * apart, 0.2), draws, i)
            ticks.append(center)
            labels.append(str(name))
        axes.annotate(
            title,
            (group, 1),
            (0, 6),
            xycoords=axes.get_xaxis_transform(),  # 1 is the upper edge of the frame
            textcoords="offset points",
            ha="center",
            fontsize="large",
        )
    axes.set_xticks(ticks, labels, parse_math=False)
    axes.tick_params(axis="x", length=0)
    axes.axvline(0.5, color="#BBBBBB", linewidth=0.8)
    axes.set_xlim(-0.5, len(groups) - 0.5)


def _draw_draws(
    axes: "Axes", center: float, width: float, draws: np.ndarray, i: int
) -> None:
    """Draw replicates spread over the width of a column, their mean and interval."""
    values = np.sort(draws)
    # Steps of the golden ratio spread neighbours in value evenly over the width.
    aside = (np.arange(len(values)) * 0.618034 + 0.5) % 1 - 0.5
    axes.plot(
        center + width * aside,
        values,
        MARKERS[i],
        color=COLORS[i],
        ms=3.5,
        mew=0,
        alpha=0.45,
    )
    mean, low, high, _ = mean_interval(values)
    if low is not None and high is not None:
        ends = [[mean - low], [high - mean]]
        axes.errorbar(
            center,
            mean,
            yerr=ends,
            fmt="none",
            zorder=3,
            color="black",
            linewidth=1.5,
            capsize=6,
            capthick=1.5,
        )
    axes.plot(
        center,
        mean,
        MARKERS[i],
        zorder=4,
        color="black",
        ms=5.5,
        mec="white",
        mew=0.7,
    )
