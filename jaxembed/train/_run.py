"""Run: the compiled epochs of one training run, and the state that they advance."""

import dataclasses
import functools
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict
from jax.stages import Traced

from jaxembed.optim._dense_or_sparse import choose_sparse
from jaxembed.train._epoch import run_epoch
from jaxembed.train._evaluate import evaluate_batches
from jaxembed.train._history import History
from jaxembed.train._setup import Paths, Plan
from jaxembed.train._state import (
    Params,
    TrainState,
    create_state,
    split,
    unfreeze,
)
from jaxembed.train._step import Batch, mean_metrics
from jaxembed.train.checkpoint._arrays import check_likeness, refill
from jaxembed.train.checkpoint._resume import Progress, Saver, fingerprint

_epoch = jax.jit(
    run_epoch,
    static_argnames=("plan", "batch_size", "shuffle"),
    donate_argnames="state",
)


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
class Run:
    """Epochs of a run: one compiled program, or two if tables are unfrozen.

    Attributes:
      plan: the plan of the run.
      inputs: arrays that every epoch reads.
      key: random key of the run.
      batch_size: number of examples in a step.
      initial: the state before the first epoch.
      sparse: paths of the tables that are trained row by row.
      first_epoch: index of the first epoch; above 0 if a run is resumed.
    """

    plan: Plan
    inputs: Inputs
    key: jax.Array
    batch_size: int
    initial: TrainState
    sparse: Paths
    first_epoch: int = 0
    _programs: dict[bool, Callable] = dataclasses.field(default_factory=dict)

    def start(self, n_done: int, keep_best: bool) -> Progress:
        """Return a new run with the tree structure it has after ``n_done`` epochs."""
        state, epoch = self.initial, self.first_epoch + n_done
        if 0 < self.plan.unfreeze_after < epoch and self._is_frozen(state):
            state = unfreeze(self.plan, self.sparse, state)
        return Progress(state, copy_state(state) if keep_best else None, History())

    def prepare(self, run: Progress) -> Callable:
        """Unfreeze tables if the next epoch trains them; return its program."""
        epoch = self.first_epoch + len(run.history)
        if 0 < self.plan.unfreeze_after <= epoch and self._is_frozen(run.state):
            self._unfreeze(run)
        return self._compile(run, epoch)

    def advance(self, run: Progress) -> None:
        """Train for one epoch, and append its metrics to the history."""
        program, history = self.prepare(run), run.history
        epoch = self.first_epoch + len(history)
        start = time.perf_counter()
        frozen = run.state.frozen
        *arguments, masks = self._arguments(run.state, epoch)
        state, metrics, first_bad = program(*arguments, trainable_rows=masks)
        run.state = state.replace(frozen=frozen)
        history.append(**mean_metrics([metrics]))
        history.check_finite(int(first_bad))
        if self.inputs.validation:
            found = self._validate(run.state)
            history.append(**{f"val_{name}": value for name, value in found.items()})
        history.seconds["run"] += time.perf_counter() - start

    def make_saver(
        self, checkpoint: str | Path | None, stopping: Mapping[str, object]
    ) -> Saver:
        """Return the :class:`Saver` of the run, with the identity of the run."""
        if checkpoint is None:
            return Saver()
        settings = {
            "program": self._describe(),
            "first_epoch": self.first_epoch,
            "unfreeze_after": self.plan.unfreeze_after,
            "sparse": sorted(map(list, self.sparse)),
            **stopping,
        }
        arrays = {
            "examples": self.inputs,
            "initial weights": self.initial.variables,
            "initial optimizer state": (
                self.initial.opt_state,
                self.initial.table_states,
            ),
        }
        path = Path(checkpoint).absolute()  # as Orbax needs
        return Saver(path, fingerprint(self.key, arrays, settings))

    def _describe(self) -> str:
        """Return a digest of the run's programs, equal on all kinds of devices."""
        states = {0: self.initial}
        if self.plan.unfreeze_after:
            after = functools.partial(unfreeze, self.plan, self.sparse)
            states[self.plan.unfreeze_after] = jax.eval_shape(after, self.initial)
        digest = hashlib.sha256()
        for epoch, state in states.items():
            lowered = self._trace(state, epoch).lower(lowering_platforms=("cpu",))
            digest.update(lowered.as_text().encode())
        return digest.hexdigest()

    def _is_frozen(self, state: TrainState) -> bool:
        """Return whether the tables of ``plan.late`` are still frozen."""
        return bool(self.plan.late & flatten_dict(state.frozen).keys())

    def _unfreeze(self, run: Progress) -> None:
        """Unfreeze the tables of ``plan.late``, in the best state too."""
        best, frozen = run.best, run.state.frozen
        run.state = unfreeze(self.plan, self.sparse, run.state)
        if best is not None:
            tables = jax.tree.map(jnp.copy, frozen)
            best = unfreeze(self.plan, self.sparse, best.replace(frozen=tables))
            run.best = best.replace(frozen={})

    def _compile(self, run: Progress, epoch: int) -> Callable:
        """Return the compiled epoch, which JAX caches for runs of equal shapes."""
        is_late = epoch >= self.plan.unfreeze_after
        if is_late not in self._programs:
            start = time.perf_counter()
            self._programs[is_late] = self._trace(run.state, epoch).lower().compile()
            if self.inputs.validation:
                self._validate(run.state)
            run.history.seconds["compile"] += time.perf_counter() - start
        return self._programs[is_late]

    def _trace(self, state: TrainState, epoch: int) -> Traced:
        plan, size = self.plan.at(epoch), {"batch_size": self.batch_size}
        state, frozen, *rest, masks = self._arguments(state, epoch)
        return _epoch.trace(plan, state, frozen, *rest, trainable_rows=masks, **size)

    def _arguments(self, state: TrainState, epoch: int) -> tuple:
        ids, labels, examples, _, masks, weights = self.inputs
        data = (ids, labels) if weights is None else (ids, labels, weights)
        masks, _ = split(masks, self.plan.at(epoch).frozen)  # no mask if frozen
        state, frozen = state.replace(frozen={}), state.frozen
        return state, frozen, data, examples, self.key, np.int32(epoch), masks

    def _validate(self, state: TrainState) -> dict[str, float]:
        params = state.variables["params"]
        return evaluate_batches(self.plan.model, params, self.inputs.validation)


def make_run(
    plan: Plan,
    inputs: Inputs,
    shape: jax.ShapeDtypeStruct,
    key: jax.Array,
    start: TrainState | Params | None,
    sparse: Sequence[Sequence[str]] | None,
) -> Run:
    """Return a run before its first epoch.

    Args:
      plan: the plan of the run.
      inputs: arrays that every epoch reads.
      shape: shape of the ids of one batch.
      key: random key of the run.
      start: a state to continue from, or initial values of some parameters.
      sparse: paths of the tables that a checkpoint of the run trains row by row; None
        without a checkpoint.

    Raises:
      ValueError: if ``start`` does not fit the model, the optimizers or the epoch.
    """
    batch_size = shape.shape[0]
    if not isinstance(start, TrainState):
        if sparse is None:
            shapes = jax.eval_shape(plan.model.init, jax.random.key(0), shape)
            paths = choose_sparse(plan.tables, shape, shapes["params"])
        else:
            paths = frozenset(map(tuple, sparse))
        state = create_state(plan, shape, key=key, params=start, sparse=paths)
        return Run(plan, inputs, key, batch_size, state, paths)
    steps = -(-len(inputs.examples) // batch_size)
    first_epoch, rest = divmod(int(start.step), steps)
    if rest:
        raise ValueError(
            f"state must be at the end of an epoch of {steps} steps, got a state after "
            f"{int(start.step)} steps: give the same batch_size and number of examples "
            "as before."
        )
    late = plan.late & flatten_dict(start.frozen).keys()
    paths = frozenset(flatten_dict(start.tables))
    shapes = jax.eval_shape(plan.model.init, jax.random.key(0), shape)["params"]
    paths |= choose_sparse(plan.tables & late, shape, shapes)

    def expect(key: jax.Array) -> TrainState:
        state = create_state(plan, shape, key=key, sparse=paths)
        return state if late else unfreeze(plan, paths, state)

    expected = jax.eval_shape(expect, key)
    check_likeness(expected, start, "state")
    # A copy, since training donates its buffers. It has the structure of the
    # optimizer's state, which is made of dicts in a restored state.
    state = refill(expected, jax.tree.map(jnp.copy, start))
    return Run(plan, inputs, key, batch_size, state, paths, first_epoch)


def copy_state(state: TrainState) -> TrainState:
    """Return a copy that training does not consume, without the frozen parameters."""
    return jax.tree.map(jnp.copy, state.replace(frozen={}))
