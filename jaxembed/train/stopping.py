"""Stopping: when a run ends early, and which epoch it keeps."""

import dataclasses

from jaxembed.train.history import MONITORS, History


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
