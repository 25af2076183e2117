"""History: the metrics of each epoch, of one run."""

import dataclasses
import math
from typing import Any

MONITORS = ("loss", "accuracy", "val_loss", "val_accuracy")


@dataclasses.dataclass
class History:
    """The metrics of a run, a number for each epoch.

    Attributes:
      loss: mean training loss, each batch measured before its update.
      accuracy: training accuracy, each batch measured before its update.
      val_loss: mean validation loss after the epoch; empty without validation.
      val_accuracy: validation accuracy after the epoch; empty without validation.
      seconds: "compile", and "run" for all epochs together.

    Example:
      >>> history = History()
      >>> history.append(loss=0.7, accuracy=0.5, val_loss=0.69, val_accuracy=0.52)
      >>> history.append(loss=0.6, accuracy=0.6, val_loss=0.68, val_accuracy=0.51)
      >>> len(history), history.best_epoch("val_loss"), history.best_epoch("accuracy")
      (2, 1, 1)
    """

    loss: list[float] = dataclasses.field(default_factory=list)
    accuracy: list[float] = dataclasses.field(default_factory=list)
    val_loss: list[float] = dataclasses.field(default_factory=list)
    val_accuracy: list[float] = dataclasses.field(default_factory=list)
    seconds: dict[str, float] = dataclasses.field(
        default_factory=lambda: {"compile": 0.0, "run": 0.0}
    )

    def __len__(self) -> int:
        return len(self.loss)

    def append(self, **metrics: float) -> None:
        """Adds the metrics of an epoch by their names."""
        for name, value in metrics.items():
            getattr(self, name).append(value)

    def best_epoch(self, monitor: str = "val_loss") -> int:
        """The first epoch, from 0, that was best by ``monitor``, one of the metrics."""
        values = getattr(self, monitor)
        sign = 1 if monitor.endswith("loss") else -1
        return min(range(len(values)), key=lambda epoch: sign * values[epoch])

    def metrics(self) -> dict[str, list[float]]:
        """The lists by their names, without those that are empty."""
        return {name: getattr(self, name) for name in MONITORS if getattr(self, name)}

    def to_dict(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return dataclasses.asdict(self)

    def check_finite(self, first_bad: int) -> None:
        """Stops a run whose loss or weights are not numbers.

        Args:
          first_bad: the step of the epoch just appended before which the weights were
            first not finite, or -1.

        Raises:
          FloatingPointError: names the epoch and the step.
        """
        if first_bad >= 0 or not math.isfinite(self.loss[-1]):
            raise FloatingPointError(
                f"the loss is {self.loss[-1]} in epoch {len(self)}, and the weights "
                f"are not finite after step {first_bad} of it: lower the learning "
                "rate, or look for NaN in the initial weights. Nothing of this epoch "
                "was saved."
            )
