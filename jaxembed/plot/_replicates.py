"""Replicates: what many draws of each arm give, epoch by epoch and at the end."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from jaxembed.plot._style import (
    COLORS,
    MARKERS,
    check_arms,
    draw_arm,
    draw_chance,
    draw_legend,
    make_figure,
    save_figure,
)
from jaxembed.stats._epochs import best_epoch, final_epoch
from jaxembed.stats._intervals import mean_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def replicates(
    arms: Mapping[str, ArrayLike],
    path: str | Path,
    title: str = "",
    *,
    ylabel: str = "validation accuracy",
    chance: float | None = None,
    is_loss: bool = False,
) -> Path:
    """Writes arms of many replicates as a PNG of two panels.

    The left one has the mean of each arm after each epoch, in a band of its 95 %
    interval. The right one has every replicate at the last epoch and at its best one,
    with the mean and its 95 % interval in black. The panels differ in their scales.

    Args:
      arms: ``float[K, E]`` for each name, a row for each replicate; at most 7 arms.
      path: of the picture; its folder is made if need be.
      title: a line above it.
      ylabel: what the numbers are.
      chance: what guessing gives, as a dotted line, or None.
      is_loss: if True, the lowest epoch is the best one.

    Returns:
      The path.

    Raises:
      ValueError: if there is no arm, there are too many, or one has a number that is
        not finite, none, or other than two axes.

    Example:
      >>> import tempfile
      >>> arms = {"learned": [[0.5, 0.6], [0.5, 0.7]], "frozen": [[0.5, 0.5]]}
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = replicates(arms, folder + "/arms.png", chance=0.5)
      ...     path.stat().st_size > 10_000
      True
    """
    check_arms(len(arms))
    best = {name: best_epoch(metric, is_loss)[0] for name, metric in arms.items()}
    last = {name: final_epoch(metric) for name, metric in arms.items()}
    guessing = [] if chance is None else [f"chance ({chance:g})"]
    names = [*arms, *guessing]
    figure = make_figure(10, 4, title, names)
    left, right = figure.subplots(1, 2)
    handles = []
    for i, metric in enumerate(arms.values()):
        columns = np.asarray(metric, np.float64).T
        epochs = range(1, len(columns) + 1)
        handles.append(draw_arm(left, epochs, list(map(mean_interval, columns)), i))
    apart = 0.84 / len(arms)
    for group, values in enumerate((last, best)):
        for i, draws in enumerate(values.values()):
            center = group + (i + 0.5) * apart - 0.42
            _draw_draws(right, center, min(0.57 * apart, 0.2), draws, i)
    if chance is not None:
        handles.append([draw_chance(axes, chance) for axes in (left, right)][0])
    left.set_xlabel("epoch")
    left.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    right.set_xticks([0, 1], ["last epoch", "best epoch of each replicate"])
    right.tick_params(axis="x", length=0)
    right.axvline(0.5, color="#BBBBBB", linewidth=0.8)
    right.set_xlim(-0.5, 1.5)
    for axes in (left, right):
        axes.set_ylabel(ylabel, parse_math=False)
        axes.grid(alpha=0.3, axis="both" if axes is left else "y")
    draw_legend(figure, handles, names)
    return save_figure(figure, Path(path))


def _draw_draws(
    axes: "Axes", center: float, width: float, draws: np.ndarray, i: int
) -> None:
    """Draws each replicate beside its neighbours in value, then mean and interval."""
    values = np.sort(draws)
    # Steps by the golden ratio: even, and no two neighbours lie close.
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
