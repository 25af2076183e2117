"""Compilation: the programs of a run, and their cache on disk for later processes."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.stages import Traced

from jaxembed.train._epoch import run_epoch
from jaxembed.train._setup import Plan
from jaxembed.train._state import Params, TrainState, split
from jaxembed.train._step import Batch, Metrics

_epoch = jax.jit(
    run_epoch,
    static_argnames=("plan", "batch_size", "shuffle", "n_steps"),
    donate_argnames="state",
)


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


class Inputs(NamedTuple):
    """Arrays that every epoch reads, on the device.

    Attributes:
      ids: ``int32[N, L]``.
      labels: ``int32[N]``.
      examples: ``int32[n]``, the examples to train on.
      validation: batches of validation examples; may be empty.
      trainable_rows: masks ``bool[V]`` by path, for tables with frozen rows only.
      weights: ``float32[N]``, or None if all examples have the weight 1.
    """

    ids: jax.Array
    labels: jax.Array
    examples: jax.Array
    validation: list[Batch]
    trainable_rows: Params
    weights: jax.Array | None = None


@dataclasses.dataclass
class Programs:
    """Compiled programs of a run, each for an epoch or for ``save_every`` steps of it.

    There are two if tables are unfrozen, and one more for each of them if the last
    steps of an epoch are fewer than ``save_every``.

    Attributes:
      plan: the plan of the run.
      inputs: arrays that every epoch reads.
      key: random key of the run.
      batch_size: number of examples in a step.
      save_every: number of steps of a program; None for an epoch.
    """

    plan: Plan
    inputs: Inputs
    key: jax.Array
    batch_size: int
    save_every: int | None = None
    _compiled: dict[tuple[bool, int], Callable] = dataclasses.field(
        default_factory=dict
    )

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps of an epoch."""
        return -(-len(self.inputs.examples) // self.batch_size)

    def count_steps(self, n_done: int) -> int:
        """Return the number of steps of the program after ``n_done`` steps."""
        left = self.steps_per_epoch - n_done
        return left if self.save_every is None else min(self.save_every, left)

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
            traced = self._trace(state, epoch, 0)
            lowered = traced.lower(lowering_platforms=("cpu",))
            digest.update(lowered.as_text().encode())
        return digest.hexdigest()

    def _find(self, epoch: int, n_done: int) -> tuple[bool, int]:
        return epoch >= self.plan.unfreeze_after, self.count_steps(n_done)

    def _trace(self, state: TrainState, epoch: int, n_done: int) -> Traced:
        arguments, options = self._arguments(state, epoch, n_done)
        sizes = {"batch_size": self.batch_size}
        if self.save_every is not None:
            sizes["n_steps"] = self.count_steps(n_done)
        return _epoch.trace(self.plan.at(epoch), *arguments, **options, **sizes)

    def _arguments(self, state: TrainState, epoch: int, n_done: int) -> tuple:
        ids, labels, examples, _, masks, weights = self.inputs
        data = (ids, labels) if weights is None else (ids, labels, weights)
        masks, _ = split(masks, self.plan.at(epoch).frozen)  # no mask if frozen
        options: dict = {"trainable_rows": masks}
        if self.save_every is not None:
            options["first"] = np.int32(n_done)
        state, frozen = state.replace(frozen={}), state.frozen
        arguments = state, frozen, data, examples, self.key, np.int32(epoch)
        return arguments, options
