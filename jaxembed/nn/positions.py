"""Positions: rows side by side times a kernel, once for each word of a position.

A layer over flattened rows multiplies the row of a word by the part of its kernel that
belongs to the word's position. Texts share their words, so among many texts a position
has few distinct ones: here each is multiplied once, and a text is the sum of its words'
products. For 10,000 reviews of 100 words that is a quarter of the arithmetic, and of
the rows in memory.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxembed.nn.bag import embedding_bag


class Positions(NamedTuple):
    """Texts by the distinct words of each position.

    Attributes:
      words: ``int32[L, U]``, the distinct ids at each position, filled up with the
        last of them.
      places: ``int32[B, L]``, where each id of a text stands among the
        L U of ``words``.
    """

    words: ArrayLike
    places: ArrayLike


def find_positions(ids: np.ndarray) -> Positions:
    """The distinct words at each position of some texts. On the host.

    Args:
      ids: ``int[B, L]``, B and L over 0.

    Returns:
      :class:`Positions` of NumPy.

    Example:
      >>> words, places = find_positions(np.array([[7, 5], [7, 6], [8, 5]]))
      >>> words.tolist(), places.tolist()
      ([[7, 8], [5, 6]], [[0, 2], [0, 3], [1, 2]])
    """
    columns = [np.unique(column, return_inverse=True) for column in ids.T]
    width = max(len(words) for words, _ in columns)
    words = [np.pad(words, (0, width - len(words)), "edge") for words, _ in columns]
    places = [i * width + places for i, (_, places) in enumerate(columns)]
    return Positions(
        np.stack(words).astype(np.int32), np.stack(places, axis=1).astype(np.int32)
    )


def multiply_positions(
    sources: ArrayLike,
    kernel: ArrayLike,
    places: ArrayLike,
    read: Callable[[jax.Array], jax.Array] | None = None,
) -> jax.Array:
    """The rows of texts side by side, times a kernel.

    Args:
      sources: ``float[L, U, D]``, the rows of ``Positions.words``; or these words, if
        their rows are not to be in memory all at once.
      kernel: ``float[L * D, H]``.
      places: ``int32[B, L]``, those of :class:`Positions`; not checked.
      read: called with the part of ``sources`` for a position, gives ``float[U, D]``.

    Returns:
      ``float[B, H]``.

    Example:
      >>> import jax.numpy as jnp
      >>> table, ids = jnp.arange(18.0).reshape(9, 2), np.array([[7, 5], [7, 6]])
      >>> words, places = find_positions(ids)
      >>> kernel = jnp.arange(12.0).reshape(4, 3)
      >>> multiply_positions(table[words], kernel, places)
      Array([[204., 254., 304.],
             [234., 288., 342.]], dtype=float32)
      >>> table[ids].reshape(2, 4) @ kernel
      Array([[204., 254., 304.],
             [234., 288., 342.]], dtype=float32)
    """
    length = jnp.shape(places)[1]
    kernels = jnp.reshape(kernel, (length, -1, jnp.shape(kernel)[1]))
    if read is None:
        products = jnp.einsum("lud,ldh->luh", sources, kernels)
    else:
        # One position at a time: its rows stay in the cache of a core.
        parts = jnp.asarray(sources), kernels
        products = jax.lax.map(lambda part: read(part[0]) @ part[1], parts)
    table = products.reshape(-1, products.shape[-1])
    return embedding_bag(table, places, combine="sum", mode="promise_in_bounds")
