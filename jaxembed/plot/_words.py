"""Words: points of a plane with their labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxembed._checks import require
from jaxembed.plot._labels import draw_labels
from jaxembed.plot._style import (
    COLORS,
    DPI,
    MARKERS,
    check_arms,
    draw_legend,
    make_figure,
    save_figure,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def words(
    points: np.ndarray,
    names: Sequence[str],
    path: str | Path,
    title: str = "",
    *,
    groups: Sequence[str] | None = None,
    shares: Sequence[float] | None = None,
) -> Path:
    """Plot words as labelled points of a plane, as a PNG.

    Labels are placed where they cover no point and no other label. A thin line joins a
    label to its point if the point is not adjacent, or not the nearest.

    Args:
      points: ``float[n, 2]``, such as the result of :func:`jaxembed.geometry.project`.
      names: n words.
      path: file to write; its folder is created if it does not exist.
      title: line above the plot.
      groups: n names, the group of each word. Each group has a colour and a marker, and
        is named in a legend. At most 7 different groups.
      shares: share of the variance along each axis, from 0 to 1, such as the result of
        :func:`jaxembed.geometry.variance_shares`.

    Returns:
      The path.

    Raises:
      ImportError: if Matplotlib is not installed.
      ValueError: if ``points``, ``names`` and ``groups`` differ in their lengths, or
        there are more than 7 groups.

    Example:
      >>> import tempfile
      >>> points = np.array([[0, 1], [1, 0], [1, 1]])
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = words(points, ["good", "bad", "film"], folder + "/words.png")
      ...     path.stat().st_size > 5_000
      True
    """
    require("matplotlib", "plot")
    points = np.asarray(points)
    if points.shape != (len(names), 2):
        raise ValueError(
            f"points must have shape [{len(names)}, 2], one row for each word, got "
            f"{list(points.shape)}."
        )
    kinds = [] if groups is None else list(dict.fromkeys(groups))
    if groups is not None and len(groups) != len(names):
        raise ValueError(
            f"groups must have {len(names)} names, one for each word, got "
            f"{len(groups)}."
        )
    if kinds:
        check_arms(len(kinds), "groups")
    # The area grows with the number of labels, to keep room for each of them.
    scale = max(1.0, np.sqrt(len(names) / 40))
    figure = make_figure(8 * scale, 6.4 * scale, title, kinds)
    axes = figure.subplots()
    handles = _draw_points(axes, points, kinds, groups)
    for i, axis in enumerate((axes.xaxis, axes.yaxis)):
        share = "" if shares is None else f" ({100 * shares[i]:.0f} % of the variance)"
        axis.set_label_text(f"{('first', 'second')[i]} principal component{share}")
    axes.margins(0.12, 0.08)  # words stand beside points
    axes.set_aspect("equal", adjustable="datalim")
    axes.grid(alpha=0.3)
    if kinds:
        draw_legend(figure, handles, kinds)
    _fit_margins(figure, axes)
    draw_labels(figure, axes, points, names)
    return save_figure(figure, Path(path))


def _draw_points(
    axes: "Axes",
    points: np.ndarray,
    kinds: Sequence[str],
    groups: Sequence[str] | None,
) -> "list[Artist]":
    """Draw the points of each group; return the handles for the legend."""
    handles: list[Artist] = []
    for i, kind in enumerate(kinds or [None]):
        chosen = points
        if groups is not None:
            chosen = points[[group == kind for group in groups]]
        marker, color = MARKERS[i], COLORS[i]
        handles += axes.plot(chosen[:, 0], chosen[:, 1], marker, color=color, ms=4.5)
    return handles


def _fit_margins(figure: "Figure", axes: "Axes") -> None:
    """Widen the margins if the numbers of the axes push texts out of the figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer, margins = FigureCanvasAgg(figure).get_renderer(), figure.subplotpars
    width, edge = figure.get_size_inches()[0] * DPI, 0.08 * DPI
    for _ in range(2):  # other margins can change the numbers of the axes
        axes.apply_aspect()
        left, right = (
            axis.get_tightbbox(renderer) for axis in (axes.yaxis, axes.xaxis)
        )
        if left is not None and right is not None:  # both axes are visible
            figure.subplots_adjust(
                left=margins.left + max(edge - left.x0, 0) / width,
                right=margins.right - max(right.x1 - (width - edge), 0) / width,
            )
    axes.apply_aspect()
