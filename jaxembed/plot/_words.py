"""Words: points of a plane."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxembed.plot._style import COLORS, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

# Where a label may stand: its offset from its point in points, and its side.
PLACES = [
    *(((5, y), "left") for y in (3, -9)),
    *(((-5, y), "right") for y in (3, -9)),
    *(((0, y), "center") for y in (10, -16, 20, -26)),
]


def words(
    points: np.ndarray, names: Sequence[str], path: str | Path, title: str = ""
) -> Path:
    """Writes words as points of a plane, as a PNG.

    Args:
      points: ``float[n, 2]``, such as :func:`jaxembed.geometry.project` makes.
      names: n words.
      path: of the picture; its folder is made if need be.
      title: a line above it.

    Returns:
      The path.

    Raises:
      ValueError: if there are not as many points as words.

    Example:
      >>> import tempfile
      >>> points = np.array([[0, 1], [1, 0], [1, 1]])
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = words(points, ["good", "bad", "film"], folder + "/words.png")
      ...     path.stat().st_size > 5_000
      True
    """
    from matplotlib.figure import Figure

    points = np.asarray(points)
    if points.shape != (len(names), 2):
        raise ValueError(
            f"points must have the shape [{len(names)}, 2], one for each word, got "
            f"{list(points.shape)}."
        )
    figure = Figure(figsize=(8, 6.4))
    figure.subplots_adjust(left=0.08, right=0.97, top=0.93, bottom=0.08)
    axes = figure.subplots()
    axes.plot(points[:, 0], points[:, 1], "o", color=COLORS[0], ms=4)
    axes.set_xlabel("first principal component")
    axes.set_ylabel("second principal component")
    axes.margins(0.12)
    axes.set_aspect("equal", adjustable="datalim")
    axes.grid(alpha=0.3)
    figure.suptitle(title, parse_math=False)  # $ starts no formula
    _label(figure, axes, points, names)
    return save_figure(figure, Path(path))


def _label(
    figure: "Figure", axes: "Axes", points: np.ndarray, names: Sequence[str]
) -> None:
    """Writes each word beside its point, where it covers no word before it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    axes.apply_aspect()
    taken: list[Bbox] = []
    for name, point in zip(names, points, strict=True):
        label = axes.annotate(
            name,
            point,
            PLACES[0][0],
            textcoords="offset points",
            fontsize=9,
            parse_math=False,
        )
        for offset, side in PLACES:
            label.set(position=offset, ha=side)
            box = label.get_window_extent(renderer)
            if not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)
