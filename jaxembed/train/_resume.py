"""Resume: a run on disk after each epoch, to go on from there bit by bit."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from jaxembed.train._checkpoint import fill, has_checkpoint, hash_tree, restore, save
from jaxembed.train._history import History
from jaxembed.train._state import TrainState


@dataclasses.dataclass
class Progress:
    """How far a run has come.

    Attributes:
      state: after the last epoch.
      best: after the best epoch, where that is kept, without what is frozen.
      history: of all epochs so far.
    """

    state: TrainState
    best: TrainState | None
    history: History


def fingerprint(
    key: jax.Array, arrays: dict[str, Any], settings: dict[str, Any]
) -> dict[str, Any]:
    """What makes two runs the same, as JSON.

    Args:
      key: of the run.
      arrays: trees of arrays by name.
      settings: numbers and texts by name.

    Returns:
      The key and the settings as they are, and a SHA-256 for each tree of arrays.

    Example:
      >>> run = fingerprint(jax.random.key(7), {"examples": [1]}, {"size": 2})
      >>> run["key"], run["size"], len(run["examples"])
      ([0, 7], 2, 64)
    """
    numbers = jax.random.key_data(key).tolist()
    digests = {name: hash_tree(tree) for name, tree in arrays.items()}
    return {"key": numbers, **digests, **settings}


@dataclasses.dataclass(frozen=True)
class Saver:
    """Where a run is saved, and which run it is.

    Attributes:
      path: a folder, or None for a run that is not saved.
      identity: the :func:`fingerprint` of the run.
    """

    path: Path | None = None
    identity: dict[str, Any] = dataclasses.field(default_factory=dict)

    def load(self, start: Callable[[int], Progress], epochs: int) -> Progress:
        """The run that was saved, or its start if there is none yet.

        Args:
          start: called with a number of epochs; gives the run before its first, in the
            form that it has after so many.
          epochs: how many it is to have.

        Raises:
          ValueError: if what is there is damaged, is longer than ``epochs``, or is
            another run: the error says in what they differ.
        """
        if self.path is None or not has_checkpoint(self.path):
            return start(0)
        tree, extra = restore(self.path)
        saved = extra.get("run", {})
        differing = [n for n in self.identity if saved.get(n) != self.identity[n]]
        if differing:
            raise ValueError(
                f"the checkpoint {self.path} is of a run with other "
                f"{', '.join(differing)}: give another folder, or the same arguments "
                "as before."
            )
        history = History(**extra["history"])
        if len(history) > epochs:
            raise ValueError(
                f"the checkpoint {self.path} has {len(history)} epochs already, more "
                f"than {epochs}: give another folder, or more epochs."
            )
        filled = fill(_as_tree(start(len(history))), tree, self.path)
        return Progress(filled["state"], filled.get("best"), history)

    def save(self, progress: Progress) -> None:
        """Replaces the run that was saved, whole or not at all."""
        if self.path is not None:
            extra = {"run": self.identity, "history": progress.history.to_dict()}
            save(self.path, _as_tree(progress), extra, overwrite=True)


def _as_tree(progress: Progress) -> dict[str, TrainState]:
    best = {} if progress.best is None else {"best": progress.best}
    return {"state": progress.state, **best}
