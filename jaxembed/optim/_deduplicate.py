"""Deduplicate: sum the gradients of equal ids to one gradient for each row."""

import jax
import jax.numpy as jnp

Distinct = tuple[jax.Array, jax.Array, jax.Array]


def deduplicate(row_grads: jax.Array, ids: jax.Array, slot: jax.Array) -> Distinct:
    """Sum the gradients of equal ids. Nonlinear updates need one gradient per row.

    The work grows with N, not with V, and every call gives the same bits. A CPU sums
    without a sort, through ``slot``. Other devices write to one place in no fixed
    order, so they use a sort and a segmented scan.

    Args:
      row_grads: ``float[N, D]``, the gradient of each looked-up row.
      ids: ``int32[N]``, the row of each gradient. Gradients of ids out of range are
        dropped.
      slot: scratch buffer ``int32[V]``; its values are ignored. If it is donated, or
        carried through a scan, it is written in place.

    Returns:
      ``float32[N, D]`` sums; ``int32[N]``, the row of each sum, or V for padding, whose
      sum is zeros; and the slot to pass to the next call.

    Raises:
      TypeError: if the ids are not int32.
      ValueError: if the shapes do not fit.

    Example:
      >>> grads, slot = jnp.array([[1.0], [2.0], [4.0]]), jnp.zeros(9, jnp.int32)
      >>> sums, rows, slot = deduplicate(grads, jnp.array([7, 3, 7]), slot)
      >>> sorted(zip(rows.tolist(), sums[:, 0].tolist()))
      [(3, 2.0), (7, 5.0), (9, 0.0)]
    """
    if ids.dtype != jnp.int32 or slot.dtype != jnp.int32:
        raise TypeError(f"ids and slot must be int32, got {ids.dtype}, {slot.dtype}.")
    if slot.ndim != 1 or row_grads.ndim != 2 or ids.shape != row_grads.shape[:1]:
        raise ValueError(
            "row_grads, ids and slot must have the axes [N, D], [N] and [V], got "
            f"{list(row_grads.shape)}, {list(ids.shape)} and {list(slot.shape)}."
        )
    if not ids.size:
        return row_grads.astype(jnp.float32), ids, slot
    # V for all ids out of range: a negative id would wrap to another row.
    n_rows = slot.shape[0]
    ids = jnp.where((ids < 0) | (ids > n_rows), n_rows, ids)
    grads = row_grads.astype(jnp.float32)
    return jax.lax.platform_dependent(
        grads, ids, slot, cpu=sum_by_slot, default=sum_by_sort
    )


def sum_by_slot(grads: jax.Array, ids: jax.Array, slot: jax.Array) -> Distinct:
    """Sum the gradients of an id at the place whose write to ``slot`` survived.

    ``slot`` is read only where it was written just before, so it is never cleared.
    """
    n, n_rows = ids.size, slot.shape[0]
    places = jnp.arange(n, dtype=jnp.int32)
    slot = slot.at[ids].set(places, mode="drop")
    winners = slot.at[ids].get(mode="fill", fill_value=n)
    sums = jnp.zeros_like(grads).at[winners].add(grads, mode="drop")
    return sums, jnp.where(winners == places, ids, n_rows), slot


def sum_by_sort(grads: jax.Array, ids: jax.Array, slot: jax.Array) -> Distinct:
    """Sum the gradients of an id at its last place in the sorted ids."""
    n_rows = slot.shape[0]
    ids, places = jax.lax.sort_key_val(ids, jnp.arange(ids.size, dtype=jnp.int32))
    changes = ids[1:] != ids[:-1]
    edge = jnp.ones(1, bool)
    is_first = jnp.concatenate([edge, changes])[:, None]
    is_last = jnp.concatenate([changes, edge]) & (ids < n_rows)

    def add(left: tuple, right: tuple) -> tuple:
        starts, total = right  # the start of a segment discards the sum before it
        return left[0] | starts, jnp.where(starts, total, left[1] + total)

    _, sums = jax.lax.associative_scan(add, (is_first, grads[places]))
    sums = jnp.where(is_last[:, None], sums, 0)
    return sums, jnp.where(is_last, ids, n_rows), slot
