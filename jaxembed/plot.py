"""Plots: a history, and words, as pictures."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxembed.train import History

# The colour-blind safe pair of Okabe and Ito: blue for training, orange for validation.
COLORS = ("#0072B2", "#D55E00")
# Where a label may stand: its offset from its point in points, and its side.
PLACES = [
    *(((5, y), "left") for y in (3, -9)),
    *(((-5, y), "right") for y in (3, -9)),
    *(((0, y), "center") for y in (10, -16, 20, -26)),
]


def curves(history: History, path: str | Path, title: str = "") -> Path:
    """Writes loss and accuracy against epochs as a PNG: the notebook's two plots.

    Args:
      history: of a run of at least one epoch.
      path: of the picture; its folder is made if need be.
      title: a line above it.

    Returns:
      The path.

    Raises:
      ValueError: if the history is empty.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     history = History(loss=[0.7, 0.5], accuracy=[0.5, 0.8])
      ...     curves(history, folder + "/curves.png").stat().st_size > 10_000
      True
    """
    # Without pyplot, which takes a second to import and keeps figures in a global.
    from matplotlib.figure import Figure

    if not len(history):
        raise ValueError("the history is empty: train for at least one epoch.")
    figure = Figure(figsize=(9, 3.6))
    # By hand: a layout engine draws everything twice, which takes as long again.
    figure.subplots_adjust(left=0.08, right=0.985, top=0.9, bottom=0.14, wspace=0.2)
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        _draw(axes, history, name)
    figure.suptitle(title, parse_math=False)  # $ starts no formula
    return _write(figure, Path(path))


def _draw(axes: Any, history: History, name: str) -> None:
    metrics = history.metrics()
    epochs = range(1, len(history) + 1)
    lines = (("training", name, "o--"), ("validation", f"val_{name}", "o-"))
    for (label, metric, style), color in zip(lines, COLORS, strict=True):
        if metric in metrics:
            axes.plot(epochs, metrics[metric], style, color=color, label=label, ms=4)
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{name} (nats)" if name == "loss" else name)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


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
    return _write(figure, Path(path))


def _label(figure: Any, axes: Any, points: np.ndarray, names: Sequence[str]) -> None:
    """Writes each word beside its point, where it covers no word before it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    axes.apply_aspect()
    taken: list[Any] = []
    for name, point in zip(names, points, strict=True):
        style = {"textcoords": "offset points", "fontsize": 9, "parse_math": False}
        label = axes.annotate(name, point, PLACES[0][0], **style)
        for offset, side in PLACES:
            label.set(position=offset, ha=side)
            box = label.get_window_extent(renderer)
            if not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)


def _write(figure: Any, path: Path) -> Path:
    """Writes beside, then renames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        figure.savefig(beside, format="png", dpi=150)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return path
