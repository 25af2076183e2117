"""embedding_bag: pool the rows of each bag of ids, without a row for each id."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxembed.nn._lookup import as_ids
from jaxembed.nn.bag._flat import pool_flat
from jaxembed.nn.bag._kernels import (
    are_bad,
    divide,
    divisor_terms,
    fill_masked,
    sum_rows,
)
from jaxembed.nn.bag._loops import is_few, match_varying
from jaxembed.nn.bag._maxima import max_rows

COMBINE = ("sum", "mean", "sqrtn", "max")
MODES = ("fill", "clip", "promise_in_bounds")

Integers = jax.Array | np.ndarray


def embedding_bag(
    table: ArrayLike,
    ids: ArrayLike,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    combine: str = "mean",
    *,
    offsets: ArrayLike | None = None,
    mode: str = "fill",
) -> jax.Array:
    """Pool the rows of each bag of ids to their sum, mean or maximum.

    Equal to `lookup` followed by a reduction. For ids ``[B, L]``, a CPU never holds the
    rows ``[B, L, D]`` in memory, for the value or for the gradient. Rows are summed in
    at least float32. The result is zeros for an empty bag and for a mean whose weights
    add up to 0; both get no gradient.

    Under `jax.jit`, bags that are sharded over devices need no communication, and the
    gradient of a replicated table is summed over the devices once. On several CPU
    devices the gradient then holds the rows in memory; inside `jax.shard_map` it does
    not.

    Args:
      table: ``dtype[V, D]`` of floats, one row for each word.
      ids: ``int[B, L]``, each in ``[0, V)``; with ``offsets``, ``int[N]``.
      weights: ``float[B, L]`` or ``float[N]``, may be negative; None for ones.
      mask: ``bool[B, L]`` or ``bool[N]``, True at a real token; None for all True. Ids
        and weights where it is False are ignored, whatever their values.
      combine: "sum" (of weight * row), "mean" (the sum over the sum of the weights),
        "sqrtn" (the sum over the root of the sum of the squared weights) or "max" (of
        each column, without weights; the gradient goes to the first of equal rows).
      offsets: ``int[B + 1]``, as in CSR: bag b is ``ids[offsets[b]:offsets[b + 1]]``,
        and ids past the last offset are ignored. If offsets decrease or are out of
        ``[0, N]``, all bags are NaN. Rows ``[N, D]`` may be held in memory.
      mode: handling of ids out of range, as in `lookup`; by default their bags are NaN
        and get no gradient.

    Returns:
      ``dtype[B, D]``.

    Raises:
      TypeError: if ids or offsets are not integers or sparse, mask not bools, or table
        or weights not floats.
      ValueError: if shapes do not fit, ``combine`` or ``mode`` is unknown, or weights
        are given with "max".

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
    table, ids, weights, mask, offsets = check_bag(
        table, ids, weights, mask, combine, offsets=offsets, mode=mode
    )
    if offsets is None:
        return _pool(table, ids, weights, mask, combine, mode)
    return pool_flat(table, ids, weights, mask, offsets, combine, mode)


@functools.partial(jax.jit, static_argnames=("combine", "mode"))
def _pool(table, ids, weights, mask, combine, mode):
    """Compute `embedding_bag` of ids ``[B, L]``; jitted, so that loops compile once."""
    if 0 in ids.shape:
        return jnp.zeros((ids.shape[0], table.shape[1]), table.dtype)
    table, ids, weights, mask = match_varying((table, ids, weights, mask))
    ids, weights = fill_masked(table, ids, weights, mask)
    is_nan, read_mode = None, "promise_in_bounds"
    if mode == "fill" and weights is None and combine != "max" and is_few(ids):
        # A separate check would run on another thread, and waking that thread takes
        # longer than the sum.
        read_mode = "fill"
    else:
        if mode == "fill":
            is_nan = are_bad(ids, mask, len(table))
        if mode != "promise_in_bounds":
            ids = jnp.clip(ids, 0, len(table) - 1)
    if combine == "max":
        bags = max_rows(table, ids, mask)
    else:
        bags = sum_rows(table, weights, ids, mask, read_mode)
    total = divisor_terms(ids, weights, mask, combine).sum(1)
    bags = divide(bags, total, combine)
    if is_nan is not None:
        bags = jnp.where(jnp.expand_dims(is_nan, 1), jnp.nan, bags)
    return bags.astype(table.dtype)


def check_bag(
    table: ArrayLike,
    ids: ArrayLike,
    weights: ArrayLike | None,
    mask: ArrayLike | None,
    combine: str,
    *,
    offsets: ArrayLike | None = None,
    mode: str = "fill",
) -> tuple[jax.Array, Integers, jax.Array | None, jax.Array | None, Integers | None]:
    """Return table, ids, weights, mask and offsets as arrays, or raise an error."""
    ids = as_ids(ids)
    table = jnp.asarray(table)  # a restored checkpoint may hold NumPy arrays
    weights = None if weights is None else jnp.asarray(weights)
    mask = None if mask is None else jnp.asarray(mask)
    offsets = None if offsets is None else as_ids(offsets, "offsets")
    _check_choices(combine, mode, weights)
    _check_shapes(table, ids, offsets)
    _check_one_for_each_id(ids, weights, mask)
    return table, ids, weights, mask, offsets


def _check_choices(combine: str, mode: str, weights: jax.Array | None) -> None:
    if combine not in COMBINE:
        raise ValueError(f"combine must be one of {COMBINE}, got {combine!r}.")
    if mode not in MODES:
        raise ValueError(f"mode must be one of {MODES}, got {mode!r}.")
    if weights is not None and combine == "max":
        raise ValueError(
            f"weights must be None with combine='max', got {list(weights.shape)}: a "
            "maximum is not weighted; multiply the table, or leave rows out by mask."
        )


def _check_shapes(table: jax.Array, ids: Integers, offsets: Integers | None) -> None:
    if not jnp.issubdtype(table.dtype, jnp.floating):
        raise TypeError(
            f"table must be floats, got {table.dtype}{list(table.shape)}: a mean of "
            "integers would be truncated; use table.astype(jnp.float32)."
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
            f"ids must have the axis [N] with offsets, got {list(ids.shape)}: for ids "
            "[B, L] use mask instead of offsets."
        )
    if offsets is not None and (offsets.ndim != 1 or offsets.shape[0] == 0):
        raise ValueError(
            f"offsets must have the axis [B + 1], got {list(offsets.shape)}: the "
            "first is 0 and the last is where the last bag ends."
        )


def _check_one_for_each_id(
    ids: Integers, weights: jax.Array | None, mask: jax.Array | None
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
            "token, such as ids != 0."
        )
    if weights is not None and not jnp.issubdtype(weights.dtype, jnp.floating):
        raise TypeError(
            f"weights must be floats, got {weights.dtype}{list(weights.shape)}: use "
            "weights.astype(jnp.float32)."
        )
