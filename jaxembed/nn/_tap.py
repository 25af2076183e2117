"""Taps: arguments whose only purpose is to receive the gradients of looked-up rows.

A row-sparse training step asks for the gradient of a tap, ``[N, D]``, in place of the
gradient of the table, ``[V, D]``.
"""

import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxembed.nn.bag._bag import check_bag
from jaxembed.nn.bag._kernels import (
    are_bad,
    divide,
    divisor_terms,
    fill_masked,
    sum_dtype,
)
from jaxembed.nn.bag._loops import match_varying
from jaxembed.nn.bag._maxima import find_winners


def tap_rows(rows: ArrayLike, tap: ArrayLike) -> jax.Array:
    """Return `rows` unchanged, and route their gradient to `tap`.

    No gradient reaches `rows`.

    Args:
      rows: ``dtype[..., D]``, the result of `lookup`.
      tap: ``float32[..., D]``, whose values are ignored.

    Returns:
      ``dtype[..., D]``.

    Raises:
      TypeError: if ``tap`` does not hold floats.
      ValueError: if the shapes of ``tap`` and ``rows`` differ.

    Example:
      >>> rows = jnp.array([[1.0, 2.0], [3.0, 4.0]])
      >>> jax.grad(lambda tap: (tap_rows(rows, tap) ** 2).sum())(jnp.zeros((2, 2)))
      Array([[2., 4.],
             [6., 8.]], dtype=float32)
    """
    arrays = jnp.asarray(rows), jnp.asarray(tap)
    _check_tap(arrays[1], arrays[0].shape)
    return _tap_rows(*match_varying(arrays))


def tap_bags(
    bags: ArrayLike,
    tap: ArrayLike,
    table: ArrayLike,
    ids: ArrayLike,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    combine: str = "mean",
) -> jax.Array:
    """Return `bags` unchanged, and route the gradient of each looked-up row to `tap`.

    The gradient also flows through `bags` to the table and the weights from which
    `bags` were computed. Stop the gradient of the table, as in the example; do not stop
    the gradient of learned weights. No gradient flows to ``table``, ``ids``,
    ``weights`` and ``mask`` of `tap_bags`.

    Args:
      bags: ``dtype[B, D]``, the result of `embedding_bag` or of an equivalent function.
      tap: ``float32[B, L, D]``; its values are ignored.
      table: ``dtype[V, D]``; used only with "max", to find the largest elements.
      ids: ``int[B, L]``. A bag with an id out of ``[0, V)`` gets no gradient.
      weights: ``float[B, L]``, or None.
      mask: ``bool[B, L]``, or None. Rows where it is False get no gradient.
      combine: "sum", "mean", "sqrtn" or "max", as given to `embedding_bag`.

    Returns:
      ``dtype[B, D]``.

    Raises:
      TypeError: if ids are not integers, mask not bools, or table, weights or tap not
        floats.
      ValueError: if shapes do not fit, ``combine`` is unknown, or weights are given
        with "max".

    Example:
      >>> from jaxembed.nn import embedding_bag
      >>> table, ids = jnp.array([[1.0], [3.0], [5.0]]), jnp.array([[2, 0], [1, 1]])
      >>> def loss(tap):
      ...     frozen = jax.lax.stop_gradient(table)
      ...     bags = tap_bags(embedding_bag(frozen, ids), tap, frozen, ids)
      ...     return (bags**2).sum()
      >>> jax.grad(loss)(jnp.zeros((2, 2, 1)))[..., 0]
      Array([[3., 3.],
             [3., 3.]], dtype=float32)
    """
    known, numbers, scales, is_read, _ = check_bag(table, ids, weights, mask, combine)
    values, receiver = jnp.asarray(bags), jnp.asarray(tap)
    expected = (numbers.shape[0], known.shape[1])
    if values.shape != expected:
        raise ValueError(
            f"bags must have one row for each row of ids, {list(expected)}, got "
            f"{list(values.shape)}."
        )
    _check_tap(receiver, (*numbers.shape, known.shape[1]))
    if 0 in numbers.shape:
        return values
    constants = jax.lax.stop_gradient((known, scales, is_read))
    arrays = match_varying((values, receiver, numbers, *constants))
    return _tap_bags(*arrays, combine)


def _check_tap(tap: jax.Array, shape: tuple[int, ...]) -> None:
    if not jnp.issubdtype(tap.dtype, jnp.floating):
        raise TypeError(
            f"tap must be floats, got {tap.dtype}{list(tap.shape)}: use "
            f"jnp.zeros({tuple(shape)})."
        )
    if tap.shape != tuple(shape):
        raise ValueError(
            f"tap must have one row for each id, {list(shape)}, got {list(tap.shape)}: "
            f"use jnp.zeros({tuple(shape)})."
        )


@jax.custom_vjp
def _tap_rows(rows: jax.Array, tap: jax.Array) -> jax.Array:
    return rows


def _tap_rows_forward(rows, tap):
    return rows, _like(tap)


def _tap_rows_backward(like_tap, gradients):
    return None, gradients.astype(like_tap.dtype)


_tap_rows.defvjp(_tap_rows_forward, _tap_rows_backward)


def _like(tap: jax.Array) -> jax.Array:
    """Return an empty array that carries the axes and dtype of the tap."""
    return jnp.zeros((*tap.shape, 0), tap.dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(6,))
def _tap_bags(bags, tap, ids, table, weights, mask, combine):
    return bags


def _tap_bags_forward(bags, tap, ids, table, weights, mask, combine):
    return bags, (bags, _like(tap), ids, table, weights, mask)


def _tap_bags_backward(combine, residuals, gradients):
    bags, like_tap, ids, table, weights, mask = residuals
    ids, weights = fill_masked(table, ids, weights, mask)
    is_bad = are_bad(ids, mask, len(table))
    total = divisor_terms(ids, weights, mask, combine).sum(1)
    of_bags = divide(gradients.astype(sum_dtype(table)), total, combine)
    of_bags = jnp.where(jnp.expand_dims(is_bad, 1), 0, of_bags)
    if combine == "max":
        winners = find_winners(table, jnp.clip(ids, 0, len(table) - 1), mask, bags)
        rows = jax.vmap(_put, (0, 0, None))(of_bags, winners, ids.shape[1])
    else:
        rows = jnp.broadcast_to(jnp.expand_dims(of_bags, 1), like_tap.shape[:-1])
        rows = rows if weights is None else rows * jnp.expand_dims(weights, 2)
        if mask is not None:
            rows = jnp.where(jnp.expand_dims(mask, 2), rows, 0)
    return gradients, rows.astype(like_tap.dtype), None, None, None, None


def _put(numbers: jax.Array, places: jax.Array, length: int) -> jax.Array:
    """Write each number of ``[D]`` at its place in a column of zeros ``[L, D]``."""
    zeros = jnp.zeros((length, numbers.shape[0]), numbers.dtype)
    columns = jnp.arange(numbers.shape[0])
    return zeros.at[places, columns].set(numbers, mode="drop")


_tap_bags.defvjp(_tap_bags_forward, _tap_bags_backward)
