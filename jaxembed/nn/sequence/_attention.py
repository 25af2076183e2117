"""Attention: mean of the rows of a text, weighted by a learned query."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxembed.nn.sequence._time import check_rows, clear_padding


def attention(
    rows: ArrayLike, query: ArrayLike, mask: ArrayLike | None = None
) -> jax.Array:
    """Return the mean of the rows of each text, weighted by a softmax of scores.

    The score of a word is the product of its row and the query. Equal to Keras's
    ``Attention`` for a single query.

    Args:
      rows: ``float[B, L, D]``.
      query: ``float[D]``.
      mask: ``bool[B, L]``, True at a word; None for all True. Padding has the weight 0.

    Returns:
      ``float[B, D]``; zeros for a text without words.

    Raises:
      TypeError: if the rows are not floats, or the mask not bools.
      ValueError: if shapes do not fit.

    Example:
      >>> rows = jnp.array([[[0.0, 1.0], [0.0, 3.0]]])
      >>> attention(rows, jnp.zeros(2))
      Array([[0., 2.]], dtype=float32)
    """
    rows, mask = check_rows(rows, mask)
    query = jnp.asarray(query)
    if query.shape != rows.shape[2:]:
        raise ValueError(
            f"query must have the shape {list(rows.shape[2:])}, got "
            f"{list(query.shape)}: one number for each column of the rows."
        )
    rows = clear_padding(rows, mask)
    scores = jnp.einsum("bld,d->bl", rows, query)
    largest = jnp.max(scores, 1, keepdims=True, where=mask, initial=-jnp.inf)
    largest = jnp.where(jnp.isfinite(largest), largest, 0)  # a text without words
    # Scores of padding are replaced before the exponential, which may overflow there.
    shifted = jnp.where(mask, scores - jax.lax.stop_gradient(largest), 0)
    powers = jnp.where(mask, jnp.exp(shifted), 0)
    total = powers.sum(1, keepdims=True)
    weights = powers / jnp.where(total > 0, total, 1)
    return jnp.einsum("bl,bld->bd", weights, rows)


class Attention(nn.Module):
    """Attention pooling with one learned query, see :func:`attention`.

    At the start the query is 0, so that the layer is the mean of the rows.

    Attributes:
      query_init: initializer of the query, called as ``query_init(key, (D,))``.

    Example:
      >>> rows = jnp.array([[[0.0, 1.0], [0.0, 3.0]]])
      >>> Attention().init_with_output(jax.random.key(0), rows)[0]
      Array([[0., 2.]], dtype=float32)
    """

    query_init: Callable[..., jax.Array] = nn.initializers.zeros

    @nn.compact
    def __call__(self, rows: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
        """Return ``float[B, D]``; zeros for a text without words.

        Args:
          rows: ``float[B, L, D]``.
          mask: ``bool[B, L]``, True at a word; None for all True.

        Raises:
          TypeError: if the rows are not floats, or the mask not bools.
          ValueError: if shapes do not fit.
        """
        rows, mask = check_rows(rows, mask)
        query = self.param("query", self.query_init, rows.shape[2:])
        return attention(rows, query.astype(rows.dtype), mask)
