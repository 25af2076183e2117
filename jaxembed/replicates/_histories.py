"""Histories: the metrics of each epoch of many runs."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from jaxembed.train._history import MONITORS


@dataclasses.dataclass
class Histories:
    """Metrics of K runs, each ``float64[K, epochs]``.

    A run with a loss or weights that are not finite has NaN from that epoch on.

    Attributes:
      loss: mean training loss, each batch measured before its update.
      accuracy: training accuracy, each batch measured before its update.
      val_loss: mean validation loss after the epoch; ``[K, 0]`` without validation.
      val_accuracy: validation accuracy after the epoch; ``[K, 0]`` without validation.
      seconds: seconds of compilation, "compile", and of training, "run", without
        replicates that a checkpoint has.
      n_parallel: number of replicates trained at a time.

    Example:
      >>> loss, none = np.array([[0.7, 0.6], [0.8, 0.9]]), np.zeros((2, 0))
      >>> histories = Histories(loss, 1 - loss, none, none)
      >>> len(histories), list(histories.metrics())
      (2, ['loss', 'accuracy'])
    """

    loss: np.ndarray
    accuracy: np.ndarray
    val_loss: np.ndarray
    val_accuracy: np.ndarray
    seconds: dict[str, float] = dataclasses.field(
        default_factory=lambda: {"compile": 0.0, "run": 0.0}
    )
    n_parallel: int = 1

    @classmethod
    def of(
        cls,
        metrics: Mapping[str, np.ndarray],
        seconds: dict[str, float],
        n_parallel: int,
    ) -> "Histories":
        """Create histories from metrics by name."""
        loss, accuracy, val_loss, val_accuracy = (metrics[name] for name in MONITORS)
        return cls(loss, accuracy, val_loss, val_accuracy, seconds, n_parallel)

    def __len__(self) -> int:
        return len(self.loss)

    def metrics(self) -> dict[str, np.ndarray]:
        """Return the arrays by name, without empty arrays."""
        arrays = {name: getattr(self, name) for name in MONITORS}
        return {name: array for name, array in arrays.items() if array.size}
