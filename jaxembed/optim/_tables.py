"""Row-sparse tables of a model: sum row gradients, clip them, and update the tables."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxembed.optim._deduplicate import deduplicate
from jaxembed.optim._sparse import SparseOptimizer, keep_trained

Path = tuple[str, ...]
# Arrays, or the states of tables, in nested dicts by name.
Params = dict[str, Any]
# By the path of a table, one array for each lookup in it.
Reads = dict[Path, tuple[jax.Array, ...]]
# By the path of a table, gradients float32[N, D] and their rows int32[N].
RowGrads = dict[Path, tuple[jax.Array, jax.Array]]


def sum_rows(
    states: Params,
    row_grads: Reads,
    ids: Reads,
    trainable_rows: Params,
) -> tuple[RowGrads, Params]:
    """Sum the gradients of each row that a batch reads and that is trained.

    Args:
      states: a :class:`RowState` at the path of each table.
      row_grads: gradients of each lookup.
      ids: ids of each lookup.
      trainable_rows: ``bool[V]`` at the paths of some of the tables.

    Returns:
      ``float32[N, D]`` and ``int32[N]`` of :func:`deduplicate` for each table, and the
      states with their new scratch buffers.
    """
    masks = flatten_dict(trainable_rows)
    grads: RowGrads = {}
    after = {}
    for path, state in flatten_dict(states).items():
        flat, numbers = _flatten(row_grads[path], ids[path], len(state.slot))
        if path in masks:
            # Before the sums, so that frozen rows do not count in norms.
            numbers = keep_trained(numbers, masks[path])
        sums, rows, slot = deduplicate(flat, numbers, state.slot)
        grads[path], after[path] = (sums, rows), state._replace(slot=slot)
    return grads, unflatten_dict(after)


def _flatten(
    row_grads: tuple[jax.Array, ...], ids: tuple[jax.Array, ...], n_rows: int
) -> tuple[jax.Array, jax.Array]:
    """Join all lookups in a table to gradients ``float32[N, D]`` and ids ``int32[N]``.

    An id out of range becomes V, before a cast could wrap it to another row.
    """
    dim = row_grads[0].shape[-1]
    grads = [grad.reshape(-1, dim) for grad in row_grads]
    numbers = [
        jnp.where((read < 0) | (read >= n_rows), n_rows, read).astype(jnp.int32)
        for read in map(_widen, ids)
    ]
    return jnp.concatenate(grads), jnp.concatenate([n.reshape(-1) for n in numbers])


def _widen(ids: jax.Array) -> jax.Array:
    """Return integers of at least 32 bits, which can hold V."""
    return ids.astype(jnp.promote_types(ids.dtype, jnp.int32))


def update_tables(
    tx: SparseOptimizer,
    grads: RowGrads,
    states: Params,
    tables: Params,
) -> tuple[Params, Params]:
    """Return the tables after a step, and their optimizer states.

    Args:
      tx: the optimizer of all tables.
      grads: the result of :func:`sum_rows`.
      states: the states that :func:`sum_rows` returned.
      tables: ``float[V, D]`` at the same paths.
    """
    before, moved, after = flatten_dict(tables), {}, {}
    for path, state in flatten_dict(states).items():
        moved[path], after[path] = tx.update(
            *grads[path], state, before[path], distinct=True, in_order=True
        )
    return unflatten_dict(moved), unflatten_dict(after)


def clip(
    grads: Params, row_grads: RowGrads, max_norm: float | None
) -> tuple[Params, RowGrads]:
    """Clip dense and row-sparse gradients by their common global norm.

    Args:
      grads: gradients of the parameters that are not row-sparse.
      row_grads: the result of :func:`sum_rows`.
      max_norm: largest norm; None for no limit.

    Returns:
      Both gradients, scaled like ``optax.clip_by_global_norm``.
    """
    if max_norm is None:
        return grads, row_grads
    sums = {path: pair[0] for path, pair in row_grads.items()}
    tx = optax.clip_by_global_norm(max_norm)
    (grads, sums), _ = tx.update((grads, sums), tx.init(None))
    return grads, {path: (sums[path], pair[1]) for path, pair in row_grads.items()}
