"""Program: one compiled step for each shape of a batch, with its sums on the device."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.stages import Compiled, Traced

from jaxembed.train._epoch import is_finite
from jaxembed.train._setup import Plan
from jaxembed.train._state import Params, TrainState, split
from jaxembed.train._step import Batch, Metrics, step
from jaxembed.train.data._inputs import Inputs

Sums = tuple[Metrics, jax.Array, jax.Array]  # metrics, number of steps, first bad step


@functools.partial(jax.jit, static_argnames="plan", donate_argnames=("state", "sums"))
def stream_step(
    plan: Plan,
    state: TrainState,
    frozen: Params,
    sums: Sums,
    batch: Batch,
    key: jax.Array,
    epoch: jax.Array,
    trainable_rows: Params,
) -> tuple[TrainState, Sums]:
    """Do a step, and add its metrics to the sums."""
    metrics, n_steps, first_bad = sums
    key = jax.random.fold_in(key, epoch)
    state, found = step(plan, state, frozen, batch, key, trainable_rows=trainable_rows)
    is_first = (first_bad < 0) & ~jnp.isfinite(found.loss)
    first_bad = jnp.where(is_first, n_steps, first_bad)
    return state, (jax.tree.map(jnp.add, metrics, found), n_steps + 1, first_bad)


are_finite = jax.jit(is_finite)


def start_sums() -> Sums:
    """Return sums of no step."""
    zero = jnp.zeros((), jnp.int32)
    return Metrics(jnp.zeros(()), zero, zero + 0), zero + 0, zero - 1


class StreamPrograms(NamedTuple):
    """Compiled steps of a run, by the shapes of the batch.

    Attributes:
      plan: the plan of the run.
      inputs: validation batches and row masks; the rest is empty.
      key: random key of the run.
      save_every: number of steps after which the run is saved; None for an epoch.
      compiled: programs by epoch form and shapes.
    """

    plan: Plan
    inputs: Inputs
    key: jax.Array
    save_every: int | None
    compiled: dict[tuple, Compiled]

    def find(
        self, state: TrainState, batch: Batch, epoch: int
    ) -> tuple[Compiled | None, tuple]:
        """Return the program of a batch, or None, and its key."""
        form = jax.tree.map(lambda x: (x.shape, x.dtype), batch)
        name = (epoch >= self.plan.unfreeze_after, form)
        return self.compiled.get(name), name

    def trace(self, state: TrainState, batch: Batch, epoch: int) -> Traced:
        """Trace the step for a batch, or for its shapes."""
        arguments = self.arguments(state, start_sums(), batch, epoch)
        return stream_step.trace(self.plan.at(epoch), *arguments)

    def arguments(
        self, state: TrainState, sums: Sums, batch: Batch, epoch: int
    ) -> tuple:
        """Return the arguments of the compiled step."""
        masks, _ = split(self.inputs.trainable_rows, self.plan.at(epoch).frozen)
        parts = state.replace(frozen={}), state.frozen, sums, batch
        return (*parts, self.key, jnp.int32(epoch), masks)
