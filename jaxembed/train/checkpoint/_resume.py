"""Resume: save a run after each epoch, and continue it with the same bits."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from jaxembed.train._history import History
from jaxembed.train._state import TrainState
from jaxembed.train.checkpoint._arrays import fill, hash_tree
from jaxembed.train.checkpoint._files import (
    has_checkpoint,
    read_extra,
    restore_arrays,
    save,
)

Identity = dict[str, Any]


@dataclasses.dataclass
class Progress:
    """State and history of a run between two epochs.

    Attributes:
      state: state after the last epoch.
      best: state after the best epoch; None without ``Stopping.keep_best``.
      history: metrics of all epochs so far.
    """

    state: TrainState
    best: TrainState | None
    history: History


def fingerprint(
    key: jax.Array, arrays: Mapping[str, object], settings: Mapping[str, object]
) -> Identity:
    """Return the identity of a run as JSON. Equal runs have an equal identity.

    Args:
      key: random key of the run.
      arrays: trees of arrays by name.
      settings: numbers and strings by name.

    Returns:
      The key, the settings, and a SHA-256 for each tree of arrays.

    Example:
      >>> run = fingerprint(jax.random.key(7), {"examples": [1]}, {"size": 2})
      >>> run["key"], run["size"], len(run["examples"])
      ([0, 7], 2, 64)
    """
    numbers = jax.random.key_data(key).tolist()
    digests = {name: hash_tree(tree) for name, tree in arrays.items()}
    return {"key": numbers, **digests, **settings}


def read_identity(path: str | Path | None) -> Identity:
    """Return the identity of the run saved at ``path``, or {} without a checkpoint.

    Raises:
      ValueError: if the checkpoint is damaged.
    """
    if path is None or not has_checkpoint(Path(path)):
        return {}
    extra = read_extra(path)
    run = extra.get("run", {}) if isinstance(extra, dict) else {}
    return run if isinstance(run, dict) else {}


@dataclasses.dataclass(frozen=True)
class Saver:
    """Folder in which a run is saved, and identity of the run.

    Attributes:
      path: a folder; None to save nothing.
      identity: the :func:`fingerprint` of the run.
    """

    path: Path | None = None
    identity: Identity = dataclasses.field(default_factory=dict)

    def load(self, start: Callable[[int], Progress], epochs: int) -> Progress:
        """Return the saved run, or a new run without a checkpoint.

        Args:
          start: called with a number of epochs; returns a new run with the tree
            structure that the run has after this number of epochs.
          epochs: number of epochs of the whole run.

        Raises:
          ValueError: if the checkpoint is damaged, has more than ``epochs`` epochs, or
            belongs to another run; the error names the settings that differ.
        """
        if self.path is None or not has_checkpoint(self.path):
            return start(0)
        tree, extra = restore_arrays(self.path)
        saved = extra.get("run", {})
        differing = [n for n in self.identity if saved.get(n) != self.identity[n]]
        if differing:
            raise ValueError(
                f"the checkpoint {self.path} belongs to a run that differs in "
                f"{', '.join(differing)}: give another folder, or the same arguments "
                "as before."
            )
        history = History(**extra["history"])
        if len(history) > epochs:
            raise ValueError(
                f"epochs must be at least {len(history)}, the epochs in the checkpoint "
                f"{self.path}, got {epochs}: give another folder, or more epochs."
            )
        filled = fill(_as_tree(start(len(history))), tree, self.path)
        return Progress(filled["state"], filled.get("best"), history)

    def save(self, progress: Progress) -> None:
        """Replace the saved run atomically."""
        if self.path is not None:
            extra = {"run": self.identity, "history": progress.history.to_dict()}
            save(self.path, _as_tree(progress), extra, overwrite=True)


def _as_tree(progress: Progress) -> dict[str, TrainState]:
    best = {} if progress.best is None else {"best": progress.best}
    return {"state": progress.state, **best}
