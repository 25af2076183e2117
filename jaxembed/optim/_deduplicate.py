"""Deduplicate: sum the gradients of equal ids to one gradient for each row."""

import functools

import jax
import jax.numpy as jnp

Distinct = tuple[jax.Array, jax.Array, jax.Array]
BLOCK = 128  # ids whose gradients one matrix product sums


def deduplicate(row_grads: jax.Array, ids: jax.Array, slot: jax.Array) -> Distinct:
    """Sum the gradients of equal ids. Nonlinear updates need one gradient per row.

    The work grows with N, not with V, and every call gives the same bits. A CPU sums
    without a sort, through ``slot``. A TPU sorts the ids and adds the gradients in this
    order. Other devices add to one place in no fixed order, so they sort the ids and
    sum by matrix products; there a sum with a gradient that is not finite is NaN.

    Args:
      row_grads: ``float[N, D]``, the gradient of each looked-up row.
      ids: ``int32[N]``, the row of each gradient. Gradients of ids out of range are
        dropped.
      slot: scratch buffer ``int32[V]``; its values are ignored. If it is donated, or
        carried through a scan, it is written in place.

    Returns:
      ``float32[N, D]`` sums; ``int32[N]``, the row of each sum, or V for padding, whose
      sum is zeros; and the slot to pass to the next call. On a TPU the rows rise.

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
        grads, ids, slot, cpu=sum_by_slot, tpu=sum_by_scatter, default=sum_by_blocks
    )


def sum_in_order(
    grads: jax.Array, ids: jax.Array, n_rows: int
) -> tuple[jax.Array, jax.Array]:
    """Sum the gradients of equal ids, in rising order of the ids on every device.

    Args:
      grads: ``float32[N, D]``.
      ids: ``int32[N]``, from 0 to ``n_rows``, which stands for padding.
      n_rows: number of rows of the table.

    Returns:
      ``float32[N, D]`` sums and ``int32[N]`` rows as of :func:`deduplicate`, padding
      last. Every call gives the same bits.

    Example:
      >>> grads, ids = jnp.array([[1.0], [2.0], [4.0]]), jnp.array([7, 3, 7])
      >>> sums, rows = sum_in_order(grads, ids, 9)
      >>> rows.tolist(), sums[:, 0].tolist()
      ([3, 7, 9], [2.0, 5.0, 0.0])
    """
    if not ids.size:
        return grads, ids
    scatter = functools.partial(_scatter, n_rows=n_rows)
    blocks = functools.partial(sum_blocks_in_order, n_rows=n_rows)
    return jax.lax.platform_dependent(
        grads, ids, cpu=scatter, tpu=scatter, default=blocks
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


def sum_by_scatter(grads: jax.Array, ids: jax.Array, slot: jax.Array) -> Distinct:
    """Sum the gradients of the k-th smallest id at the place k.

    A TPU adds one row after another, so the order of the sum is fixed. The rows rise,
    so that a TPU need not sort them again to write to them.
    """
    return *_scatter(grads, ids, slot.shape[0]), slot


def _scatter(
    grads: jax.Array, ids: jax.Array, n_rows: int
) -> tuple[jax.Array, jax.Array]:
    n = ids.size
    ids, order = _sort(ids)
    is_first = jnp.concatenate([jnp.ones(1, bool), ids[1:] != ids[:-1]])
    places = jnp.cumsum(is_first, dtype=jnp.int32) - 1
    places = jnp.where(ids < n_rows, places, n)  # the ids out of range are last
    options: dict = {"mode": "drop", "indices_are_sorted": True}
    rows = jnp.full_like(ids, n_rows).at[places].set(ids, **options)
    return jnp.zeros_like(grads).at[places].add(grads[order], **options), rows


def sum_by_blocks(grads: jax.Array, ids: jax.Array, slot: jax.Array) -> Distinct:
    """Sum the gradients of an id at its last place in the sorted ids, without atomics.

    The sorted ids are cut into blocks. The product of a matrix of zeros and ones with
    the gradients of a block sums those of equal ids in the block. A scan over the
    blocks then carries the sum of an id from each block to the next.
    """
    return *_sum_blocks(grads, ids, slot.shape[0]), slot


def _sum_blocks(
    grads: jax.Array, ids: jax.Array, n_rows: int
) -> tuple[jax.Array, jax.Array]:
    n = ids.size
    n_blocks = -(-n // BLOCK)
    ids, order = _sort(ids)
    is_last = jnp.concatenate([ids[1:] != ids[:-1], jnp.ones(1, bool)])
    rows = jnp.where(is_last, ids, n_rows)
    ids = jnp.pad(ids, (0, n_blocks * BLOCK - n), constant_values=n_rows)
    order = jnp.pad(order, (0, n_blocks * BLOCK - n))
    blocks = ids.reshape(n_blocks, BLOCK)
    sums = _sum_in_blocks(blocks, grads[order].reshape(n_blocks, BLOCK, -1))
    before = jnp.concatenate([jnp.full(1, -1, jnp.int32), blocks[:-1, -1]])

    def add(left: tuple, right: tuple) -> tuple:
        starts, total = right  # the start of a run discards the sum before it
        return left[0] | starts, jnp.where(starts, total, left[1] + total)

    # A run reaches the end of a block from an earlier block if its id fills the block.
    starts = (blocks[:, 0] != blocks[:, -1]) | (blocks[:, 0] != before)
    _, ends = jax.lax.associative_scan(add, (starts[:, None], sums[:, -1]))
    carried = jnp.concatenate([jnp.zeros_like(ends[:1]), ends[:-1]])
    continues = blocks == before[:, None]
    sums += jnp.where(continues[..., None], carried[:, None], 0)
    sums = sums.reshape(n_blocks * BLOCK, -1)[:n]
    return jnp.where((rows < n_rows)[:, None], sums, 0), rows


def sum_blocks_in_order(
    grads: jax.Array, ids: jax.Array, n_rows: int
) -> tuple[jax.Array, jax.Array]:
    """Compute :func:`sum_in_order` as :func:`sum_by_blocks`, and sort its sums."""
    sums, rows = _sum_blocks(grads, ids, n_rows)
    rows, order = _sort(rows)
    return sums[order], rows


def _sum_in_blocks(ids: jax.Array, grads: jax.Array) -> jax.Array:
    """Sum the gradients ``float32[n, BLOCK, D]`` of equal ids of each block."""
    is_equal = ids[:, :, None] == ids[:, None, :]
    # 0 * NaN is NaN: such a gradient would reach the sums of other ids.
    is_finite = jnp.isfinite(grads).all(-1)
    grads = jnp.where(is_finite[..., None], grads, 0)
    sums = jnp.einsum(
        "nij,njd->nid", is_equal.astype(jnp.float32), grads, precision="highest"
    )
    is_bad = (is_equal & ~is_finite[:, None, :]).any(-1)
    return jnp.where(is_bad[..., None], jnp.nan, sums)


def _sort(ids: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return ``int32[N]`` sorted ids and the places that they come from."""
    return jax.lax.sort_key_val(ids, jnp.arange(ids.size, dtype=jnp.int32))
