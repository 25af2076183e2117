"""Run: the epochs of one training run, and the state that they advance."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
from flax.traverse_util import flatten_dict

from jaxembed.dist._processes import is_joint
from jaxembed.optim._dense_or_sparse import choose_sparse
from jaxembed.optim._formats import put
from jaxembed.train._compilation import Programs
from jaxembed.train._evaluate import check_batches, evaluate_batches, find_remedy
from jaxembed.train._history import History
from jaxembed.train._setup import Paths, Plan
from jaxembed.train._state import (
    Params,
    TrainState,
    create_state,
    unfreeze,
)
from jaxembed.train.checkpoint._arrays import check_likeness, refill
from jaxembed.train.checkpoint._identity import fingerprint
from jaxembed.train.checkpoint._resume import Progress, Saver
from jaxembed.train.sharded._parts import find_share
from jaxembed.train.sharded._unfreeze import unfreeze_in_place
from jaxembed.train.sharded._words import in_words, spread, to_shapes


@dataclasses.dataclass
class Run:
    """Epochs of a run.

    Attributes:
      programs: the compiled programs, with the plan and the inputs of the run.
      initial: the state before the first epoch.
      sparse: paths of the tables that are trained row by row.
      first_epoch: index of the first epoch; above 0 if a run is resumed.
    """

    programs: Programs
    initial: TrainState
    sparse: Paths
    first_epoch: int = 0

    @property
    def plan(self) -> Plan:
        """The plan of the run."""
        return self.programs.plan

    def start(self, n_done: int, keep_best: bool) -> Progress:
        """Return a new run with the tree structure it has after ``n_done`` epochs."""
        state, epoch = self.initial, self.first_epoch + n_done
        if 0 < self.plan.unfreeze_after < epoch and self._is_frozen(state):
            state = unfreeze_in_place(self.plan, self.sparse, state)
        return Progress(state, copy_state(state) if keep_best else None, History())

    def prepare(self, run: Progress) -> None:
        """Unfreeze tables if the next steps train them, and compile these steps."""
        epoch = self.first_epoch + len(run.history)
        if 0 < self.plan.unfreeze_after <= epoch and self._is_frozen(run.state):
            self._unfreeze(run)
        if not self.programs.has(epoch, run.n_steps):
            start = time.perf_counter()
            self.programs.compile(run.state, epoch, run.n_steps)
            self._validate(run.state)
            run.history.seconds["compile"] += time.perf_counter() - start

    def advance(self, run: Progress) -> bool:
        """Train for one epoch, or for ``save_every`` steps of it, after `prepare`.

        Returns:
          Whether the epoch is finished. Its metrics are then in the history.
        """
        history, n_done = run.history, run.n_steps
        epoch, start = self.first_epoch + len(history), time.perf_counter()
        run.state, metrics, first_bad = self.programs.run(run.state, epoch, n_done)
        pairs = zip(run.sums, jax.device_get(metrics), strict=True)
        sums = tuple(before + float(found) for before, found in pairs)
        bad, n_steps = (
            int(first_bad),
            n_done + self.programs.find_piece(epoch, n_done).n_steps,
        )
        is_end = n_steps == self.programs.steps_per_epoch
        if is_end or bad >= 0:
            loss, correct, n_examples = sums
            history.append(loss=loss / n_examples, accuracy=correct / n_examples)
            self._check_finite(history, bad if bad < 0 else n_done + bad)
        run.n_steps, run.sums = (0, Progress.sums) if is_end else (n_steps, sums)
        if is_end:
            found = self._validate(run.state)
            if found and not math.isfinite(found["loss"]):
                batches = self.programs.inputs.validation
                # The model itself does not take tables in shard order.
                variables = None if self.plan.shards else run.state.variables
                check_batches(self.plan.model, variables, batches)
            history.append(**{f"val_{name}": value for name, value in found.items()})
        history.seconds["run"] += time.perf_counter() - start
        return is_end

    def close(self) -> None:
        """End what the run has started; nothing for arrays."""

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
            "save_every": self.programs.save_every,
            "buckets": [list(bucket[:2]) for bucket in self.programs.buckets],
            "sparse": sorted(map(list, self.sparse)),
            **stopping,
        }
        initial = in_words(self.initial)
        arrays = {
            "examples": self.programs.inputs.in_words(self.plan.shards),
            "initial weights": initial.variables,
            "initial optimizer state": (initial.opt_state, initial.table_states),
        }
        path = Path(checkpoint).absolute()  # as Orbax needs
        identity = fingerprint(self.programs.key, arrays, settings)
        return Saver(
            path, identity, is_joint(self.plan.rules), find_share(self.plan.rules)
        )

    def _describe(self) -> str:
        """Return a digest of the run's programs, equal on all kinds of devices."""
        programs, initial = self.programs, self.initial
        if self.plan.shards is not None:  # as on one device
            plan = dataclasses.replace(self.plan, shards=None)
            inputs = to_shapes(programs.inputs.in_words(self.plan.shards))
            programs = dataclasses.replace(programs, plan=plan, inputs=inputs)
            initial = to_shapes(in_words(initial)).replace(shards=None)
        states = {0: initial}
        if self.plan.unfreeze_after:
            after = functools.partial(unfreeze, programs.plan, self.sparse)
            states[self.plan.unfreeze_after] = jax.eval_shape(after, initial)
        return programs.describe(states)

    def _is_frozen(self, state: TrainState) -> bool:
        """Return whether the tables of ``plan.late`` are still frozen."""
        return bool(self.plan.late & flatten_dict(state.frozen).keys())

    def _unfreeze(self, run: Progress) -> None:
        """Unfreeze the tables of ``plan.late``, in the best state too."""
        best, frozen = run.best, run.state.frozen
        run.state = unfreeze_in_place(self.plan, self.sparse, run.state)
        if best is not None:
            tables = put(frozen, copy=True)
            best = best.replace(frozen=tables)
            best = unfreeze_in_place(self.plan, self.sparse, best)
            run.best = best.replace(frozen={})

    def _check_finite(self, history: History, first_bad: int) -> None:
        """Raise if the loss or the weights of the last epoch are not finite."""
        if not history.is_finite(first_bad):
            inputs = self.programs.inputs
            ids, numbers = jax.device_get((inputs.ids, inputs.examples))
            remedy = find_remedy(self.plan.model, ids[numbers], numbers)
            raise FloatingPointError(history.describe_nan(first_bad, remedy))

    def _validate(self, state: TrainState) -> dict[str, float]:
        """Return the validation metrics, or {} without validation examples."""
        batches, params = self.programs.inputs.validation, state.variables["params"]
        if not batches:
            return {}
        return evaluate_batches(self.plan.network, params, batches, self.plan.loss)


def make_run(
    programs: Programs,
    shape: jax.ShapeDtypeStruct,
    start: TrainState | Params | None,
    sparse: Sequence[Sequence[str]] | None,
) -> Run:
    """Return a run before its first epoch.

    Args:
      programs: programs of the run, not compiled yet.
      shape: shape of the ids of one batch.
      start: a state to continue from, or initial values of some parameters.
      sparse: paths of the tables that a checkpoint of the run trains row by row; None
        without a checkpoint.

    Raises:
      ValueError: if ``start`` does not fit the model, the optimizers or the epoch.
    """
    plan, key = programs.plan, programs.key
    if not isinstance(start, TrainState):
        if sparse is None:
            shapes = jax.eval_shape(plan.model.init, jax.random.key(0), shape)
            paths = choose_sparse(plan.tables, shape, shapes["params"])
        else:
            paths = frozenset(map(tuple, sparse))
        state = create_state(plan, shape, key=key, params=start, sparse=paths)
        return Run(programs, state, paths)
    steps = programs.steps_per_epoch
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

    def expect(plan: Plan, key: jax.Array) -> TrainState:
        state = create_state(plan, shape, key=key, sparse=paths)
        return state if late else unfreeze(plan, paths, state)

    return Run(programs, _adopt(start, plan, key, expect), paths, first_epoch)


def _adopt(
    start: TrainState, plan: Plan, key: jax.Array, expect: Callable[..., TrainState]
) -> TrainState:
    """Return a copy of a state on the devices of a run, if it has the form of the run.

    A copy, since training donates its buffers. It has the structure of the optimizer's
    state, which is made of dicts in a restored state.
    """
    alone, words = dataclasses.replace(plan, shards=None), in_words(start)
    plain = jax.eval_shape(functools.partial(expect, alone), key)
    check_likeness(plain, words, "state")
    if plan.shards is not None:
        stored = jax.eval_shape(functools.partial(expect, plan), key)
        return spread(refill(stored, words), plan.shards, stored, copy=True)
    if start.shards is not None:
        return put(jax.tree.map(np.asarray, refill(plain, words)))
    return refill(plain, put(start, copy=True))


def copy_state(state: TrainState) -> TrainState:
    """Return a copy that training does not consume, without the frozen parameters."""
    return put(state.replace(frozen={}), copy=True)
