"""Chunk: some replicates from their initial weights to their last epoch, compiled."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict

from jaxembed.replicates._validation import HeldOut, measure_held_out, read_known
from jaxembed.train._epoch import run_epoch
from jaxembed.train._setup import Plan
from jaxembed.train._state import Params, TrainState, merge, split, start_state
from jaxembed.train._step import Metrics
from jaxembed.train._unfreeze import Paths, unfreeze, unfreeze_plan


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What is fixed when a chunk is compiled.

    Attributes:
      plan: of the first epoch.
      epochs: how many times each example is seen.
      batch_size: B.
      shuffle: whether each epoch has an order of its own.
      late: the paths of the tables that are unfrozen.
      unfreeze_after: after how many epochs they are.
    """

    plan: Plan
    epochs: int
    batch_size: int
    shuffle: bool = True
    late: Paths = frozenset()
    unfreeze_after: int = 0


class Shared(NamedTuple):
    """What all replicates read, once in memory.

    Attributes:
      ids: ``int32[N, L]``.
      labels: ``int32[N]``.
      params: initial values of parameters that are the same in all replicates.
      trainable_rows: see :func:`run_epoch`.
      held_out: examples to measure after each epoch, or None.
    """

    ids: jax.Array
    labels: jax.Array
    params: Params
    trainable_rows: Params
    held_out: HeldOut | None


class Results(NamedTuple):
    """What a chunk of C replicates gives.

    Attributes:
      training: sums over the examples of each epoch, each ``[C, epochs]``.
      held_out: those of the examples held out, or None.
      is_bad: ``bool[C, epochs]``, whether loss or weights were not finite by then.
    """

    training: Metrics
    held_out: Metrics | None
    is_bad: jax.Array


@functools.partial(jax.jit, static_argnames="recipe")
def run_replicates(
    recipe: Recipe,
    key: jax.Array,
    numbers: jax.Array,
    examples: jax.Array,
    shared: Shared,
) -> Results:
    """Trains and measures C replicates, all their epochs, in one program. Pure.

    Args:
      recipe: what is trained, and how.
      key: of all replicates; the number of each is folded in.
      numbers: ``int32[C]``.
      examples: ``int32[C, n]``, the examples of each among the N.
      shared: what they read.

    Returns:
      :class:`Results`.
    """
    plan = recipe.plan
    keys = jax.vmap(functools.partial(jax.random.fold_in, key))(numbers)
    _, common = split(shared.params, plan.frozen)

    def start(key: jax.Array) -> TrainState:
        state = start_state(plan, shared.ids[:1], key, shared.params)
        # What is frozen in all alike is not copied for each.
        return state.replace(frozen=_without(state.frozen, common))

    n_frozen = recipe.unfreeze_after if recipe.late else recipe.epochs
    n_frozen = min(n_frozen, recipe.epochs)
    states = jax.vmap(start)(keys)
    states, *parts = _run_epochs(
        recipe, plan, states, common, shared, examples, keys, jnp.arange(n_frozen)
    )
    if n_frozen < recipe.epochs:
        plan = unfreeze_plan(plan, recipe.late)
        states, common = _unfreeze(recipe, plan, states, common)
        rest = jnp.arange(n_frozen, recipe.epochs)
        more = _run_epochs(recipe, plan, states, common, shared, examples, keys, rest)
        parts = jax.tree.map(lambda *x: jnp.concatenate(x), parts, list(more[1:]))
    training, held_out, is_bad = jax.tree.map(jnp.transpose, parts)
    is_bad = jax.lax.associative_scan(jnp.logical_or, is_bad, axis=1)
    return Results(training, held_out, is_bad)


def _run_epochs(
    recipe: Recipe,
    plan: Plan,
    states: TrainState,
    common: Params,
    shared: Shared,
    examples: jax.Array,
    keys: jax.Array,
    epochs: jax.Array,
) -> tuple[TrainState, Metrics, Metrics | None, jax.Array]:
    """Some epochs of all replicates; metrics of each ``[epochs, C]``."""
    data = shared.ids, shared.labels
    own, states = states.frozen, states.replace(frozen={})
    masks, _ = split(shared.trainable_rows, plan.frozen)
    sizes: Any = {"batch_size": recipe.batch_size, "shuffle": recipe.shuffle}
    held_out, known = shared.held_out, None
    if held_out is not None:
        known = read_known(plan.model, common, held_out)

    def train(epoch: Any, state: Any, own: Any, examples: Any, key: Any) -> Any:
        frozen = merge(own, common)
        arguments = frozen, masks, data, examples, key, epoch
        return run_epoch(plan, state, *arguments, **sizes)

    def measure(state_and_own: tuple[TrainState, Params]) -> Metrics:
        state, own = state_and_own
        variables = state.variables_with(merge(own, common))
        assert held_out is not None
        return measure_held_out(plan.model, variables, held_out, known)

    def body(states: TrainState, epoch: jax.Array) -> Any:
        run = jax.vmap(functools.partial(train, epoch))
        states, metrics, first_bad = run(states, own, examples, keys)
        # One after the other: each is enough to fill a device.
        found = None if held_out is None else jax.lax.map(measure, (states, own))
        return states, (metrics, found, first_bad >= 0)

    states, parts = jax.lax.scan(body, states, epochs)
    return states.replace(frozen=own), *parts


def _unfreeze(
    recipe: Recipe, plan: Plan, states: TrainState, common: Params
) -> tuple[TrainState, Params]:
    """The states under another plan, and what is still frozen in all alike."""

    def move(state: TrainState) -> TrainState:
        state = state.replace(frozen=merge(state.frozen, common))
        state = unfreeze(plan, state, recipe.late)
        return state.replace(frozen=_without(state.frozen, common))

    return jax.vmap(move)(states), split(common, recipe.late)[0]


def _without(tree: Params, other: Params) -> Params:
    """The leaves of a tree at paths where another has none."""
    return split(tree, frozenset(flatten_dict(other)))[0]
