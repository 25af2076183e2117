"""Deliver: send the gradients of rows to the shards that own them, in exact turns.

In each turn a device sends each shard a fixed number of rows, in rising order. One turn
is usual. If a device has more, the shard can complete only the rows up to the last one
that every such device sent, its horizon: no later turn brings these rows again. The
devices send all later rows once more.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from jaxembed.dist._mesh import Rules
from jaxembed.dist.exchange._buckets import choose_capacity, cut, find_buckets
from jaxembed.dist.exchange._fetch import exchange
from jaxembed.optim._deduplicate import sum_in_order
from jaxembed.optim._sparse import keep_trained

Carry = TypeVar("Carry")


def deliver(
    rules: Rules,
    sums: jax.Array,
    rows: jax.Array,
    *,
    size: int,
    mask: jax.Array | None,
    apply: Callable[[Carry, jax.Array, jax.Array], Carry],
    carry: Carry,
) -> Carry:
    """Sum the gradients of each row of a shard, and pass each complete sum on once.

    It runs on each device inside of ``jax.shard_map``. All copies of a shard apply the
    same sums.

    Args:
      rules: placement on the mesh.
      sums: ``float32[U, D]``, gradients of the distinct rows of this device.
      rows: ``int32[U]``, stored rows in rising order, padded by Vp.
      size: number of rows of a shard.
      mask: ``bool[S]``, False at the rows of this shard to leave out; None for none.
      apply: ``apply(carry, grads, rows) -> carry`` for ``float32[n, D]`` sums of
        ``int32[n]`` rows of this shard, in rising order, padded by S.
      carry: first argument of the first call of ``apply``.
    """
    buckets = find_buckets(rows, rules.n_shards, size)
    ends = buckets.starts + buckets.counts
    firsts = jnp.arange(rules.n_shards, dtype=jnp.int32) * size
    capacity = choose_capacity(len(rows), rules.n_shards, size)
    columns = jnp.arange(capacity, dtype=jnp.int32)

    def take_turn(turn: tuple[jax.Array, jax.Array, Any]) -> tuple:
        starts, _, carry = turn
        is_row = columns[None, :] < (ends - starts)[:, None]
        sent = cut(rows, starts, capacity) - firsts[:, None]
        sent = jnp.where(is_row, sent, size)
        limits = jnp.where(ends - starts > capacity, sent[:, -1], size)
        message = jnp.concatenate([sent, limits[:, None]], axis=1)
        message = _copy(rules, exchange(rules, message))
        grads = _copy(rules, exchange(rules, cut(sums, starts, capacity)))
        horizon = message[:, -1].min()
        found = message[:, :-1].reshape(-1)
        found = jnp.where(found <= horizon, found, size)
        found = found if mask is None else keep_trained(found, mask)
        grads = grads.reshape(-1, grads.shape[-1])
        carry = apply(carry, *sum_in_order(grads, found, size))
        # Each device learns how many of its rows are done.
        horizons = jax.lax.all_gather(horizon, rules.vocab)
        is_done = is_row & (sent <= horizons[:, None])
        starts = starts + is_done.sum(1, dtype=jnp.int32)
        has_more = (starts < ends).any().astype(jnp.int32)
        return starts, jax.lax.pmax(has_more, rules.axes), carry

    first = buckets.starts, jnp.int32(1), carry
    return jax.lax.while_loop(lambda turn: turn[1] > 0, take_turn, first)[2]


def _copy(rules: Rules, array: jax.Array) -> jax.Array:
    """Return what all copies of a shard received, ``dtype[n, ...]`` from each."""
    if rules.n_copies == 1:
        return array
    return jax.lax.all_gather(array, rules.data, tiled=True)
