"""Sums and maxima of the rows of bags, with their gradients."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxembed.nn._bag_grid import Grid, read
from jaxembed.nn._bag_loops import fold, products, scatter


def sum_dtype(table: jax.Array) -> jnp.dtype:
    """In which rows are summed: at least float32, where 256 + 1 is not 256."""
    return jnp.promote_types(table.dtype, jnp.float32)


@jax.custom_vjp
def sum_rows(table: jax.Array, weights: jax.Array | None, grid: Grid) -> jax.Array:
    """``float32[B, D]``: the sum over each bag of rows, times weights if there are any.

    Args:
      table: ``dtype[V, D]``.
      weights: ``float32[S, W]``, or None.
      grid: of ids in ``[0, V)``, also where nothing is read; others make a bag NaN if
        its mode is "fill".
    """
    dtype = sum_dtype(table)

    def value(columns, _):
        ids, weights, is_read = columns
        rows = read(table, ids, grid.mode).astype(dtype)
        if weights is not None:
            rows = rows * jnp.expand_dims(weights, -1)
        return _where(is_read, rows, 0)

    columns = (grid.ids, weights, grid.is_read)
    sums = fold(value, columns, jnp.add, 0)
    if grid.bags is None:
        return sums
    return (
        jnp.zeros((grid.n_bags, table.shape[1]), dtype)
        .at[grid.bags]
        .add(sums, mode="drop")
    )


def _sum_rows_forward(table, weights, grid):
    return sum_rows(table, weights, grid), (table, weights, grid)


def _sum_rows_backward(residuals, gradients):
    table, weights, grid = residuals
    if grid.mode == "fill":  # what is outside is dropped
        are_nan = jnp.expand_dims(grid.are_outside(len(table)), 1)
        gradients = jnp.where(are_nan, 0, gradients)
    to_table = scatter(len(table), weights, grid, gradients).astype(table.dtype)
    to_weights = None if weights is None else products(table, grid, gradients)
    return to_table, to_weights, None


sum_rows.defvjp(_sum_rows_forward, _sum_rows_backward)


@jax.custom_vjp
def max_rows(table: jax.Array, grid: Grid) -> jax.Array:
    """``dtype[B, D]``: the largest number of each bag in each column, -inf if empty."""

    def value(columns, _):
        ids, is_read = columns
        return _where(is_read, read(table, ids), -jnp.inf)

    maxima = fold(value, (grid.ids, grid.is_read), jnp.maximum, -jnp.inf)
    if grid.bags is None:
        return maxima
    lowest = jnp.full((grid.n_bags, table.shape[1]), -jnp.inf, table.dtype)
    return lowest.at[grid.bags].max(maxima, mode="drop")


def _max_rows_forward(table, grid):
    maxima = max_rows(table, grid)
    return maxima, (table, grid, maxima)


def _max_rows_backward(residuals, gradients):
    table, grid, maxima = residuals
    winners = find_winners(table, grid, maxima)
    ids = grid.ids.reshape(-1).at[winners].get(mode="fill", fill_value=len(table))
    columns = jnp.broadcast_to(jnp.arange(table.shape[1]), ids.shape)
    summed = jnp.zeros(table.shape, sum_dtype(table))
    summed = summed.at[ids, columns].add(gradients.astype(summed.dtype), mode="drop")
    return summed.astype(table.dtype), None


max_rows.defvjp(_max_rows_forward, _max_rows_backward)


def find_winners(table: jax.Array, grid: Grid, maxima: jax.Array) -> jax.Array:
    """``int32[B, D]``: the first place in the flat grid that has the largest number.

    S W, past the end, where a bag is empty. A NaN wins, as it does in the maximum.
    """
    n_rows, width = grid.ids.shape
    n_places = jnp.int32(n_rows * width)
    places = jnp.arange(n_rows * width, dtype=jnp.int32).reshape(n_rows, width)
    best = maxima if grid.bags is None else maxima.at[grid.bags].get(mode="clip")

    def value(columns, best):
        ids, is_read, places = columns
        rows = read(table, ids)
        has_won = rows == (best if ids.ndim == 1 else jnp.expand_dims(best, 1))
        has_won = _where(is_read, has_won | jnp.isnan(rows), False)
        return jnp.where(has_won, jnp.expand_dims(places, -1), n_places)

    columns = grid.ids, grid.is_read, places
    winners = fold(value, columns, jnp.minimum, n_places, rows=best)
    if grid.bags is None:
        return winners
    none = jnp.full((grid.n_bags, table.shape[1]), n_places)
    return none.at[grid.bags].min(winners, mode="drop")


def _where(is_read: jax.Array | None, values: jax.Array, other: Any) -> jax.Array:
    """``values`` where they are read; where, not *: NaN * 0 is NaN."""
    if is_read is None:
        return values
    return jnp.where(
        jnp.expand_dims(is_read, -1), values, jnp.array(other, values.dtype)
    )
