"""Resume: save a run while it trains, and continue it with the same bits."""

import dataclasses
import functools
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax

from jaxembed.dist._processes import share_error
from jaxembed.train._history import History
from jaxembed.train._state import TrainState
from jaxembed.train.checkpoint._arrays import fill, hash_tree
from jaxembed.train.checkpoint._files import KEEP
from jaxembed.train.checkpoint._joint import check_same_run, find_place, gather_places
from jaxembed.train.checkpoint._read import read_meta, read_newest, read_step
from jaxembed.train.checkpoint._steps import has_checkpoint
from jaxembed.train.checkpoint._versions import describe_change, find_versions
from jaxembed.train.checkpoint._write import Extra, write
from jaxembed.train.checkpoint._writer import Writer
from jaxembed.train.sharded._words import in_words, to_host

Identity = dict[str, Any]
COMPILERS = ("jax", "jaxlib")  # packages that turn a program into machine code


@dataclasses.dataclass
class Progress:
    """State and history of a run between two epochs, or within an epoch.

    Attributes:
      state: state after the last step.
      best: state after the best epoch; None without ``Stopping.keep_best``.
      history: metrics of all finished epochs.
      n_steps: number of finished steps of the present epoch; 0 between two epochs.
      sums: sums over the examples of these steps, as in
        :class:`jaxembed.train._step.Metrics`.
      place: for a stream of batches, the number of all batches and the state of the
        iterator, for JSON; else None.
    """

    state: TrainState
    best: TrainState | None
    history: History
    n_steps: int = 0
    sums: tuple[float, ...] = (0.0, 0.0, 0.0)
    place: dict[str, Any] | None = None

    @property
    def n_batches(self) -> int:
        """Number of all batches of a stream that were trained on."""
        return 0 if self.place is None else self.place["n_batches"]


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
    # Saver.load reads the folder again, and warns.
    extra = read_newest(Path(path), read_meta, warn=False)["extra"]
    run = extra.get("run", {}) if isinstance(extra, dict) else {}
    return run if isinstance(run, dict) else {}


@dataclasses.dataclass(frozen=True)
class Saver:
    """Folder in which a run is saved, and identity of the run.

    Attributes:
      path: a folder; None to save nothing.
      identity: the :func:`fingerprint` of the run.
      is_joint: whether several processes train together. All of them restore, and
        process 0 writes.
    """

    path: Path | None = None
    identity: Identity = dataclasses.field(default_factory=dict)
    is_joint: bool = False

    def load(self, start: Callable[[int], Progress], epochs: int) -> Progress:
        """Return the saved run, or a new run without a checkpoint.

        Args:
          start: called with a number of epochs; returns a new run with the tree
            structure that the run has after this number of epochs.
          epochs: number of epochs of the whole run.

        Raises:
          ValueError: if the checkpoint is damaged, has more than ``epochs`` epochs, or
            belongs to another run; the error names the settings and the versions that
            differ. In a joint run, also if the processes find different checkpoints.

        Warns:
          UserWarning: if JAX or jaxlib have other versions. The run is resumed, as its
            program is equal, but its bits are promised on equal versions only.
        """
        if self.path is None:
            return start(0)
        is_new = not has_checkpoint(self.path)
        tree, meta = ({}, {}) if is_new else read_newest(self.path, read_step)
        if self.is_joint:
            check_same_run(self.identity, self.path, meta.get("arrays"))
        if is_new:
            return start(0)
        extra = meta["extra"]
        saved = extra.get("run", {}) if isinstance(extra, dict) else {}
        differing = [n for n in self.identity if saved.get(n) != self.identity[n]]
        change = describe_change(meta["versions"], find_versions())
        if differing:
            versions = f"Versions: {change}." if change else "The versions are equal."
            raise ValueError(
                f"the checkpoint {self.path} belongs to a run that differs in "
                f"{', '.join(differing)}: give another folder, or the same arguments "
                f"as before. {versions}"
            )
        if any(meta["versions"].get(n) != find_versions()[n] for n in COMPILERS):
            warnings.warn(
                f"the checkpoint {self.path} has other versions: {change}. The run is "
                "resumed, but may end with other bits than an uninterrupted run.",
                stacklevel=3,
            )
        history, n_steps = History(**extra["history"]), extra["n_steps"]
        n_begun = len(history) + (n_steps > 0)
        if n_begun > epochs:
            raise ValueError(
                f"epochs must be at least {n_begun}, the epochs in the checkpoint "
                f"{self.path}, got {epochs}: give another folder, or more epochs."
            )
        filled = fill(_as_tree(start(n_begun)), tree, self.path)
        sums = tuple(extra["sums"])
        best, place = filled.get("best"), find_place(extra, self.path)
        return Progress(filled["state"], best, history, n_steps, sums, place)

    @contextmanager
    def saving(self, start: Progress) -> Iterator[Callable[[Progress], None]]:
        """Yield a function that saves the run in the background.

        The function copies the run, so that training can continue at once. The end of
        the ``with`` block waits until the last copy is written, also after an error.

        Args:
          start: the run before the next step, whose memory is reserved for copies.

        Raises:
          OSError: if a save failed.
        """
        if self.path is None:
            yield lambda progress: None
            return
        writer = Writer(functools.partial(write, self.path, keep=KEEP))
        is_writing = not self.is_joint or jax.process_index() == 0
        if is_writing:
            writer.reserve(in_words(_as_tree(start)))

        def save(progress: Progress) -> None:
            tree, extra = in_words(_as_tree(progress)), self._describe(progress)
            if self.is_joint:
                tree = to_host(tree, keep=is_writing)
            if is_writing:
                writer.offer(tree, extra)

        try:
            yield save
        except BaseException:  # another process may train on, and share no error
            writer.close()
            raise
        self._close(writer)

    def _close(self, writer: Writer) -> None:
        """Wait for the last save; in a joint run, in all processes."""
        error = None
        try:
            writer.close()
        except Exception as raised:
            error = raised
        if self.is_joint:
            share_error(error, "cannot write the checkpoint")
        elif error is not None:
            raise error

    def _describe(self, progress: Progress) -> Extra:
        """Return all but the arrays of a run as JSON."""
        places = [progress.place]
        if self.is_joint:
            places = gather_places(progress.place)
        return {
            "run": self.identity,
            "history": progress.history.to_dict(),
            "n_steps": progress.n_steps,
            "sums": list(progress.sums),
            "place": places[0],
            **({"places": places} if len(places) > 1 else {}),
        }


def _as_tree(progress: Progress) -> dict[str, TrainState]:
    best = {} if progress.best is None else {"best": progress.best}
    return {"state": progress.state, **best}
