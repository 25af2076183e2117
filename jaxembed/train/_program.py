"""Program: the compiled epochs of a run, and the run that they advance."""

import dataclasses
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxembed.train._checkpoint import hash_tree
from jaxembed.train._epoch import run_epoch
from jaxembed.train._evaluate import evaluate_batches, means
from jaxembed.train._resume import Progress
from jaxembed.train._setup import Plan
from jaxembed.train._state import Params, TrainState, split
from jaxembed.train._step import Batch
from jaxembed.train._unfreeze import Paths, unfreeze, unfreeze_plan

_epoch = jax.jit(
    run_epoch,
    static_argnames=("plan", "batch_size", "shuffle"),
    donate_argnames="state",
)


class Inputs(NamedTuple):
    """What every epoch reads, on the device.

    Attributes:
      ids: ``int32[N, L]``.
      labels: ``int32[N]``.
      examples: ``int32[n]``, the examples that are trained on.
      validation: batches of other examples; may be empty.
      trainable_rows: ``bool[V]`` at the paths of the tables that have some rows which
        are not trained.
    """

    ids: jax.Array
    labels: jax.Array
    examples: jax.Array
    validation: list[Batch]
    trainable_rows: Params


def find_constants(jaxpr: Any) -> list[Any]:
    """The arrays that a jaxpr has closed over, whose text does not show them."""
    found = list(getattr(jaxpr, "consts", []))
    for equation in jaxpr.eqns:
        for value in jax.tree.leaves(equation.params, is_leaf=_is_jaxpr):
            found += find_constants(value) if _is_jaxpr(value) else []
    return found


def describe(jaxprs: list[Any]) -> str:
    """All that some jaxprs compute, as text: equal for the same program."""
    text = re.sub(r" at 0x[0-9a-f]+", "", "\n".join(map(str, jaxprs)))
    constants = [value for jaxpr in jaxprs for value in find_constants(jaxpr)]
    return f"{text}\nconstants {hash_tree(constants)}"


def _is_jaxpr(value: Any) -> bool:
    return hasattr(value, "eqns")


@dataclasses.dataclass
class Program:
    """The epochs of a run: one compiled program, or two if tables are unfrozen.

    Attributes:
      plan: of the first epoch.
      inputs: of every epoch.
      key: of the run.
      static: the other static arguments of :func:`run_epoch`.
      late: the paths of the tables that are unfrozen.
      unfreeze_after: after how many epochs they are.
    """

    plan: Plan
    inputs: Inputs
    key: jax.Array
    static: dict[str, Any]
    late: Paths = frozenset()
    unfreeze_after: int = 0
    _compiled: dict[bool, Callable] = dataclasses.field(default_factory=dict)

    def trace(self, state: TrainState, is_late: bool = False) -> Any:
        """The epoch, traced: ``jaxpr`` says what it computes."""
        plan = self._plan(is_late)
        return _epoch.trace(plan, *self._arguments(plan, state, 0), **self.static)

    def describe(self, state: TrainState) -> str:
        """All that is computed, with the optimizer and its numbers, as text."""
        jaxprs = [self.trace(state).jaxpr]
        if self.unfreeze_after:
            plan, late = self._plan(True), self.late
            after = jax.eval_shape(lambda state: unfreeze(plan, state, late), state)
            jaxprs.append(self.trace(after, is_late=True).jaxpr)
        return describe(jaxprs)

    def restart(self, start: Progress, epochs: int) -> Progress:
        """A run before its first epoch, in the form it has after ``epochs``."""
        return self._unfreeze(start) if 0 < self.unfreeze_after < epochs else start

    def advance(self, run: Progress) -> None:
        """Trains for one epoch and measures it."""
        history, n_done = run.history, len(run.history)
        if 0 < self.unfreeze_after == n_done:
            unfrozen = self._unfreeze(run)
            run.state, run.best = unfrozen.state, unfrozen.best
        is_late = 0 < self.unfreeze_after <= n_done
        if is_late not in self._compiled:
            self._compile(run, is_late)
        start = time.perf_counter()
        frozen = run.state.frozen
        arguments = self._arguments(self._plan(is_late), run.state, n_done)
        state, metrics, first_bad = self._compiled[is_late](*arguments)
        run.state = state.replace(frozen=frozen)
        history.append(**means([metrics]))
        history.check_finite(int(first_bad))
        if self.inputs.validation:
            params = run.state.variables["params"]
            held_out = evaluate_batches(self.plan.model, params, self.inputs.validation)
            history.append(**{f"val_{name}": value for name, value in held_out.items()})
        history.seconds["run"] += time.perf_counter() - start

    def _plan(self, is_late: bool) -> Plan:
        return unfreeze_plan(self.plan, self.late) if is_late else self.plan

    def _arguments(self, plan: Plan, state: TrainState, epoch: int) -> tuple:
        ids, labels, examples, _, masks = self.inputs
        masks, _ = split(masks, plan.frozen)  # a table that is frozen needs none
        state, frozen = state.replace(frozen={}), state.frozen
        return state, frozen, masks, (ids, labels), examples, self.key, np.int32(epoch)

    def _compile(self, run: Progress, is_late: bool) -> None:
        """The compiled epoch, which JAX keeps for the next run of the same shapes."""
        start = time.perf_counter()
        is_first = not self._compiled
        self._compiled[is_late] = self.trace(run.state, is_late).lower().compile()
        if self.inputs.validation and is_first:
            params = run.state.variables["params"]
            evaluate_batches(self.plan.model, params, self.inputs.validation)
        run.history.seconds["compile"] += time.perf_counter() - start

    def _unfreeze(self, run: Progress) -> Progress:
        plan, best = self._plan(True), run.best
        if best is not None:  # it shares what is frozen with the run's state
            tables = jax.tree.map(jnp.copy, run.state.frozen)
            best = unfreeze(plan, best.replace(frozen=tables), self.late)
            best = best.replace(frozen={})
        return Progress(unfreeze(plan, run.state, self.late), best, run.history)
