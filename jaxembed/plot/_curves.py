"""Curves: the history of one run."""

from pathlib import Path
from typing import Any

from jaxembed.plot._style import COLORS, save_figure
from jaxembed.train import History


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
    return save_figure(figure, Path(path))


def _draw(axes: Any, history: History, name: str) -> None:
    metrics = history.metrics()
    epochs = range(1, len(history) + 1)
    lines = (("training", name, "o--"), ("validation", f"val_{name}", "o-"))
    for (label, metric, style), color in zip(lines, COLORS, strict=False):
        if metric in metrics:
            axes.plot(epochs, metrics[metric], style, color=color, label=label, ms=4)
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{name} (nats)" if name == "loss" else name)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
