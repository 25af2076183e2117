"""Tables: what a training step does to those that are row-sparse."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxembed.optim import RowState, SparseOptimizer, deduplicate, keep_trained
from jaxembed.train.taps import Taps, flatten_reads

Trees = tuple[Any, Any]


def sum_rows(
    states: Any, row_grads: Taps, ids: Taps, trainable_rows: Any
) -> tuple[Any, Any]:
    """The gradient of each row that the batch touches, and is trained.

    Args:
      states: a :class:`RowState` at the path of each table.
      row_grads: the gradient of each row that was looked up, for each read.
      ids: the ids of each read.
      trainable_rows: ``bool[V]`` at the paths of some of the tables.

    Returns:
      ``float32[N, D]`` and ``int32[N]`` of :func:`deduplicate` at each path, and the
      states with their new notes.
    """
    masks = flatten_dict(trainable_rows)
    grads, after = {}, {}
    for path, state in flatten_dict(states).items():
        n_rows = len(state.slot)
        flat, numbers = flatten_reads(row_grads[path], ids[path], n_rows)
        if path in masks:
            # Before the sums, so that what is not trained counts in no norm.
            numbers = keep_trained(numbers, masks[path])
        sums, rows, slot = deduplicate(flat, numbers, state.slot)
        grads[path], after[path] = (sums, rows), state._replace(slot=slot)
    return unflatten_dict(grads), unflatten_dict(after)


def update_tables(
    tx: SparseOptimizer, grads: Any, states: Any, tables: Any
) -> tuple[Any, Any]:
    """The tables after a step, and the states of their optimizer.

    Args:
      tx: the optimizer of all tables.
      grads: of :func:`sum_rows`.
      states: likewise.
      tables: ``float[V, D]`` at the same paths.
    """
    moved, after = {}, {}
    pairs, tables = flatten_dict(grads), flatten_dict(tables)
    for path, state in flatten_dict(states).items():
        moved[path], after[path] = tx.update(
            *pairs[path], state, tables[path], distinct=True
        )
    return unflatten_dict(moved), unflatten_dict(after)


def init_states(tx: SparseOptimizer | None, tables: Any, count: Any = 0) -> Any:
    """The states of the optimizer of the tables, schedules at step ``count``."""
    leaves = flatten_dict(tables)
    if tx is None or not leaves:
        return {}
    states: dict[tuple, RowState] = {p: tx.init(t, count) for p, t in leaves.items()}
    return unflatten_dict(states)


def clip(grads: Any, row_grads: Any, max_norm: float | None) -> Trees:
    """Scales all gradients so that their common norm is at most ``max_norm``.

    Args:
      grads: of the parameters that are not row-sparse.
      row_grads: of :func:`sum_rows`.
      max_norm: or None, for no limit.

    Returns:
      Both, scaled as ``optax.clip_by_global_norm`` would.
    """
    if max_norm is None:
        return grads, row_grads
    pairs = flatten_dict(row_grads)
    sums = {path: pair[0] for path, pair in pairs.items()}
    norm = optax.tree.norm([grads, list(sums.values())])

    def scale(leaf: jax.Array) -> jax.Array:
        return jnp.where(
            norm < max_norm, leaf, leaf / norm.astype(leaf.dtype) * max_norm
        )

    scaled = {path: (scale(pair[0]), pair[1]) for path, pair in pairs.items()}
    return jax.tree.map(scale, grads), unflatten_dict(scaled)
