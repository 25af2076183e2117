"""Program: train a batch of replicates, all their epochs, in one compiled program."""

import dataclasses
import functools
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict
from jax.sharding import Mesh, PartitionSpec

from jaxembed.replicates._validation import (
    Validation,
    embed_shared,
    measure_validation,
)
from jaxembed.train._epoch import run_epoch
from jaxembed.train._setup import Paths, Plan
from jaxembed.train._state import (
    Params,
    TrainState,
    merge,
    split,
    start_state,
    unfreeze,
)
from jaxembed.train._step import Metrics


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Settings that are fixed when the program is compiled.

    Attributes:
      plan: the plan of each replicate.
      sparse: paths of the tables that are trained row by row.
      epochs: number of passes over the examples.
      batch_size: number of examples in a step, B.
    """

    plan: Plan
    sparse: Paths
    epochs: int
    batch_size: int


class Shared(NamedTuple):
    """Arrays that all replicates read, once in memory.

    Attributes:
      ids: ``int32[N, L]``.
      labels: ``int32[N]``.
      params: initial values of the parameters that all replicates share.
      trainable_rows: row masks, see :func:`jaxembed.train.step`.
      validation: examples on which to measure each epoch, or None.
    """

    ids: jax.Array
    labels: jax.Array
    params: Params
    trainable_rows: Params
    validation: Validation | None


class Results(NamedTuple):
    """Metrics of a batch of C replicates.

    Attributes:
      training: sums over the examples of each epoch, each ``[C, epochs]``.
      validation: sums over the validation examples, or None.
      is_bad: ``bool[C, epochs]``, True from the first epoch in which loss or weights
        were not finite.
    """

    training: Metrics
    validation: Metrics | None
    is_bad: jax.Array


@functools.partial(jax.jit, static_argnames=("recipe", "mesh"))
def run_replicates(
    recipe: Recipe,
    key: jax.Array,
    numbers: jax.Array,
    examples: jax.Array,
    shared: Shared,
    *,
    mesh: Mesh | None = None,
) -> Results:
    """Train and measure C replicates, all their epochs, in one program. Pure.

    Args:
      recipe: settings of all replicates.
      key: random key; the number of each replicate is folded in.
      numbers: ``int32[C]``, numbers of the replicates.
      examples: ``int32[C, n]``, numbers of the examples of each replicate.
      shared: arrays that all replicates read.
      mesh: mesh with one axis, over which the replicates are spread; C is a multiple of
        the number of its devices. None for one device.

    Returns:
      :class:`Results`.
    """
    run = functools.partial(_run_all, recipe)
    if mesh is not None:
        own, whole = PartitionSpec(mesh.axis_names), PartitionSpec()
        specs = whole, own, own, whole
        # Each device runs the program of one device, without any communication.
        run = jax.shard_map(
            run, mesh=mesh, in_specs=specs, out_specs=own, check_vma=False
        )
    return run(key, numbers, examples, shared)


def _run_all(
    recipe: Recipe,
    key: jax.Array,
    numbers: jax.Array,
    examples: jax.Array,
    shared: Shared,
) -> Results:
    """Train and measure replicates on one device."""
    plan, length = recipe.plan, shared.ids.shape[1]
    keys = jax.vmap(functools.partial(jax.random.fold_in, key))(numbers)
    # Frozen parameters that all replicates share stay in memory once.
    _, common = split(shared.params, plan.at(0).frozen)

    def start(key: jax.Array) -> TrainState:
        state = start_state(plan, recipe.sparse, (1, length), key, shared.params)
        return state.replace(frozen=_without(state.frozen, common))

    states = jax.vmap(start)(keys)
    n_frozen = min(plan.unfreeze_after, recipe.epochs)
    parts = []
    for first, end in ((0, n_frozen), (n_frozen, recipe.epochs)):
        if first == end:
            continue
        if first:
            states, common = _unfreeze(recipe, states, common)
        epochs, arguments = jnp.arange(first, end), (common, shared, examples, keys)
        states, some = _run_epochs(recipe, plan.at(first), states, *arguments, epochs)
        parts.append(some)
    found = jax.tree.map(lambda *x: jnp.concatenate(x).T, *parts)
    is_bad = jax.lax.associative_scan(jnp.logical_or, found.is_bad, axis=1)
    return found._replace(is_bad=is_bad)


def _run_epochs(
    recipe: Recipe,
    plan: Plan,
    states: TrainState,
    common: Params,
    shared: Shared,
    examples: jax.Array,
    keys: jax.Array,
    epochs: jax.Array,
) -> tuple[TrainState, Results]:
    """Train all replicates for the given epochs; metrics are ``[epochs, C]``."""
    own, states = states.frozen, states.replace(frozen={})
    masks, _ = split(shared.trainable_rows, plan.frozen)
    data, validation = (shared.ids, shared.labels), shared.validation
    known = embed_shared(plan.model, common, validation)

    def train(
        epoch: jax.Array,
        state: TrainState,
        own: Params,
        examples: jax.Array,
        key: jax.Array,
    ) -> tuple[TrainState, Metrics, jax.Array]:
        arguments = merge(own, common), data, examples, key, epoch
        size = recipe.batch_size
        return run_epoch(plan, state, *arguments, batch_size=size, trainable_rows=masks)

    def body(states: TrainState, epoch: jax.Array) -> tuple[TrainState, Results]:
        run = jax.vmap(functools.partial(train, epoch))
        states, metrics, first_bad = run(states, own, examples, keys)
        found = None
        if validation is not None:
            parts = plan.model, common, validation, known
            # One replicate after another: each fills a device.
            found = jax.lax.map(functools.partial(_measure, *parts), (states, own))
        return states, Results(metrics, found, first_bad >= 0)

    states, results = jax.lax.scan(body, states, epochs)
    return states.replace(frozen=own), results


def _measure(
    model: nn.Module,
    common: Params,
    validation: Validation,
    known: jax.Array | None,
    state_and_own: tuple[TrainState, Params],
) -> Metrics:
    """Measure one replicate, with its own and the common frozen parameters."""
    state, own = state_and_own
    variables = state.replace(frozen=merge(own, common)).variables
    return measure_validation(model, variables, validation, known)


def _unfreeze(
    recipe: Recipe, states: TrainState, common: Params
) -> tuple[TrainState, Params]:
    """Unfreeze the late tables; return the states and the common frozen parameters."""
    rest, _ = split(common, recipe.plan.late)

    def move(state: TrainState) -> TrainState:
        state = state.replace(frozen=merge(state.frozen, common))
        state = unfreeze(recipe.plan, recipe.sparse, state)
        return state.replace(frozen=_without(state.frozen, rest))

    return jax.vmap(move)(states), rest


def _without(tree: Params, other: Params) -> Params:
    """Return the leaves of ``tree`` at paths that ``other`` does not have."""
    return split(tree, frozenset(flatten_dict(other)))[0]
