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
      accuracy: training accuracy, measured likewise.
      val_loss: mean validation loss after the epoch; empty without validation.
      val_accuracy: validation accuracy after the epoch; empty without validation.
      seconds: "compile", and "run" for all epochs together.
      layout: whether tables were trained "dense" or "sparse"; see :func:`fit`.

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
    layout: str = "dense"

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


@dataclasses.dataclass(frozen=True)
class Stopping:
    """When a run ends early, and which epoch's state it returns.

    Attributes:
      monitor: the metric that tells epochs apart: "val_loss", "val_accuracy", "loss"
        or "accuracy".
      patience: how many epochs may pass without a better one; None for no end.
      keep_best: whether to return the state of the best epoch, not of the last.

    Example:
      >>> history = History(loss=[0.6, 0.5, 0.7, 0.8])
      >>> [Stopping("loss", patience=n).is_over(history) for n in (2, 3)]
      [True, False]
    """

    monitor: str = "val_loss"
    patience: int | None = None
    keep_best: bool = False

    def check(self, has_validation: bool) -> None:
        """Refuses to watch what is not measured.

        Raises:
          ValueError: if ``monitor`` is no metric, or needs validation data.
        """
        if self.monitor not in MONITORS:
            raise ValueError(
                f"monitor must be one of {MONITORS}, not {self.monitor!r}."
            )
        is_used = self.keep_best or self.patience is not None
        if is_used and self.monitor.startswith("val_") and not has_validation:
            raise ValueError(
                f"stopping watches {self.monitor}: give validation=(ids, labels)."
            )

    def is_over(self, history: History) -> bool:
        """Whether the last ``patience`` epochs brought nothing better."""
        if self.patience is None or not len(history):
            return False
        return len(history) - 1 - history.best_epoch(self.monitor) >= self.patience

    def is_best(self, history: History) -> bool:
        """Whether the state of the last epoch is to be kept."""
        return self.keep_best and history.best_epoch(self.monitor) == len(history) - 1
