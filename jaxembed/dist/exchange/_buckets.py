"""Buckets: the distinct rows that a device reads, grouped by the shard of each."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

# Sizes of buckets are multiples of it, the lines of a TPU's memory.
LINES = 8
# Rows of a bucket beyond the mean, in standard deviations of a random choice of shards.
# With 256 devices and 25,600 random ids each, one step in 1,000 needs a second turn.
DEVIATIONS = 6


class Buckets(NamedTuple):
    """Distinct rows of a device in rising order, so that those of a shard are together.

    Attributes:
      rows: ``int32[U]``, stored rows, then Vp for padding.
      starts: ``int32[n]``, place in ``rows`` of the first row of each shard.
      counts: ``int32[n]``, number of rows of each shard.
    """

    rows: jax.Array
    starts: jax.Array
    counts: jax.Array


def choose_capacity(n_ids: int, n_shards: int, size: int) -> int:
    """Return the number of rows that one device asks of one shard in a turn.

    A device needs several turns if its distinct ids are spread unevenly.

    Args:
      n_ids: number of ids of a device.
      n_shards: number of shards.
      size: number of rows of a shard.

    Example:
      >>> choose_capacity(25_600, 256, 390_625), choose_capacity(1_000_000, 4, 10**6)
      (160, 253000)
    """
    mean = n_ids / n_shards
    wanted = math.ceil((mean + DEVIATIONS * math.sqrt(mean)) / LINES) * LINES
    return min(wanted, n_ids, size)


def find_buckets(rows: jax.Array, n_shards: int, size: int) -> Buckets:
    """Return the buckets of distinct rows in rising order, padded by Vp."""
    bounds = jnp.arange(n_shards + 1, dtype=jnp.int32) * size
    places = jnp.searchsorted(rows, bounds, method="compare_all").astype(jnp.int32)
    return Buckets(rows, places[:-1], places[1:] - places[:-1])


def find_distinct(rows: jax.Array, n_rows: int) -> tuple[jax.Array, jax.Array]:
    """Return the distinct rows in rising order, and the place of each given row there.

    Args:
      rows: ``int32[N]``, in ``[0, Vp)``, or Vp for a row that is left out.
      n_rows: number of stored rows, Vp.

    Returns:
      ``int32[U]`` rows, padded by Vp; and ``int32[N]`` places in them, or U for a row
      that is left out. U is the smaller of N and Vp.
    """
    n = rows.size
    n_distinct = min(n, n_rows)
    found, order = jax.lax.sort_key_val(rows, jnp.arange(n, dtype=jnp.int32))
    is_first = jnp.concatenate([jnp.ones(1, bool), found[1:] != found[:-1]])
    places = jnp.cumsum(is_first, dtype=jnp.int32) - 1
    # The rows that are left out are last.
    places = jnp.where(found < n_rows, places, n_distinct)
    distinct = jnp.full(n_distinct, n_rows, jnp.int32)
    distinct = distinct.at[places].set(found, mode="drop", indices_are_sorted=True)
    # A sort of the order is its inverse, and a TPU sorts faster than it scatters.
    return distinct, jax.lax.sort_key_val(order, places)[1]


def cut(array: jax.Array, starts: jax.Array, size: int) -> jax.Array:
    """Return C entries of an array from each start, with the last one past its end.

    Args:
      array: ``dtype[U, ...]``.
      starts: ``int32[n]``.
      size: number of entries, C.

    Returns:
      ``dtype[n, C, ...]``.
    """
    places = starts[:, None] + jnp.arange(size, dtype=jnp.int32)[None, :]
    return array.at[places].get(mode="clip")
