"""Unfreezing: tables that are trained from some epoch on."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxembed._checks import check_count
from jaxembed.optim._rules import DenseState
from jaxembed.train._setup import Interface, Plan
from jaxembed.train._sparse import init_states
from jaxembed.train._state import TrainState, merge, split

Paths = frozenset[tuple[str, ...]]


def find_late(interface: Interface, unfreeze_after: int) -> Paths:
    """The tables that are trained only after some epochs.

    Args:
      interface: of the model.
      unfreeze_after: for how many epochs they stay as they are.

    Raises:
      TypeError: if that is no int.
      ValueError: if it is negative, or there is no such table.
    """
    late = frozenset(interface.tables) - interface.frozen
    unfreeze_after = check_count("unfreeze_after", unfreeze_after, least=0)
    if unfreeze_after and not late:
        raise ValueError(
            f"unfreeze_after is {unfreeze_after}, and the model has no table that "
            "could be unfrozen: leave it out, or make a table with frozen=False."
        )
    return late if unfreeze_after else frozenset()


@functools.lru_cache
def unfreeze_plan(plan: Plan, paths: Paths) -> Plan:
    """The plan after some of its frozen parameters are trained too.

    The same optimizer has them in a group of their own, so that Adam's bias correction
    starts anew for them, as their moments do. Norms are taken for each group.

    Args:
      plan: before.
      paths: of its frozen parameters, those to train.

    Returns:
      :class:`Plan`; the same one for the same arguments, so that they share a program.
    """

    def label(params: Any) -> Any:
        leaves = flatten_dict(params)
        return unflatten_dict({p: "late" if p in paths else "early" for p in leaves})

    frozen = plan.frozen - paths
    if paths <= plan.sparse:  # not parameters of tx, then or now
        return dataclasses.replace(plan, frozen=frozen)
    tx = optax.partition({"early": plan.tx, "late": plan.tx}, label)
    return dataclasses.replace(plan, tx=tx, frozen=frozen)


def unfreeze(plan: Plan, state: TrainState, paths: Paths) -> TrainState:
    """The state to go on with under :func:`unfreeze_plan`.

    Args:
      plan: that of :func:`unfreeze_plan`.
      state: after the last frozen epoch.
      paths: of the parameters in ``state.frozen`` that are trained from now on.

    Returns:
      :class:`TrainState`, in which these parameters have moments of zero and all others
      the ones they had. Schedules of the learning rate go on for all.

    Example:
      >>> from jaxembed import nn, optim
      >>> from jaxembed.train import create_state, make_plan
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.FlattenDense())
      >>> ids, paths = jnp.array([[1, 2]]), frozenset([("embed", "embedding")])
      >>> plan, _ = make_plan(model, optim.rmsprop(), ids)
      >>> plan = Plan(model, plan.tx, paths)
      >>> state = create_state(plan, ids, key=jax.random.key(0))
      >>> after = unfreeze(unfreeze_plan(plan, paths), state, paths)
      >>> sorted(state.params), sorted(after.params)
      (['head'], ['embed', 'head'])
    """
    frozen, moved = split(state.frozen, paths)
    if paths <= plan.sparse:
        states = init_states(plan.table_tx, moved, state.step)
        return state.replace(
            frozen=frozen,
            tables=merge(state.tables, moved),
            table_states=merge(state.table_states, states),
        )
    params = merge(state.params, moved)
    groups = plan.tx.init(params).inner_states  # type: ignore[attr-defined]
    # What is masked has no leaves, so those of the early group are the ones it had.
    early = jax.tree.structure(groups["early"])
    groups["early"] = jax.tree.unflatten(early, jax.tree.leaves(state.opt_state))
    late = _carry_schedules(groups["late"].inner_state, state.opt_state)
    # A copy: one buffer cannot be two leaves of a state that is donated.
    groups["late"] = jax.tree.map(jnp.copy, groups["late"]._replace(inner_state=late))
    opt_state = optax.transforms.PartitionState(groups)
    return state.replace(params=params, opt_state=opt_state, frozen=frozen)


# The states that count steps for a schedule, and not for moments; by name, since not
# all are public.
COUNTERS = ("ScaleByScheduleState", "WeightDecaySchedule")
HYPERPARAMS = optax.InjectStatefulHyperparamsState


def _is_schedule(node: Any) -> bool:
    if isinstance(node, HYPERPARAMS | DenseState):
        return True
    return type(node).__name__ in COUNTERS


def _carry_schedules(fresh: Any, state: Any) -> Any:
    """A state of no steps, but for its schedules, which are at the step of another."""
    nodes = jax.tree_util.tree_leaves_with_path(state, is_leaf=_is_schedule)
    old = {jax.tree_util.keystr(path): node for path, node in nodes}

    def carry(path: Any, node: Any) -> Any:
        if not _is_schedule(node):
            return node
        before = old[jax.tree_util.keystr(path)]
        if isinstance(node, DenseState):  # which counts for both
            return node._replace(count=before.count, start=before.count)
        if isinstance(node, HYPERPARAMS):  # the optimizer's own state lies within
            inner = _carry_schedules(node.inner_state, before.inner_state)
            return before._replace(inner_state=inner)
        return before

    return jax.tree_util.tree_map_with_path(carry, fresh, is_leaf=_is_schedule)
