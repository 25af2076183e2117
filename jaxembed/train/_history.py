"""History: the metrics of each epoch of one run, and when they end it."""

import dataclasses
import math
from typing import Any

MONITORS = ("loss", "accuracy", "val_loss", "val_accuracy")


@dataclasses.dataclass
class History:
    """Metrics of a run, with one number for each epoch.

    Attributes:
      loss: mean training loss, each batch measured before its update.
      accuracy: training accuracy, each batch measured before its update.
      val_loss: mean validation loss after the epoch; empty without validation.
      val_accuracy: validation accuracy after the epoch; empty without validation.
      seconds: seconds of compilation, "compile", and of all epochs together, "run".

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
        """Append the metrics of an epoch, given by name."""
        for name, value in metrics.items():
            getattr(self, name).append(value)

    def best_epoch(self, monitor: str = "val_loss") -> int:
        """Return the number, from 0, of the first epoch with the best ``monitor``."""
        values = getattr(self, monitor)
        sign = 1 if monitor.endswith("loss") else -1
        return min(range(len(values)), key=lambda epoch: sign * values[epoch])

    def metrics(self) -> dict[str, list[float]]:
        """Return the lists by name, without empty lists."""
        return {name: getattr(self, name) for name in MONITORS if getattr(self, name)}

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as a dict, for JSON."""
        return dataclasses.asdict(self)

    def is_finite(self, first_bad: int) -> bool:
        """Return whether the loss and the weights of the last epoch are finite.

        Args:
          first_bad: number of steps in this epoch before the first loss or weight that
            is not finite, or -1 if all are finite.
        """
        return first_bad < 0 and math.isfinite(self.loss[-1])

    def describe_nan(self, first_bad: int, remedy: str) -> str:
        """Return the error of a last epoch that is not finite, with its remedy."""
        return (
            f"the loss is {self.loss[-1]} in epoch {len(self)}, and the weights are "
            f"not finite after step {first_bad} of this epoch: {remedy}. This epoch "
            "was not saved."
        )


@dataclasses.dataclass(frozen=True)
class Stopping:
    """Early stopping, and the choice of the returned state.

    Attributes:
      monitor: metric by which epochs are compared: "val_loss", "val_accuracy", "loss"
        or "accuracy".
      patience: number of epochs without improvement after which training stops; None to
        train all epochs.
      keep_best: True to return the state of the best epoch, False of the last.

    Example:
      >>> history = History(loss=[0.6, 0.5, 0.7, 0.8])
      >>> [Stopping("loss", patience=n).is_over(history) for n in (2, 3)]
      [True, False]
    """

    monitor: str = "val_loss"
    patience: int | None = None
    keep_best: bool = False

    def check(self, has_validation: bool) -> None:
        """Raise if ``monitor`` is not measured.

        Raises:
          ValueError: if ``monitor`` is unknown, or needs validation data.
        """
        if self.monitor not in MONITORS:
            raise ValueError(
                f"monitor must be one of {MONITORS}, got {self.monitor!r}."
            )
        is_used = self.keep_best or self.patience is not None
        if is_used and self.monitor.startswith("val_") and not has_validation:
            raise ValueError(
                f"stopping needs {self.monitor}: give validation=(ids, labels)."
            )

    def is_over(self, history: History) -> bool:
        """Return whether the last ``patience`` epochs brought no improvement."""
        if self.patience is None or not len(history):
            return False
        return len(history) - 1 - history.best_epoch(self.monitor) >= self.patience

    def is_best(self, history: History) -> bool:
        """Return whether to keep the state of the last epoch."""
        return self.keep_best and history.best_epoch(self.monitor) == len(history) - 1
