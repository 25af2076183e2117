"""Accuracy against seconds: one point for each model."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jaxembed._checks import require
from jaxembed.plot._labels import draw_labels
from jaxembed.plot._style import COLORS, make_figure, save_figure

WIDTH = 8.0


def accuracy_seconds(
    points: Mapping[str, tuple[float, float]],
    path: str | Path,
    title: str = "",
    *,
    ylabel: str = "test accuracy",
) -> Path:
    """Plot accuracy against seconds of training, as a PNG with a logarithmic axis.

    Args:
      points: seconds above 0 and accuracy from 0 to 1 of each model, by its name.
      path: file to write; its folder is created if it does not exist.
      title: text above the plot.
      ylabel: name of the accuracy.

    Returns:
      The path.

    Raises:
      ImportError: if Matplotlib is not installed.
      ValueError: if there are no points, or a number is out of range.

    Example:
      >>> import tempfile
      >>> folder = tempfile.mkdtemp()
      >>> points = {"pooled": (2.0, 0.89), "convolution": (80.0, 0.9)}
      >>> accuracy_seconds(points, Path(folder, "plot.png")).name
      'plot.png'
    """
    require("matplotlib", "plot")
    if not points:
        raise ValueError("points must have at least one model, got none.")
    for name, (seconds, accuracy) in points.items():
        if not (seconds > 0 and np.isfinite(seconds) and 0 <= accuracy <= 1):
            raise ValueError(
                f"points[{name!r}] must be seconds above 0 and an accuracy from 0 to "
                f"1, got {seconds} and {accuracy}."
            )
    figure = make_figure(WIDTH, 4.8, title)
    axes = figure.subplots()
    places = np.array(list(points.values()))
    axes.set_xscale("log")
    axes.plot(places[:, 0], places[:, 1], "o", color=COLORS[0], markersize=5)
    axes.margins(0.15)
    axes.set_xlabel("seconds of training (logarithmic)")
    axes.set_ylabel(ylabel, parse_math=False)
    axes.grid(alpha=0.3)
    axes.autoscale_view()  # labels are placed by the final limits
    draw_labels(figure, axes, places, list(points))
    return save_figure(figure, Path(path))
