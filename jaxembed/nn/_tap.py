"""Taps: arguments that receive the gradients of looked-up rows, and do nothing else.

A row-sparse training step asks for the gradient of a tap, ``[N, D]``, in place of the
gradient of the table, ``[V, D]``.
"""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def tap_rows(rows: ArrayLike, tap: ArrayLike) -> jax.Array:
    """``rows`` as they are; their gradient goes to ``tap``, and nothing to them.

    Args:
      rows: ``dtype[..., D]``, as :func:`lookup` gives them.
      tap: ``float32[..., D]`` of any numbers, which are not used.

    Returns:
      ``dtype[..., D]``.

    Raises:
      TypeError: if ``tap`` are not floats.
      ValueError: if ``tap`` has another shape than ``rows``.

    Example:
      >>> rows = jnp.array([[1.0, 2.0], [3.0, 4.0]])
      >>> jax.grad(lambda tap: (tap_rows(rows, tap) ** 2).sum())(jnp.zeros((2, 2)))
      Array([[2., 4.],
             [6., 8.]], dtype=float32)
    """
    rows, tap = jnp.asarray(rows), jnp.asarray(tap)
    check_tap(tap, rows.shape)
    return _tap_rows(rows, tap)


def check_tap(tap: jax.Array, shape: tuple[int, ...]) -> None:
    """Refuses a tap that cannot hold the gradients of rows of this shape."""
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
    """A residual that knows a tap's axes and dtype, and holds no numbers."""
    return jnp.zeros((*tap.shape, 0), tap.dtype)


@jax.custom_vjp
def tap_sums(
    sums: jax.Array,
    tap: jax.Array,
    weights: jax.Array | None,
    is_read: jax.Array | None,
    bags: jax.Array | None,
) -> jax.Array:
    """The sums ``[B, D]`` as they are; each row's gradient goes to ``tap``.

    Args:
      sums: ``dtype[B, D]``, of rows times weights.
      tap: ``float32[B, L, D]`` or ``float32[N, D]``.
      weights: ``float[B, L]`` or ``float[N]``; None for ones.
      is_read: ``bool[B, L]`` or ``bool[N]``, False at a row that is in no sum; None if
        all are.
      bags: ``int[N]``, each row's bag, outside of ``[0, B)`` for none; None for
        ``[B, L]``, where the axis tells.
    """
    return sums


def _tap_sums_forward(sums, tap, weights, is_read, bags):
    return sums, (_like(tap), weights, is_read, bags)


def _tap_sums_backward(residuals, gradients):
    like_tap, weights, is_read, bags = residuals
    if bags is None:
        rows = jnp.broadcast_to(jnp.expand_dims(gradients, 1), like_tap.shape[:-1])
    else:
        rows = gradients.at[bags].get(
            mode="fill", fill_value=0, wrap_negative_indices=False
        )
    if weights is not None:
        rows = rows * jnp.expand_dims(weights, -1)
    if is_read is not None:
        rows = jnp.where(jnp.expand_dims(is_read, -1), rows, 0)
    return gradients, rows.astype(like_tap.dtype), None, None, None


tap_sums.defvjp(_tap_sums_forward, _tap_sums_backward)


@jax.custom_vjp
def tap_maxima(maxima: jax.Array, tap: jax.Array, winners: jax.Array) -> jax.Array:
    """The maxima ``[B, D]`` as they are; the winners' gradients go to ``tap``.

    Args:
      maxima: ``dtype[B, D]``.
      tap: ``float32[B, L, D]`` or ``float32[N, D]``.
      winners: ``int[B, D]``, which row of the tap, of all its rows, won; past the end
        for none.
    """
    return maxima


def _tap_maxima_forward(maxima, tap, winners):
    return maxima, (_like(tap), winners)


def _tap_maxima_backward(residuals, gradients):
    like_tap, winners = residuals
    *axes, n_columns, _ = like_tap.shape
    rows = jnp.zeros((math.prod(axes), n_columns), like_tap.dtype)
    columns = jnp.broadcast_to(jnp.arange(n_columns), winners.shape)
    rows = rows.at[winners, columns].set(gradients.astype(rows.dtype), mode="drop")
    return gradients, rows.reshape(*axes, n_columns), None


tap_maxima.defvjp(_tap_maxima_forward, _tap_maxima_backward)
