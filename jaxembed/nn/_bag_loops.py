"""The loops of bags, with and without the rows in memory.

XLA on a CPU stores what it gathers, unless one column of ids is gathered at a time:
that it fuses with the sum. Other backends fuse the gather of all ids at once, and a
loop would only wait there.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxembed.nn._bag_grid import Grid, read

COLUMNS = 16  # unrolled in a body: more are not faster and compile longer
FEW_ROWS = 64  # that one thread sums sooner than XLA's threads are woken for each body
CHUNK = 1024  # ids whose rows a gradient holds at a time

# Of columns [S], or of all of them [S, W], and of what each row has of its own.
Value = Callable[[Any, Any], jax.Array]


def fold(
    value: Value, columns: Any, combine: Any, start: Any, rows: Any = None
) -> jax.Array:
    """``[S, D]``: ``combine`` over W of ``value(columns, rows)``, ``[S, W, D]``.

    Args:
      value: of a tree of ``[S]`` or of ``[S, W]``, gives one more axis, ``[D]``.
      columns: a tree of arrays ``[S, W]``.
      combine: ``jnp.add``, ``jnp.maximum`` or ``jnp.minimum``.
      start: what it gives for no columns.
      rows: a tree of arrays ``[S, ...]``, which ``value`` gets as they are.
    """
    arguments = value, columns, combine, start, rows
    is_few = 1 < jax.tree.leaves(columns)[0].shape[0] <= FEW_ROWS
    return jax.lax.platform_dependent(
        cpu=lambda: (fold_by_row if is_few else fold_by_column)(*arguments),
        default=lambda: fold_at_once(*arguments),
    )


def fold_at_once(
    value: Value, columns: Any, combine: Any, start: Any, rows: Any
) -> jax.Array:
    """:func:`fold` as one expression, which XLA fuses on a GPU or TPU."""
    values = value(columns, rows)
    return combine.reduce(values, axis=1, initial=jnp.asarray(start, values.dtype))


def fold_by_row(
    value: Value, columns: Any, combine: Any, start: Any, rows: Any
) -> jax.Array:
    """:func:`fold` as a loop over rows, of which each is on one thread."""

    def fold_one(one: Any) -> jax.Array:
        columns, rows = jax.tree.map(lambda x: x[None], one)
        return fold_by_column(value, columns, combine, start, rows)[0]

    return jax.lax.map(fold_one, (columns, rows))


def fold_by_column(
    value: Value, columns: Any, combine: Any, start: Any, rows: Any
) -> jax.Array:
    """:func:`fold` as a loop over columns, COLUMNS in a body."""

    def fold_some(total: jax.Array, first: Any, n_columns: int) -> jax.Array:
        cut = functools.partial(jax.lax.dynamic_slice_in_dim, axis=1)
        some = jax.tree.map(lambda x: cut(x, first, n_columns), columns)
        for column in range(n_columns):
            total = combine(total, value(_column(some, column), rows))
        return total

    n_columns = jax.tree.leaves(columns)[0].shape[1]
    n_loops, n_rest = divmod(n_columns, COLUMNS)
    result = jax.eval_shape(lambda: value(_column(columns, 0), rows))
    total = jnp.full(result.shape, start, result.dtype)
    if n_loops:
        total = jax.lax.fori_loop(
            0, n_loops, lambda k, x: fold_some(x, k * COLUMNS, COLUMNS), total
        )
    return fold_some(total, n_loops * COLUMNS, n_rest)


def _column(columns: Any, number: int) -> Any:
    return jax.tree.map(lambda x: x[:, number], columns)


def scatter(
    n_rows: int, weights: jax.Array | None, grid: Grid, gradients: jax.Array
) -> jax.Array:
    """``float32[V, D]``: the gradient of rows, for that of their sums ``[B, D]``."""
    ids = grid.ids
    if grid.is_read is not None:
        ids = jnp.where(grid.is_read, ids, n_rows)  # past the table, dropped
    weights = None if weights is None else weights.reshape(-1)
    bags = jnp.broadcast_to(jnp.expand_dims(bags_of_rows(grid), 1), ids.shape)
    items = (ids.reshape(-1), bags.reshape(-1), weights)
    zeros = jnp.zeros((n_rows, gradients.shape[1]), gradients.dtype)
    return jax.lax.platform_dependent(
        cpu=lambda: scatter_by_chunk(zeros, items, gradients),
        default=lambda: scatter_at_once(zeros, items, gradients),
    )


def bags_of_rows(grid: Grid) -> jax.Array:
    """``int32[S]``: the bag of each row of the grid; of a row of none, the last."""
    if grid.bags is None:
        return jnp.arange(grid.n_bags, dtype=jnp.int32)
    return jnp.clip(grid.bags, 0, grid.n_bags - 1)


def scatter_at_once(summed: jax.Array, items: Any, gradients: jax.Array) -> jax.Array:
    """``summed`` plus the gradients of all rows; XLA fuses them on a GPU or TPU."""
    ids, bags, weights = items
    rows = read(gradients, bags)
    if weights is not None:
        rows = rows * jnp.expand_dims(weights, -1)
    return summed.at[ids].add(rows, mode="drop", wrap_negative_indices=False)


def scatter_by_chunk(summed: jax.Array, items: Any, gradients: jax.Array) -> jax.Array:
    """``summed`` plus the gradients of all rows, CHUNK of them at a time, in place."""
    chunks = _chunks(items, (len(summed), 0, 0), CHUNK)
    return jax.lax.fori_loop(
        0,
        len(chunks[0]),
        lambda k, summed: scatter_at_once(
            summed, jax.tree.map(lambda x: x[k], chunks), gradients
        ),
        summed,
    )


def products(table: jax.Array, grid: Grid, gradients: jax.Array) -> jax.Array:
    """``float32[S, W]``: the gradient of weights, each row times that of its sum."""
    items = (grid.ids, bags_of_rows(grid))
    return jax.lax.platform_dependent(
        cpu=lambda: products_by_chunk(table, items, gradients),
        default=lambda: products_at_once(table, items, gradients),
    )


def products_at_once(table: jax.Array, items: Any, gradients: jax.Array) -> jax.Array:
    """The products of all rows; XLA fuses the gathers on a GPU or TPU."""
    ids, bags = items
    rows = read(table, ids).astype(gradients.dtype)
    return (rows * jnp.expand_dims(read(gradients, bags), 1)).sum(-1)


def products_by_chunk(table: jax.Array, items: Any, gradients: jax.Array) -> jax.Array:
    """The products of all rows, of about CHUNK ids at a time."""

    def multiply(some: Any) -> jax.Array:
        ids, bags = some
        rows = read(table, ids).astype(gradients.dtype)
        return jnp.einsum("swd,sd->sw", rows, read(gradients, bags))

    n_rows, width = items[0].shape
    chunks = _chunks(items, (0, 0), max(CHUNK // width, 1))
    return jax.lax.map(multiply, chunks).reshape(-1, width)[:n_rows]


def _chunks(items: Any, fillers: Any, size: int) -> Any:
    """Each ``[P, ...]`` as equal chunks ``[n, up to size, ...]``, fillers last."""
    n_items = len(items[0])
    size = -(-n_items // -(-n_items // size))

    def cut(item: jax.Array | None, filler: int) -> jax.Array | None:
        if item is None:
            return None
        more = [(0, -n_items % size), *[(0, 0)] * (item.ndim - 1)]
        filled = jnp.pad(item, more, constant_values=filler)
        return filled.reshape(-1, size, *item.shape[1:])

    return tuple(map(cut, items, fillers))
