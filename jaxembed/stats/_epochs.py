"""Epochs: check the metrics of replicates, and select the best or the last epoch."""

import numpy as np
from numpy.typing import ArrayLike


def finite(values: ArrayLike, name: str, axes: str) -> np.ndarray:
    """Convert values to float64, and check that they are finite and have these axes.

    Args:
      values: ``float[K, ...]``, one row for each replicate.
      name: name of the values, for the error.
      axes: names of the axes, such as ``"K, E"``.

    Returns:
      ``float64[K, ...]``.

    Raises:
      ValueError: if the axes differ, an axis is empty, or a value is not finite; the
        error names the first replicate with such a value.

    Example:
      >>> finite([1, 2], "values", "K")
      array([1., 2.])
    """
    array = np.asarray(values, np.float64)
    if array.ndim != axes.count(",") + 1 or not array.size:
        raise ValueError(
            f"{name} must be float[{axes}] with at least one number, got shape "
            f"{list(array.shape)} (K: replicates, E: epochs)."
        )
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        replicate, *epoch = bad[0].tolist()
        where = f" in epoch {epoch[0]}" if epoch else ""
        raise ValueError(
            f"{name} must be finite, got {array[tuple(bad[0])]} for replicate "
            f"{replicate}{where}: its training diverged. Lower the learning rate, or "
            "leave the replicate out of all arms and report the number left out."
        )
    return array


def check_confidence(confidence: float) -> None:
    """Raise unless the confidence is between 0 and 1.

    Args:
      confidence: a share, such as 0.95.

    Raises:
      ValueError: if the confidence is out of range.

    Example:
      >>> check_confidence(0.95)
    """
    if not 0 < confidence < 1:
        raise ValueError(
            f"confidence must be between 0 and 1, such as 0.95, got {confidence}."
        )


def best_epoch(
    metric: ArrayLike, is_loss: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best value of each replicate, and its epoch.

    The epoch is selected by the metric itself, so the mean of the best values is
    optimistic: on other data, the same epochs have a worse mean.

    Args:
      metric: ``float[K, E]``, one row for each replicate.
      is_loss: if True, lower is better.

    Returns:
      ``float[K]``, the best values, and ``int[K]``, the first epochs that reach them,
      counted from 0.

    Raises:
      ValueError: if ``metric`` is empty, is not two-dimensional, or is not finite.

    Example:
      >>> best_epoch([[0.5, 0.7, 0.6], [0.8, 0.8, 0.7]])
      (array([0.7, 0.8]), array([1, 0]))
    """
    values = finite(metric, "metric", "K, E")
    epochs = values.argmin(axis=1) if is_loss else values.argmax(axis=1)
    return values[np.arange(len(values)), epochs], epochs


def final_epoch(metric: ArrayLike) -> np.ndarray:
    """Return the value of each replicate after its last epoch.

    Args:
      metric: ``float[K, E]``, one row for each replicate.

    Returns:
      ``float[K]``.

    Raises:
      ValueError: if ``metric`` is empty, is not two-dimensional, or is not finite.

    Example:
      >>> final_epoch([[0.5, 0.7], [0.8, 0.6]])
      array([0.7, 0.6])
    """
    return finite(metric, "metric", "K, E")[:, -1].copy()
