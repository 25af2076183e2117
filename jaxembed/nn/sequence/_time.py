"""Time: reductions of sequences over their words, without their padding."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def check_rows(rows: ArrayLike, mask: ArrayLike | None) -> tuple[jax.Array, jax.Array]:
    """Return rows ``float[B, L, D]`` and mask ``bool[B, L]``, or raise an error.

    Args:
      rows: rows of the words.
      mask: True at a word, False at padding; None for all True.

    Raises:
      TypeError: if the rows are not floats, or the mask not bools.
      ValueError: if the axes are others, or L is 0.
    """
    rows = jnp.asarray(rows)
    if not jnp.issubdtype(rows.dtype, jnp.floating):
        raise TypeError(f"rows must be floats, got {rows.dtype}{list(rows.shape)}.")
    if rows.ndim != 3 or rows.shape[1] == 0:
        raise ValueError(
            "rows must have the axes [B, L, D], with L of at least 1, got "
            f"{list(rows.shape)}."
        )
    if mask is None:
        return rows, jnp.ones(rows.shape[:2], bool)
    mask = jnp.asarray(mask)
    if mask.dtype != bool:
        raise TypeError(
            f"mask must be bools, got {mask.dtype}{list(mask.shape)}: True at a word, "
            "such as ids != 0."
        )
    if mask.shape != rows.shape[:2]:
        raise ValueError(
            f"mask must have the shape {list(rows.shape[:2])}, got {list(mask.shape)}: "
            "one value for each word."
        )
    return rows, mask


def clear_padding(rows: jax.Array, mask: jax.Array) -> jax.Array:
    """Return the rows with zeros where the mask is False, also for rows of NaN."""
    return jnp.where(jnp.expand_dims(mask, 2), rows, jnp.zeros((), rows.dtype))


def max_over_time(features: jax.Array, mask: jax.Array) -> jax.Array:
    """Return the maximum of each feature over the words; zeros without a word.

    Args:
      features: ``float[B, L, F]``.
      mask: ``bool[B, L]``.

    Returns:
      ``float[B, F]``.

    Example:
      >>> mask = jnp.array([[True, True, False], [False, False, False]])
      >>> features = jnp.array([[[-2.0], [-1.0], [9.0]], [[1.0], [2.0], [3.0]]])
      >>> max_over_time(features, mask).tolist()
      [[-1.0], [0.0]]
    """
    kept = jnp.where(jnp.expand_dims(mask, 2), features, -jnp.inf)
    has_word = mask.any(1, keepdims=True)
    return jnp.where(has_word, kept.max(1), jnp.zeros((), features.dtype))


def mean_over_time(features: jax.Array, mask: jax.Array) -> jax.Array:
    """Return the mean of each feature over the words; zeros without a word.

    Args:
      features: ``float[B, L, F]``.
      mask: ``bool[B, L]``.

    Returns:
      ``float[B, F]``.

    Example:
      >>> mask = jnp.array([[True, True, False], [False, False, False]])
      >>> features = jnp.array([[[1.0], [2.0], [9.0]], [[1.0], [2.0], [3.0]]])
      >>> mean_over_time(features, mask).tolist()
      [[1.5], [0.0]]
    """
    n_words = jnp.maximum(mask.sum(1, keepdims=True), 1).astype(features.dtype)
    return clear_padding(features, mask).sum(1) / n_words
