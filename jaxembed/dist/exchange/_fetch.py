"""Fetch: bring the distinct rows that each device reads from the shards that own them.

Devices exchange ids and rows by all-to-all along the axis of shards. In each turn a
device asks each shard for a fixed number of rows. One turn is usual; skewed ids need
more, and a loop takes them. Gradients of rows go the same way back.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from jaxembed.dist._mesh import Rules
from jaxembed.dist.exchange._buckets import (
    Buckets,
    choose_capacity,
    cut,
    find_buckets,
    find_distinct,
)

# Rows are numbered by int32.
MOST_ROWS = 2**31 - 1


def fetch(
    mesh: Any, rules: Rules, table: jax.Array, ids: jax.Array, *, n_rows: int
) -> tuple[jax.Array, jax.Array]:
    """Return a small table for each device, and the ids as numbers of its rows.

    Args:
      mesh: mesh for ``jax.shard_map``.
      rules: placement on the mesh.
      table: ``dtype[Vp, D]`` in shard order.
      ids: ``int32[N, ...]``, N a multiple of the number of devices.
      n_rows: number of words, V.

    Returns:
      ``dtype[n * U, D]``, U rows for each of n devices, and ``int32[N, ...]``, in
      ``[0, U)``, or U for an id out of range. Both are spread by ``rules.batch``.
    """
    check_rows(rules, table, n_rows)
    batch = PartitionSpec(rules.axes)

    def find(ids: jax.Array) -> tuple[jax.Array, jax.Array]:
        places = place(rules, ids.reshape(-1), n_rows)
        distinct, numbers = find_distinct(places, rules.pad(n_rows))
        return distinct, numbers.reshape(ids.shape)

    run = jax.shard_map(find, mesh=mesh, in_specs=batch, out_specs=batch)
    distinct, numbers = run(ids)
    return _fetch(mesh, rules, table, distinct), numbers


def check_rows(rules: Rules, table: jax.Array, n_rows: int) -> None:
    """Raise unless a table has the stored rows of ``n_rows`` words, and few enough."""
    if len(table) != rules.pad(n_rows):
        raise ValueError(
            f"a table of {n_rows} words in {rules.n_shards} shards must have "
            f"{rules.pad(n_rows)} rows, got {list(table.shape)}: make it with "
            "dist.to_shards."
        )
    if len(table) > MOST_ROWS:
        raise ValueError(
            f"a table must have at most {MOST_ROWS} rows, the largest int32, got "
            f"{len(table)}: use fewer words, or several tables."
        )


def place(rules: Rules, ids: jax.Array, n_rows: int) -> jax.Array:
    """Return the stored row of each id, or Vp for an id out of range."""
    is_known = (ids >= 0) & (ids < n_rows)
    rows: Any = rules.place(ids, n_rows)
    return jnp.where(is_known, rows, rules.pad(n_rows)).astype(jnp.int32)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _fetch(mesh: Any, rules: Rules, table: jax.Array, distinct: jax.Array) -> jax.Array:
    """Return the rows ``dtype[n * U, D]`` of ``int32[n * U]`` distinct stored rows."""
    batch = PartitionSpec(rules.axes)

    def run(shard: jax.Array, distinct: jax.Array) -> jax.Array:
        size = len(shard)
        buckets, capacity, n_turns = _plan(rules, distinct, size)
        owners = jnp.clip(distinct // size, 0, rules.n_shards - 1)
        places = jnp.arange(len(distinct), dtype=jnp.int32) - buckets.starts[owners]

        def take_turn(turn: jax.Array, found: jax.Array) -> jax.Array:
            asked = exchange(rules, _ask(buckets, turn, capacity, size))
            rows = shard.at[asked].get(mode="clip")
            given = exchange(rules, rows).reshape(-1, shard.shape[1])
            column = places - turn * capacity
            is_here = (column >= 0) & (column < capacity)
            rows = given.at[owners * capacity + column].get(mode="clip")
            return jnp.where(is_here[:, None], rows, found)

        found = jnp.zeros((len(distinct), shard.shape[1]), shard.dtype)
        return jax.lax.fori_loop(0, n_turns, take_turn, found)

    return jax.shard_map(
        run,
        mesh=mesh,
        in_specs=(PartitionSpec(rules.vocab, None), batch),
        out_specs=batch,
        check_vma=False,
    )(table, distinct)


def _fetch_forward(mesh, rules, table, distinct):
    like = jnp.zeros((0,), table.dtype)
    return _fetch(mesh, rules, table, distinct), (distinct, like, len(table))


def _fetch_backward(mesh, rules, residuals, gradients):
    distinct, like, n_stored = residuals
    size, dim = n_stored // rules.n_shards, gradients.shape[1]
    batch, dtype = PartitionSpec(rules.axes), jnp.promote_types(like.dtype, jnp.float32)

    def run(distinct: jax.Array, gradients: jax.Array) -> jax.Array:
        buckets, capacity, n_turns = _plan(rules, distinct, size)

        def take_turn(turn: jax.Array, total: jax.Array) -> jax.Array:
            rows = exchange(rules, _ask(buckets, turn, capacity, size)).reshape(-1)
            starts = buckets.starts + turn * capacity
            given = exchange(rules, cut(gradients, starts, capacity))
            given = given.reshape(-1, dim).astype(dtype)
            return total.at[rows].add(given, mode="drop")

        total = jnp.zeros((size, dim), dtype)
        total = jax.lax.fori_loop(0, n_turns, take_turn, total)
        total = total.astype(like.dtype)
        return total if rules.n_copies == 1 else jax.lax.psum(total, rules.data)

    spec = PartitionSpec(rules.vocab, None)
    sharded = jax.shard_map(
        run, mesh=mesh, in_specs=(batch, batch), out_specs=spec, check_vma=False
    )
    return sharded(distinct, gradients), np.zeros(distinct.shape, jax.dtypes.float0)


_fetch.defvjp(_fetch_forward, _fetch_backward)


def _plan(
    rules: Rules, distinct: jax.Array, size: int
) -> tuple[Buckets, int, jax.Array]:
    """Return the buckets of a device, their capacity, and the turns of all devices."""
    buckets = find_buckets(distinct, rules.n_shards, size)
    capacity = choose_capacity(len(distinct), rules.n_shards, size)
    n_turns = -(-buckets.counts.max() // capacity)
    return buckets, capacity, jax.lax.pmax(n_turns, rules.axes)


def _ask(buckets: Buckets, turn: jax.Array, capacity: int, size: int) -> jax.Array:
    """Return ``int32[n, C]``, rows within each shard; ``size`` stands for padding."""
    first = turn * capacity
    rows = cut(buckets.rows, buckets.starts + first, capacity)
    column = first + jnp.arange(capacity, dtype=jnp.int32)
    is_row = column[None, :] < buckets.counts[:, None]
    shards = jnp.arange(len(buckets.counts), dtype=jnp.int32)
    return jnp.where(is_row, rows - (shards * size)[:, None], size)


def exchange(rules: Rules, array: jax.Array) -> jax.Array:
    """Send the k-th part of ``dtype[n, ...]`` to shard k, and return the parts got."""
    return jax.lax.all_to_all(array, rules.vocab, split_axis=0, concat_axis=0)
