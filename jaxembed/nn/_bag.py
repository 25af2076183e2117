"""Embedding bag: one vector for each bag of ids, without a row for each id."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxembed.nn._bag_grid import (
    Grid,
    are_broken,
    find_bags,
    make_grid,
    narrow_offsets,
    widen,
)
from jaxembed.nn._bag_loops import FEW_ROWS
from jaxembed.nn._bag_sums import find_winners, max_rows, sum_dtype, sum_rows
from jaxembed.nn._lookup import as_ids
from jaxembed.nn._tap import check_tap, tap_maxima, tap_sums

COMBINE = ("sum", "mean", "sqrtn", "max")
MODES = ("fill", "clip", "promise_in_bounds")


def embedding_bag(
    table: ArrayLike,
    ids: ArrayLike,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    combine: str = "mean",
    *,
    offsets: ArrayLike | None = None,
    mode: str = "fill",
    tap: ArrayLike | None = None,
) -> jax.Array:
    """One vector for each bag of ids: the sum, mean or maximum of their rows.

    As ``lookup`` and a reduction, without the rows ``[B, L, D]`` in memory, neither
    here nor in the gradient, and summed in at least float32. An empty bag is zeros, as
    is a mean whose weights add up to 0; neither has a gradient.

    Args:
      table: ``dtype[V, D]`` of floats, a row for each word.
      ids: ``int[B, L]``, each in ``[0, V)``; with ``offsets``, ``int[N]``.
      weights: ``float[B, L]`` or ``float[N]``, also negative ones; None for ones.
      mask: ``bool[B, L]`` or ``bool[N]``, True at a real token; None if all are. No
        row is read elsewhere, whatever the ids and weights are there.
      combine: "sum" (of weight * row), "mean" (that over the sum of the weights),
        "sqrtn" (that over the root of the sum of their squares) or "max" (in each
        column, without weights; the gradient goes to the first of equal rows).
      offsets: ``int[B + 1]``, as in CSR: bag b is ``ids[offsets[b]:offsets[b + 1]]``,
        and what stands past the last is not read. If they fall or end past N, all bags
        are NaN.
      mode: what an id outside of the table gives, as in :func:`lookup`: by default a
        bag of NaN, without a gradient.
      tap: ``float32[B, L, D]`` or ``float32[N, D]`` of zeros, which are not used: its
        gradient is that of each row that was looked up, and the table has none.

    Returns:
      ``dtype[B, D]``.

    Raises:
      TypeError: if ids or offsets are not integers, mask not bools, or table, weights
        or tap not floats.
      ValueError: if the shapes do not fit, ``combine`` or ``mode`` is none of the
        above, or there are weights with "max".

    Example:
      >>> table = jnp.array([[0.0, 1.0], [2.0, 3.0], [4.0, 9.0]])
      >>> embedding_bag(table, jnp.array([[1, 2], [0, 0]]))
      Array([[3., 6.],
             [0., 1.]], dtype=float32)
      >>> embedding_bag(table, jnp.array([1, 2, 0]), offsets=jnp.array([0, 2, 2, 3]))
      Array([[3., 6.],
             [0., 0.],
             [0., 1.]], dtype=float32)
    """
    ids = as_ids(ids)
    table = jnp.asarray(table)  # also one of NumPy, as a checkpoint may have it
    weights, mask, tap = _asarray(weights), _asarray(mask), _asarray(tap)
    offsets = None if offsets is None else as_ids(offsets, "offsets")
    _check_choices(combine, mode, weights)
    _check_shapes(table, ids, offsets)
    _check_one_for_each_id(ids, weights, mask)
    if tap is not None:
        check_tap(tap, (*jnp.shape(ids), jnp.shape(table)[1]))
    return _bag(table, ids, weights, mask, offsets, tap, combine, mode)


@functools.partial(jax.jit, static_argnames=("combine", "mode"))
def _bag(table, ids, weights, mask, offsets, tap, combine, mode):
    """:func:`embedding_bag` of checked arrays; jitted, so that loops compile once."""
    n_bags = len(ids) if offsets is None else len(offsets) - 1
    is_nan = jnp.zeros(n_bags, bool)
    ids = widen(ids)
    if offsets is not None:
        offsets = narrow_offsets(widen(offsets), len(ids))
        is_nan = is_nan | are_broken(offsets, len(ids))
    if ids.size == 0 or n_bags == 0:
        bag = jnp.zeros((n_bags, table.shape[1]), table.dtype)
        return jnp.where(jnp.expand_dims(is_nan, 1), jnp.nan, bag)
    grid = make_grid(ids, mask, offsets)
    is_sum = combine != "max" and weights is None and tap is None
    grid, is_outside = _check_ids(grid, len(table), mode, is_sum)
    if weights is not None:
        weights = weights.astype(sum_dtype(table))
    if tap is not None:
        table = jax.lax.stop_gradient(table)
    placed = None if weights is None else grid.place(weights)
    bag = max_rows(table, grid) if combine == "max" else sum_rows(table, placed, grid)
    if tap is not None and combine == "max":
        winners = find_winners(table, grid, jax.lax.stop_gradient(bag))
        bag = tap_maxima(bag, tap, grid.sources(winners))
    elif tap is not None:
        bag = tap_sums(bag, tap, weights, *find_bags(ids, mask, offsets))
    bag = _finish(bag, placed, grid, combine)
    is_nan = is_nan | is_outside
    return jnp.where(jnp.expand_dims(is_nan, 1), jnp.nan, bag).astype(table.dtype)


def _asarray(values: ArrayLike | None) -> jax.Array | None:
    return None if values is None else jnp.asarray(values)


def _check_ids(
    grid: Grid, n_rows: int, mode: str, is_sum: bool
) -> tuple[Grid, jax.Array | bool]:
    """The grid of ids that can be read, and which bags are NaN as a whole."""
    if grid.is_read is not None:
        ids = jnp.where(grid.is_read, grid.ids, 0)
        grid = dataclasses.replace(grid, ids=ids)
    if mode == "promise_in_bounds":
        return grid, False
    if mode == "fill" and is_sum and len(grid.ids) <= FEW_ROWS:
        # A check beside the sum would be on another thread: what it costs to wake one
        # is more than the sum takes.
        return dataclasses.replace(grid, mode="fill"), False
    is_outside = grid.are_outside(n_rows) if mode == "fill" else False
    return grid.clip(n_rows), is_outside


def _finish(
    bag: jax.Array, weights: jax.Array | None, grid: Grid, combine: str
) -> jax.Array:
    """Divides sums as ``combine`` says; zeros where that would be by zero."""
    if combine == "sum":
        return bag
    if weights is None:
        is_read = grid.is_read
        ones = jnp.ones(grid.ids.shape, jnp.float32) if is_read is None else is_read
        total = grid.total(ones.astype(jnp.float32).sum(1))
    else:
        total = grid.total((weights if combine == "mean" else weights**2).sum(1))
    is_empty = total == 0
    divisor = jnp.where(is_empty, 1, total)  # before the root, whose slope at 0 is inf
    if combine == "sqrtn":
        divisor = jnp.sqrt(divisor)
    if combine != "max":
        bag = bag / jnp.expand_dims(divisor, 1)
    return jnp.where(jnp.expand_dims(is_empty, 1), 0, bag)


def _check_choices(combine: str, mode: str, weights: jax.Array | None) -> None:
    if combine not in COMBINE:
        raise ValueError(f"combine must be one of {COMBINE}, got {combine!r}.")
    if mode not in MODES:
        raise ValueError(f"mode must be one of {MODES}, got {mode!r}.")
    if weights is not None and combine == "max":
        raise ValueError(
            f"weights must be None with combine='max', got {list(weights.shape)}: what "
            "is largest has no weight; multiply the table, or leave rows out by mask."
        )


def _check_shapes(table: jax.Array, ids: Any, offsets: Any) -> None:
    if not jnp.issubdtype(table.dtype, jnp.floating):
        raise TypeError(
            f"table must be floats, got {table.dtype}{list(table.shape)}: a mean of "
            "ints would be cut; use table.astype(jnp.float32)."
        )
    if table.ndim != 2 or len(table) == 0:
        raise ValueError(
            "table must have the axes [V, D] and at least one row, got "
            f"{list(table.shape)}."
        )
    if offsets is None and ids.ndim != 2:
        raise ValueError(
            f"ids must have the axes [B, L], got {list(ids.shape)}: flat ids [N] need "
            "offsets."
        )
    if offsets is not None and ids.ndim != 1:
        raise ValueError(
            f"ids must have the axis [N] with offsets, got {list(ids.shape)}: ids "
            "[B, L] need no offsets but a mask."
        )
    if offsets is not None and (offsets.ndim != 1 or len(offsets) == 0):
        raise ValueError(
            f"offsets must have the axis [B + 1], got {list(offsets.shape)}: the "
            "first is 0 and the last is where the last bag ends."
        )


def _check_one_for_each_id(
    ids: Any, weights: jax.Array | None, mask: jax.Array | None
) -> None:
    for name, values in (("weights", weights), ("mask", mask)):
        if values is not None and values.shape != ids.shape:
            raise ValueError(
                f"{name} must have the shape of ids, {list(ids.shape)}, got "
                f"{list(values.shape)}: one for each id."
            )
    if mask is not None and mask.dtype != bool:
        raise TypeError(
            f"mask must be bools, got {mask.dtype}{list(mask.shape)}: True at a real "
            "token, as by ids != 0."
        )
    if weights is not None and not jnp.issubdtype(weights.dtype, jnp.floating):
        raise TypeError(
            f"weights must be floats, got {weights.dtype}{list(weights.shape)}: use "
            "weights.astype(jnp.float32)."
        )
