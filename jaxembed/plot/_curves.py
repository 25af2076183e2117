"""Curves: loss and accuracy of one run, epoch by epoch."""

from pathlib import Path
from typing import Any

from jaxembed._checks import require
from jaxembed.plot._style import COLORS, draw_chance, make_figure, save_figure
from jaxembed.train import History


def curves(
    history: History,
    path: str | Path,
    title: str = "",
    *,
    chance: float | None = None,
    loss_unit: str = "nats",
) -> Path:
    """Plot loss and accuracy against epochs, as a PNG of two panels.

    A history without accuracies, such as that of a regression, has one panel.

    Args:
      history: history of a run of at least one epoch.
      path: file to write; its folder is created if it does not exist.
      title: text above the panels.
      chance: accuracy of guessing, such as 0.5 for two classes of equal size; drawn as
        a dotted line. None for no line.
      loss_unit: unit of the loss, for the label of its axis.

    Returns:
      The path.

    Raises:
      ImportError: if Matplotlib is not installed.
      ValueError: if the history is empty.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     history = History(loss=[0.7, 0.5], accuracy=[0.5, 0.8])
      ...     curves(history, folder + "/curves.png").stat().st_size > 10_000
      True
    """
    require("matplotlib", "plot")
    if not len(history):
        raise ValueError("the history is empty: train for at least one epoch.")
    names = ["loss", "accuracy"] if history.accuracy else ["loss"]
    figure = make_figure(4.5 * len(names), 3.8, title, above=0.22, below=0.52)
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for name, axes in zip(names, panels, strict=True):
        unit = f" ({loss_unit})" if name == "loss" else ""
        _draw(axes, history, name)
        axes.set(title=name.capitalize(), ylabel=name + unit)
        if chance is not None and name == "accuracy":
            draw_chance(axes, chance)
        axes.legend(frameon=False)
    return save_figure(figure, Path(path))


def _draw(axes: Any, history: History, name: str) -> None:
    """Draw the training and validation values of a metric."""
    metrics = history.metrics()
    epochs = range(1, len(history) + 1)
    lines = (("training", name, "o--"), ("validation", f"val_{name}", "o-"))
    for (label, metric, style), color in zip(lines, COLORS, strict=False):
        if metric in metrics:
            axes.plot(epochs, metrics[metric], style, color=color, label=label, ms=4)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    axes.grid(alpha=0.3)
