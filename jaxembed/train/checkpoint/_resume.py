"""Resume: save a run while it trains, and continue it with the same bits."""

import dataclasses
import functools
import itertools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax

from jaxembed.dist._processes import share_error
from jaxembed.train._history import History
from jaxembed.train._state import TrainState
from jaxembed.train.checkpoint._arrays import fill
from jaxembed.train.checkpoint._files import KEEP
from jaxembed.train.checkpoint._identity import Identity
from jaxembed.train.checkpoint._joint import (
    CommonSave,
    agree_on_save,
    check_same_files,
    check_same_run,
    find_place,
    gather_places,
    name_run,
)
from jaxembed.train.checkpoint._read import read_newest, read_step
from jaxembed.train.checkpoint._steps import has_checkpoint, list_steps
from jaxembed.train.checkpoint._versions import describe_change, find_versions
from jaxembed.train.checkpoint._write import Extra, write
from jaxembed.train.checkpoint._writer import Writer
from jaxembed.train.sharded._parts import Share
from jaxembed.train.sharded._words import has_views, in_words, keep_views

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


@dataclasses.dataclass(frozen=True)
class Saver:
    """Folder in which a run is saved, and identity of the run.

    Attributes:
      path: a folder; None to save nothing.
      identity: the :func:`fingerprint` of the run.
      is_joint: whether several processes train together. All of them restore. Each
        writes the shards of its own devices, and process 0 all else.
      share: shards of a table that this process has; None for one device.
    """

    path: Path | None = None
    identity: Identity = dataclasses.field(default_factory=dict)
    is_joint: bool = False
    share: Share | None = None

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
        if self.is_joint:
            newest = list_steps(self.path)[:1]
            check_same_run(self.identity, self.path, newest)
        if not has_checkpoint(self.path):
            return start(0)
        read = functools.partial(read_step, share=self.share)
        tree, meta = read_newest(self.path, read, is_joint=self.is_joint)
        if self.is_joint:
            check_same_files(self.path, meta)
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
        path = self.path
        if path is None:
            yield lambda progress: None
            return
        tree = in_words(_as_tree(start))
        is_first = not self.is_joint or jax.process_index() == 0
        is_common = self.is_joint and has_views(tree)
        writer = self._make_writer(path, is_common=is_common)
        if is_first or is_common:
            writer.reserve(tree if is_first else keep_views(tree))
        del tree

        def save(progress: Progress) -> None:
            tree, extra = in_words(_as_tree(progress)), self._describe(progress)
            if is_first or is_common:
                writer.offer(tree if is_first else keep_views(tree), extra)

        try:
            yield save
        except BaseException:  # another process may train on, and share no error
            writer.close()
            raise
        self._close(writer)

    def _make_writer(self, path: Path, *, is_common: bool) -> Writer:
        """Return a writer; ``is_common`` if all processes write their parts."""
        if not is_common:
            return Writer(functools.partial(write, path, keep=KEEP))
        run, numbers = name_run(), itertools.count()

        def write_next(tree: Any, extra: Extra) -> None:
            common = CommonSave(run, next(numbers))
            write(path, tree, extra, keep=KEEP, common=common)

        return Writer(write_next, agree_on_save)

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
