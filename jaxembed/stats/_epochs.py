"""Samples: finite numbers, a row for each replicate."""

import numpy as np
from numpy.typing import ArrayLike


def finite(values: ArrayLike, name: str, axes: str) -> np.ndarray:
    """``values`` in float64, if they have these axes and every number is finite.

    Args:
      values: ``float[K, ...]``, one row for each replicate.
      name: of the values, for the error.
      axes: such as ``"K, E"``.

    Returns:
      ``float64[K, ...]``.

    Raises:
      ValueError: names the first replicate that is not finite.

    Example:
      >>> finite([1, 2], "values", "K")
      array([1., 2.])
    """
    array = np.asarray(values, np.float64)
    if array.ndim != axes.count(",") + 1 or not array.size:
        raise ValueError(
            f"{name} must be float[{axes}], with at least one number, got the shape "
            f"{list(array.shape)}: K is the replicates, E the epochs."
        )
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        replicate, *epoch = bad[0].tolist()
        where = f" in epoch {epoch[0]}" if epoch else ""
        raise ValueError(
            f"{name} of replicate {replicate} is {array[tuple(bad[0])]}{where}: it "
            "diverged. Lower its learning rate, or leave it out of all arms and "
            "report how many were left out."
        )
    return array


def check_confidence(confidence: float) -> None:
    """Refuses a confidence that is no share between 0 and 1.

    Args:
      confidence: such as 0.95.

    Raises:
      ValueError: says which it was.

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
    """The best value of each replicate, and its epoch.

    The best of many epochs is picked by looking: its mean is better than what the
    same epochs give on other data.

    Args:
      metric: ``float[K, E]``, one row for each replicate.
      is_loss: if True, lower is better.

    Returns:
      ``float[K]``, the best values, and ``int[K]``, their first epochs, from 0.

    Raises:
      ValueError: if a value is not finite, there is none, or the axes are not two.

    Example:
      >>> best_epoch([[0.5, 0.7, 0.6], [0.8, 0.8, 0.7]])
      (array([0.7, 0.8]), array([1, 0]))
    """
    values = finite(metric, "metric", "K, E")
    epochs = values.argmin(axis=1) if is_loss else values.argmax(axis=1)
    return values[np.arange(len(values)), epochs], epochs


def final_epoch(metric: ArrayLike) -> np.ndarray:
    """The value of each replicate after its last epoch.

    Args:
      metric: ``float[K, E]``, one row for each replicate.

    Returns:
      ``float[K]``.

    Raises:
      ValueError: if a value is not finite, there is none, or the axes are not two.

    Example:
      >>> final_epoch([[0.5, 0.7], [0.8, 0.6]])
      array([0.7, 0.6])
    """
    return finite(metric, "metric", "K, E")[:, -1].copy()
