"""Learning curve: arms against the size of the data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxembed.plot._style import (
    check_arms,
    draw_arm,
    draw_chance,
    draw_legend,
    make_figure,
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
    """Writes arms against the size of the data as a PNG, on a logarithmic axis.

    Args:
      sizes: S sizes, ascending from above 0.
      arms: S intervals for each name, drawn as a mean in a band; one without ends has
        no band. At most 7 arms.
      path: of the picture; its folder is made if need be.
      title: a line above it.
      ylabel: what the numbers are.
      crossover: of :func:`jaxembed.train.crossover`: a vertical line in its
        shaded interval, which goes on to the edge where the end was not seen.
      chance: what guessing gives, as a dotted line, or None.

    Returns:
      The path.

    Raises:
      ValueError: if the sizes do not ascend from above 0, there is no arm, there are
        too many, or one has not as many intervals as there are sizes.

    Example:
      >>> import tempfile
      >>> few, many = Interval(0.6, 0.5, 0.7, 9), Interval(0.8, None, None, 1)
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = folder + "/sizes.png"
      ...     learning_curve([100, 200], {"a": [few, many]}, path).stat().st_size > 9000
      True
    """
    _check(sizes, arms)
    found = [] if crossover is None else [f"crossover: {crossover}"]
    guessing = [] if chance is None else [f"chance ({chance:g})"]
    names = [*arms, *guessing, *found]
    figure = make_figure(WIDTH, 4.8, title, names, below=0.85)
    axes = figure.subplots()
    _draw_sizes(axes, sizes)
    handles = [draw_arm(axes, sizes, arm, i) for i, arm in enumerate(arms.values())]
    if chance is not None:
        handles.append(draw_chance(axes, chance))
    if crossover is not None:
        handles.append(_draw_crossover(axes, crossover))
    axes.set_xlabel("size of the training data (logarithmic)")
    axes.set_ylabel(ylabel, parse_math=False)
    axes.grid(alpha=0.3)
    draw_legend(figure, handles, names)
    return save_figure(figure, Path(path))


def _check(sizes: Sequence[int], arms: Mapping[str, Sequence[Interval]]) -> None:
    check_arms(len(arms))
    if not (len(sizes) and sizes[0] > 0 and (np.diff(sizes) > 0).all()):
        raise ValueError(f"sizes must ascend from above 0, got {list(sizes)}.")
    for name, arm in arms.items():
        if len(arm) != len(sizes):
            raise ValueError(
                f"arm {name!r} must have {len(sizes)} intervals, one for each size, "
                f"got {len(arm)}."
            )


def _draw_sizes(axes: "Axes", sizes: Sequence[int]) -> None:
    """Makes the axis logarithmic, with each size named where there is room."""
    axes.set_xscale("log", base=2)
    axes.minorticks_off()
    # A margin in logarithms, by hand: the shade of a crossover reaches the edges.
    margin = max(sizes[-1] / sizes[0], 2) ** 0.04
    axes.set_xlim(sizes[0] / margin, sizes[-1] * margin)
    span = np.log(sizes[-1] / sizes[0] * margin**2)
    places = np.log(np.array(sizes, np.float64)) / span * (WIDTH - 0.9)  # inches
    names = [f"{size:,}" for size in sizes]
    room = 0.085 * max(map(len, names)) + 0.1  # 0.085 inches a letter
    if len(sizes) == 1 or np.diff(places).min() >= room:
        axes.set_xticks(sizes, names)
        return
    right = np.inf
    for i in reversed(range(len(names))):  # so that the largest is named
        if right - places[i] < 0.18:
            names[i] = ""
        else:
            right = places[i]
    axes.set_xticks(sizes, names, rotation=45, ha="right", rotation_mode="anchor")


def _draw_crossover(axes: "Axes", crossover: Crossover) -> "Artist":
    """Draws what was seen of a crossover; the handle is for the legend."""
    first, last = axes.get_xlim()
    low, size, high = crossover.low, crossover.size, crossover.high
    shade: dict[str, Any] = {"color": "#777777", "alpha": 0.15, "linewidth": 0}
    if low is not None:
        low = first if low <= crossover.smallest else low
        axes.axvspan(low, last if high is None else high, **shade)
    if size is None:
        return axes.fill_between([], [], **(shade if low else {"alpha": 0}))
    axes.axvline(size, color="#444444", linewidth=1.5)
    (line,) = axes.plot(
        [], [], marker="|", linestyle="", color="#444444", markersize=11, mew=1.5
    )
    return line
