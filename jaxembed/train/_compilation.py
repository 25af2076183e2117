"""Compilation: the programs of a run, and their cache on disk for later processes."""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.stages import Traced
from jax.tree_util import PyTreeDef

from jaxembed.optim._formats import Formats, find_formats
from jaxembed.train._epoch import run_epoch
from jaxembed.train._setup import Plan
from jaxembed.train._state import TrainState, split
from jaxembed.train._step import Metrics
from jaxembed.train.data._buckets import Bucket
from jaxembed.train.data._inputs import Inputs
from jaxembed.train.sharded._shards import find_places
from jaxembed.train.sharded._whole import put_whole

STEPS = 16  # steps of a program if the texts are in several buckets

_sizes = ("plan", "batch_size", "shuffle", "columns")


@functools.cache
def _jit(
    structure: PyTreeDef | None, formats: Formats, any_number: bool
) -> jax.stages.Wrapped:
    """Return a jitted :func:`run_epoch` that keeps the memory formats of the state.

    ``structure=None`` stands for default formats. ``any_number`` makes one program for
    any number of steps.
    """
    static = _sizes if any_number else (*_sizes, "n_steps")
    options: dict = {"static_argnames": static, "donate_argnames": "state"}
    if structure is not None:
        options["out_shardings"] = jax.tree.unflatten(structure, formats), None, None
    return jax.jit(run_epoch, **options)


def use_compilation_cache(folder: str | Path | None = None) -> Path:
    """Store compiled programs in a folder, from which later processes load them.

    The folder is JAX's persistent compilation cache. A folder that the user has set,
    such as by ``JAX_COMPILATION_CACHE_DIR``, stays in use. A program is loaded only if
    its code, the versions of JAX and XLA, and the kind of device are equal, so the
    results have the same bits. Call this before the first computation of a process.

    Args:
      folder: folder of the cache, which is created. By default ``jaxembed/compiled`` in
        ``$XDG_CACHE_HOME``, or in ``~/.cache`` if that is not set.

    Returns:
      The folder in use.

    Raises:
      OSError: if the folder cannot be created.

    Example:
      >>> import tempfile
      >>> use_compilation_cache(tempfile.mkdtemp()).is_dir()
      True
    """
    in_use = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if in_use:
        return Path(in_use)
    if folder is None:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(home, "jaxembed", "compiled")
    path = Path(folder).absolute()
    path.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(path))
    # Small programs are stored too: the epoch of the notebook compiles in 0.3 s.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    return path


class Piece(NamedTuple):
    """Steps of an epoch that one program does.

    Attributes:
      bucket: index of the bucket of the texts.
      first: number of earlier steps of the bucket.
      n_steps: number of steps.
    """

    bucket: int
    first: int
    n_steps: int


@dataclasses.dataclass
class Programs:
    """Compiled programs of a run, each for an epoch or for some steps of it.

    There is one for each bucket of texts, for up to ``STEPS`` steps. Without buckets, a
    program does an epoch or ``save_every`` steps, and the last steps of an epoch may be
    another program. If tables are unfrozen, there are twice as many.

    Attributes:
      plan: the plan of the run.
      inputs: arrays that every epoch reads.
      key: random key of the run.
      batch_size: number of examples in a step.
      save_every: number of steps of a program; None for an epoch.
      buckets: texts to train on, by length; empty for one bucket of all.
    """

    plan: Plan
    inputs: Inputs
    key: jax.Array
    batch_size: int
    save_every: int | None = None
    buckets: list[Bucket] = dataclasses.field(default_factory=list)
    _compiled: dict[tuple[bool, int, int], Callable] = dataclasses.field(
        default_factory=dict
    )
    _pieces: tuple[int, list[Piece]] = (-1, [])

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps of an epoch."""
        return sum(self._count_batches())

    def find_piece(self, epoch: int, n_done: int) -> Piece:
        """Return the steps of an epoch that follow after ``n_done`` steps."""
        if self._pieces[0] != epoch:
            self._pieces = epoch, self._order_pieces(epoch)
        n = 0
        for piece in self._pieces[1]:
            if n == n_done:
                return piece
            n += piece.n_steps
        raise ValueError(f"no program of epoch {epoch} begins after {n_done} steps.")

    def has(self, epoch: int, n_done: int) -> bool:
        """Return whether the program of an epoch after ``n_done`` steps is compiled."""
        return self._find(epoch, n_done) in self._compiled

    def compile(self, state: TrainState, epoch: int, n_done: int) -> None:
        """Compile a program, which JAX caches for runs of equal shapes."""
        compiled = self._trace(state, epoch, n_done).lower().compile()
        self._compiled[self._find(epoch, n_done)] = compiled

    def run(
        self, state: TrainState, epoch: int, n_done: int
    ) -> tuple[TrainState, Metrics, jax.Array]:
        """Run the compiled program after ``n_done`` steps; see :func:`run_epoch`.

        ``state`` is donated, except its frozen parameters.
        """
        arguments, options = self._arguments(state, epoch, n_done)
        compiled = self._compiled[self._find(epoch, n_done)]
        after, metrics, first_bad = compiled(*arguments, **options)
        return after.replace(frozen=state.frozen), metrics, first_bad

    def describe(self, states: Mapping[int, TrainState]) -> str:
        """Return a digest of the programs, equal on all kinds of devices.

        Args:
          states: state before the epoch of each number that begins another program.
        """
        digest = hashlib.sha256()
        for epoch, state in states.items():
            if find_formats(state):  # which differ between kinds of devices
                state = jax.eval_shape(lambda state: state, state)
            traced = self._trace(state, epoch, 0, keep_formats=False)
            lowered = traced.lower(lowering_platforms=("cpu",))
            digest.update(lowered.as_text().encode())
        return digest.hexdigest()

    def _count_batches(self) -> list[int]:
        """Return the number of batches of each bucket."""
        sizes = [len(bucket.numbers) for bucket in self.buckets]
        return [-(-n // self.batch_size) for n in sizes or [len(self.inputs.examples)]]

    def _order_pieces(self, epoch: int) -> list[Piece]:
        """Return the pieces of an epoch; those of several buckets in random order."""
        most = STEPS if self.buckets else self.steps_per_epoch
        size = most if self.save_every is None else min(self.save_every, most)
        pieces = [
            Piece(bucket, first, min(size, n - first))
            for bucket, n in enumerate(self._count_batches())
            for first in range(0, n, size)
        ]
        if len(self.buckets) < 2:
            return pieces
        key = jax.random.fold_in(jax.random.fold_in(self.key, epoch), len(pieces))
        order = np.asarray(jax.random.permutation(key, len(pieces)))
        return [pieces[i] for i in order]

    def _find(self, epoch: int, n_done: int) -> tuple[bool, int, int]:
        piece = self.find_piece(epoch, n_done)
        n_steps = 0 if self.buckets else piece.n_steps  # 0 for any number
        return epoch >= self.plan.unfreeze_after, piece.bucket, n_steps

    def _trace(
        self, state: TrainState, epoch: int, n_done: int, *, keep_formats: bool = True
    ) -> Traced:
        arguments, options = self._arguments(state, epoch, n_done)
        plan, sizes = self.plan.at(epoch), {"batch_size": self.batch_size}
        piece = self.find_piece(epoch, n_done)
        formats = self._find_formats(arguments[0]) if keep_formats else ()
        structure = jax.tree.structure(arguments[0]) if formats else None
        run = _jit(structure, formats, bool(self.buckets))
        if self.buckets:
            columns = self.buckets[piece.bucket][:2]
            return run.trace(plan, *arguments, **options, **sizes, columns=columns)
        if self.save_every is not None:
            sizes["n_steps"] = piece.n_steps
        return run.trace(plan, *arguments, **options, **sizes)

    def _find_formats(self, state: TrainState) -> Formats:
        """Return where the arrays of a state are stored; () if nothing is special."""
        if self.plan.shards is None:
            return find_formats(state)
        return tuple(jax.tree.leaves(find_places(state, self.plan.shards)))

    def _arguments(self, state: TrainState, epoch: int, n_done: int) -> tuple:
        ids, labels, examples, _, masks, weights = self.inputs
        data = (ids, labels) if weights is None else (ids, labels, weights)
        masks, _ = split(masks, self.plan.at(epoch).frozen)  # no mask if frozen
        options: dict = {"trainable_rows": masks}
        piece, key = self.find_piece(epoch, n_done), self.key
        if self.save_every is not None or self.buckets:
            options["first"] = np.int32(piece.first)
        if self.buckets:
            options["n_steps"] = np.int32(piece.n_steps)
            examples = jnp.asarray(self.buckets[piece.bucket].numbers)
            key = jax.random.fold_in(key, piece.bucket)
        if self.plan.shards is not None:
            examples, key = put_whole((examples, key), self.plan.shards.rules)
        state, frozen = state.replace(frozen={}), state.frozen
        return (state, frozen, data, examples, key, np.int32(epoch)), options
