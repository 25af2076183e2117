"""Loops of `embedding_bag` over ids ``[B, L]``, without the rows in memory.

XLA:CPU stores the rows that it gathers, unless it gathers one column of ids at a time:
then it fuses the gather into the reduction. XLA:GPU fuses the gather of all ids at once
into a reduction, and XLA:TPU into a scatter. So the code for a CPU has loops, for a TPU
a scatter, and for other devices one expression.

A loop over bags, or a scatter to bags, cannot be partitioned over devices without
communication, so only programs for one device have them.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import jax
import jax.numpy as jnp

from jaxembed.nn.bag._one_device import is_one_device

if TYPE_CHECKING:
    from jax.numpy import BinaryUfunc  # exists only in the type stubs of JAX

COLUMNS = 16  # unrolled in a loop body: more are not faster and compile longer
FEW_BAGS = 64  # up to here, one thread sums faster than XLA wakes threads for each body
CHUNK = 1024  # number of ids whose rows a derivative holds at a time

Value = Callable[[Any, Any], jax.Array]
Tree = TypeVar("Tree")


def is_few(ids: jax.Array) -> bool:
    """Return True if one thread sums the bags of ``[B, L]`` faster than several."""
    return isinstance(ids.shape[0], int) and ids.shape[0] <= FEW_BAGS


def fold(
    value: Value,
    columns: tuple,
    combine: "BinaryUfunc",
    start: float,
    *,
    rows: jax.Array | None = None,
) -> jax.Array:
    """Reduce ``value(columns, rows)``, ``[B, L, D]``, over L to ``[B, D]``.

    Args:
      value: function of a tuple of arrays, ``[B]`` or ``[B, L]``, and of ``rows``. Its
        result has the axis ``[D]`` more.
      columns: a tuple of arrays ``[B, L]``, some of which may be None.
      combine: ``jnp.add``, ``jnp.maximum`` or ``jnp.minimum``.
      start: identity element of ``combine``.
      rows: an array ``[B, ...]`` or None, passed to ``value``.
    """
    by_column = functools.partial(fold_by_column, value, combine, start)
    by_row = functools.partial(fold_by_row, value, combine, start)
    at_once = functools.partial(fold_at_once, value, combine, start)

    def loop(columns: tuple, rows: jax.Array | None) -> jax.Array:
        ids = jax.tree.leaves(columns)[0]
        if not is_few(ids) or len(ids) == 1:
            return by_column(columns, rows)
        return jax.lax.cond(is_one_device(), by_row, by_column, columns, rows)

    def scatter(columns: tuple, rows: jax.Array | None) -> jax.Array:
        if rows is not None:
            return at_once(columns, rows)
        by_id = functools.partial(fold_by_id, value, combine, start)
        return jax.lax.cond(is_one_device(), by_id, at_once, columns, None)

    return jax.lax.platform_dependent(
        columns, rows, cpu=loop, tpu=scatter, default=at_once
    )


def fold_at_once(
    value: Value,
    combine: "BinaryUfunc",
    start: float,
    columns: tuple,
    rows: jax.Array | None,
) -> jax.Array:
    """Compute `fold` as one expression, which XLA fuses on a GPU or TPU."""
    values = value(columns, rows)
    return combine.reduce(values, axis=1, initial=jnp.asarray(start, values.dtype))


def fold_by_id(
    value: Value, combine: "BinaryUfunc", start: float, columns: tuple, rows: None
) -> jax.Array:
    """Compute `fold` by a scatter of the value of each id to its bag."""
    n_bags, length = jax.tree.leaves(columns)[0].shape
    values = value(jax.tree.map(lambda x: x.reshape(-1), columns), rows)
    bags = jnp.broadcast_to(jnp.arange(n_bags)[:, None], (n_bags, length)).reshape(-1)
    total = jnp.full_like(values, start, shape=(n_bags, values.shape[1]))
    target = total.at[bags]
    write: Any = {jnp.add: target.add, jnp.maximum: target.max}[combine]
    return write(values, indices_are_sorted=True, mode="promise_in_bounds")


def fold_by_row(
    value: Value,
    combine: "BinaryUfunc",
    start: float,
    columns: tuple,
    rows: jax.Array | None,
) -> jax.Array:
    """Compute `fold` by a loop over bags; one thread reduces each bag."""

    def fold_one(one: tuple) -> jax.Array:
        columns, rows = jax.tree.map(lambda x: x[None], one)
        return fold_by_column(value, combine, start, columns, rows)[0]

    return jax.lax.map(fold_one, (columns, rows))


def fold_by_column(
    value: Value,
    combine: "BinaryUfunc",
    start: float,
    columns: tuple,
    rows: jax.Array | None,
) -> jax.Array:
    """Compute `fold` by a loop over columns, COLUMNS in each iteration."""
    length = jax.tree.leaves(columns)[0].shape[1]

    def fold_some(
        total: jax.Array, first: int | jax.Array, n_columns: int
    ) -> jax.Array:
        some, start = columns, first
        if isinstance(length, int):  # one slice is faster; a symbolic L may be shorter
            cut = functools.partial(jax.lax.dynamic_slice_in_dim, axis=1)
            some, start = jax.tree.map(lambda x: cut(x, first, n_columns), columns), 0
        for number in range(n_columns):
            total = combine(total, value(_column(some, start + number), rows))
        return total

    n_loops, n_rest = length // COLUMNS, length % COLUMNS
    # Unlike full, full_like varies over the devices of a shard_map as the rows do.
    total = jnp.full_like(value(_column(columns, 0), rows), start)
    if not isinstance(n_loops, int) or n_loops:
        total = jax.lax.fori_loop(
            0, n_loops, lambda k, x: fold_some(x, k * COLUMNS, COLUMNS), total
        )
    if isinstance(n_rest, int):
        return fold_some(total, n_loops * COLUMNS, n_rest)
    return jax.lax.fori_loop(
        n_loops * COLUMNS, length, lambda k, x: fold_some(x, k, 1), total
    )


def _column(columns: tuple, number: int | jax.Array) -> tuple:
    if isinstance(number, int):
        return jax.tree.map(lambda x: x[:, number], columns)
    take = functools.partial(jax.lax.dynamic_index_in_dim, axis=1, keepdims=False)
    return jax.tree.map(lambda x: take(x, number), columns)


def match_varying(arrays: Tree) -> Tree:
    """Make arrays vary over the same devices of a `jax.shard_map`.

    Otherwise JAX does so inside the loop that reads a replicated table, and the
    transpose then sums the table's gradient over the devices in each iteration.
    """
    axes = [jax.typeof(x).manual_axis_type.varying for x in jax.tree.leaves(arrays)]
    union = frozenset().union(*axes)

    def vary(array: jax.Array) -> jax.Array:
        missing = union - jax.typeof(array).manual_axis_type.varying
        return jax.lax.pcast(array, tuple(missing), to="varying")

    return jax.tree.map(vary, arrays)


def apply_by_chunk(function: Callable[..., jax.Array], *items: Any) -> jax.Array:
    """Apply a function of bags to about CHUNK ids at a time.

    Args:
      function: maps items of some bags to ``float32[b, D]``; linear over the ids of a
        bag, so that parts of a long bag may be summed.
      *items: ids, mask and further arrays, ``[B, L]`` or None. Items of a symbolic
        shape are one chunk.
    """
    n_bags, length = items[0].shape
    if not (isinstance(n_bags, int) and isinstance(length, int)):
        return function(*items)
    n_parts = -(-length // CHUNK)
    if n_parts > 1:
        items = _cut_bags(items, n_parts)
    n_rows, width = items[0].shape
    n_chunks = -(-n_rows // max(CHUNK // width, 1))
    size = -(-n_rows // n_chunks)
    padding = [(0, n_chunks * size - n_rows), (0, 0)]
    chunks = jax.tree.map(
        lambda x: jnp.pad(x, padding).reshape(n_chunks, size, width), items
    )
    apply = jax.checkpoint(function, prevent_cse=False)
    # In reverse, so that the transpose adds rows in the order of the ids.
    results = jax.lax.scan(
        lambda _, some: (None, apply(*some)), None, chunks, reverse=True
    )[1]
    results = results.reshape(n_chunks * size, -1)[:n_rows]
    return results.reshape(n_bags, n_parts, -1).sum(1) if n_parts > 1 else results


def _cut_bags(items: tuple, n_parts: int) -> tuple:
    """Cut arrays ``[B, L]`` into ``[B * n_parts, W]`` with a mask of the padding."""
    ids, mask, *rest = items
    mask = jnp.ones(ids.shape, bool) if mask is None else mask
    padding = [(0, 0), (0, -ids.shape[1] % n_parts)]
    return jax.tree.map(
        lambda x: jnp.pad(x, padding).reshape(len(x) * n_parts, -1), (ids, mask, *rest)
    )
