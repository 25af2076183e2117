"""Kernels of `embedding_bag` for flat ids ``[N]`` with offsets, by segment sums.

Rows ``[N, D]`` may be held in memory.
"""

import functools

import jax
import jax.numpy as jnp

from jaxembed.nn.bag._kernels import (
    divide,
    divisor_terms,
    fill_masked,
    read,
    read_wide,
    sum_dtype,
    widen,
)


@functools.partial(jax.jit, static_argnames=("combine", "mode"))
def pool_flat(table, ids, weights, mask, offsets, combine, mode):
    """Compute `embedding_bag` of ids ``[N]`` with offsets."""
    n_bags = offsets.shape[0] - 1
    offsets = _narrow_offsets(widen(offsets), ids.shape[0])
    is_nan = jnp.broadcast_to(_are_broken(offsets), n_bags)
    if ids.shape[0] == 0 or n_bags == 0:
        bags = jnp.zeros((n_bags, table.shape[1]), table.dtype)
        return jnp.where(jnp.expand_dims(is_nan, 1), jnp.nan, bags)
    is_read, bag_of_id = _find_bags(offsets, ids.shape[0], mask)
    sum_bags = functools.partial(
        jax.ops.segment_sum, segment_ids=bag_of_id, num_segments=n_bags
    )
    ids, weights = fill_masked(table, ids, weights, is_read)
    if mode == "fill":
        is_bad = (ids < 0) | (ids >= len(table))
        is_nan |= sum_bags(is_bad.astype(jnp.int32)) > 0
    ids = ids if mode == "promise_in_bounds" else jnp.clip(ids, 0, len(table) - 1)
    if combine == "max":
        bags = _max_flat_rows(table, ids, bag_of_id, n_bags)
    else:
        bags = _sum_flat_rows(table, weights, ids, bag_of_id, n_bags)
    total = sum_bags(divisor_terms(ids, weights, is_read, combine))
    bags = divide(bags, total, combine)
    return jnp.where(jnp.expand_dims(is_nan, 1), jnp.nan, bags).astype(table.dtype)


def _narrow_offsets(offsets: jax.Array, n_ids: int) -> jax.Array:
    """Cast offsets to ``int32``; an offset above N becomes -1, which is invalid."""
    return jnp.where(offsets > n_ids, -1, offsets).astype(jnp.int32)


def _are_broken(offsets: jax.Array) -> jax.Array:
    """Return ``bool[]``, True if ``int32`` offsets decrease or one is out of range."""
    return (offsets[0] < 0) | (offsets[1:] < offsets[:-1]).any()


def _find_bags(
    offsets: jax.Array, n_ids: int, mask: jax.Array | None
) -> tuple[jax.Array, jax.Array]:
    """Find the bag of each flat id.

    Args:
      offsets: ``int32[B + 1]``, non-decreasing, in ``[0, N]``.
      n_ids: number of ids, N.
      mask: ``bool[N]``, True at the ids to read; None for all.

    Returns:
      ``bool[N]``, True at ids that are read, and ``int32[N]``, the bag of each id; B
      for ids that are not read, which segment sums drop.
    """
    n_bags = offsets.shape[0] - 1
    starts = jnp.zeros(n_ids + 1, jnp.int32).at[offsets].add(1)
    bags = jnp.cumsum(starts)[:-1] - 1
    is_read = (bags >= 0) & (bags < n_bags)
    if mask is not None:
        is_read &= mask
    return is_read, jnp.where(is_read, bags, n_bags)


def _sum_flat_rows(
    table: jax.Array,
    weights: jax.Array | None,
    ids: jax.Array,
    bags: jax.Array,
    n_bags: int,
) -> jax.Array:
    """Sum the rows of each bag, times their weights, to ``float32[B, D]``.

    Args:
      table: ``dtype[V, D]``.
      weights: ``float32[N]``, or None for ones.
      ids: ``int[N]``, each in ``[0, V)``.
      bags: ``int32[N]``, the result of `_find_bags`.
      n_bags: number of bags, B.
    """
    rows = _take(table, ids)
    if weights is not None:
        rows = rows * jnp.expand_dims(weights, 1)
    return jax.ops.segment_sum(rows, bags, n_bags)


def _max_flat_rows(
    table: jax.Array, ids: jax.Array, bags: jax.Array, n_bags: int
) -> jax.Array:
    """Return ``dtype[B, D]``, the maxima of the rows of each bag; 0 if empty.

    The gradient goes to the first of equal rows. Arguments as in `_sum_flat_rows`.
    """
    rows = jax.lax.stop_gradient(read(table, ids))
    maxima = jax.ops.segment_max(rows, bags, n_bags)
    has_won = (rows == read(maxima, bags, mode="clip")) | jnp.isnan(rows)
    n_ids = ids.shape[0]
    places = jnp.expand_dims(jnp.arange(n_ids, dtype=jnp.int32), 1)
    places = jax.ops.segment_min(jnp.where(has_won, places, n_ids), bags, n_bags)

    @functools.partial(jax.checkpoint, prevent_cse=False)  # does not save rows
    def run(*arrays: jax.Array) -> jax.Array:
        return jax.lax.platform_dependent(*arrays, tpu=_pick_by_row, default=_pick)

    return run(table, ids, bags, places)


def _pick(
    table: jax.Array, ids: jax.Array, bags: jax.Array, places: jax.Array
) -> jax.Array:
    """Gather ``table[ids[places[b, d]], d]`` for each number of a bag ``[B, D]``.

    Args:
      table: ``dtype[V, D]``.
      ids: ``int[N]``, each in ``[0, V)``.
      bags: ``int32[N]``, the result of `_find_bags`.
      places: ``int32[B, D]``, places of ids of the bag; 0 for places from N on.
    """
    winners = read(ids, places, mode="fill", fill=len(table))
    columns = jnp.arange(table.shape[1], dtype=winners.dtype)
    columns = jnp.broadcast_to(columns, winners.shape)
    return _take(table, (winners, columns), "fill").astype(table.dtype)


def _pick_by_row(
    table: jax.Array, ids: jax.Array, bags: jax.Array, places: jax.Array
) -> jax.Array:
    """Compute `_pick` from the rows of all ids; see `pick_by_row` in `_maxima`."""
    own = jnp.expand_dims(jnp.arange(ids.shape[0], dtype=places.dtype), 1)
    is_winner = read(places, bags, mode="clip") == own
    rows = jnp.where(is_winner, _take(table, ids), 0)
    return jax.ops.segment_sum(rows, bags, places.shape[0]).astype(table.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _take(table, ids, mode="promise_in_bounds"):
    """Gather rows, then cast them; the gradient is summed before it is cast."""
    return read(table, ids, mode=mode, fill=0).astype(sum_dtype(table))


@_take.defjvp
def _take_jvp(mode, primals, tangents):
    table, ids = primals
    return _take(table, ids, mode), read_wide(tangents[0], ids, mode=mode)
