"""Embed: the table as a parameter."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxembed.nn._bag import embedding_bag
from jaxembed.nn._initializers import keras_uniform
from jaxembed.nn._lookup import lookup


class Embed(nn.Module):
    """A table of word vectors, read by id.

    The parameter is called ``embedding``, so weights of ``flax.linen.Embed`` fit. Rows
    are gathered in the table's dtype and cast afterwards: in the reverse order the
    gradients of a word that comes often are summed in ``bfloat16`` and stall (4,000
    gradients of 1 sum to 256).

    Attributes:
      num_embeddings: V, how many rows there are.
      features: D, how long a row is.
      frozen: whether the table stays as it is: no gradient reaches it, and
        :func:`jaxembed.train.fit` keeps it away from the optimizer.
      padding_idx: an id whose row is zeros, whatever numbers the table has there: it is
        read as zeros, no gradient reaches it, and it is in no bag. None for no such id.
      dtype: of the result; that of the table if None.
      param_dtype: in which the table is stored.
      embedding_init: called as ``embedding_init(key, (V, D), param_dtype)``.
      lookup_fn: called as ``lookup_fn(table, ids)``, gives ``[..., D]``.
      bag_fn: called as :func:`embedding_bag`, gives ``[B, D]``.

    Example:
      >>> embed = Embed(num_embeddings=5, features=2)
      >>> variables = embed.init(jax.random.key(0), jnp.array([[0]]))
      >>> jax.tree.map(jnp.shape, variables)
      {'params': {'embedding': (5, 2)}}
      >>> embed.apply(variables, jnp.array([[0, 4, 1]])).shape
      (1, 3, 2)
    """

    num_embeddings: int
    features: int
    frozen: bool = False
    padding_idx: int | None = None
    dtype: Any = None
    param_dtype: Any = jnp.float32
    embedding_init: Callable[..., jax.Array] = keras_uniform
    lookup_fn: Callable[..., jax.Array] = lookup
    bag_fn: Callable[..., jax.Array] = embedding_bag

    def setup(self) -> None:
        """Makes the table."""
        shape = (self.num_embeddings, self.features)
        if min(shape) < 1:
            raise ValueError(
                f"num_embeddings and features must be at least 1, got {shape}."
            )
        pad = self.padding_idx
        if pad is not None and not 0 <= pad < self.num_embeddings:
            raise ValueError(
                f"padding_idx must be a row of the table, 0 to {shape[0] - 1}, got "
                f"{pad}."
            )
        self.embedding = self.param("embedding", self._init, shape, self.param_dtype)

    def __call__(self, ids: ArrayLike) -> jax.Array:
        """Rows ``dtype[..., D]`` for ids ``int[...]``; see :func:`lookup`.

        Raises:
          ValueError: if the table would have no rows or no columns, or if
            ``padding_idx`` is none of its rows.
        """
        rows = self.read_rows(self._table(), ids)
        pad = self.padding_idx
        if pad is not None:
            # where, not *: NaN * 0 is NaN, and where lets no gradient through.
            is_pad = jnp.expand_dims(self._is_pad(ids), -1)
            rows = jnp.where(is_pad, jnp.zeros((), rows.dtype), rows)
        return rows if self.dtype is None else rows.astype(self.dtype)

    def bag(
        self,
        ids: ArrayLike,
        weights: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        combine: str = "mean",
    ) -> jax.Array:
        """Bags ``dtype[B, D]`` of ids ``int[B, L]``; see :func:`embedding_bag`."""
        if self.padding_idx is not None:
            is_word = ~self._is_pad(ids)
            mask = is_word if mask is None else is_word & mask
        bags = self.read_bags(self._table(), ids, weights, mask, combine)
        return bags if self.dtype is None else bags.astype(self.dtype)

    # Methods of their own, so that row-sparse training can put its tap behind them.
    def read_rows(self, table: jax.Array, ids: ArrayLike) -> jax.Array:
        """What ``lookup_fn`` gives."""
        return self.lookup_fn(table, ids)

    def read_bags(self, table: jax.Array, ids: ArrayLike, *bag: Any) -> jax.Array:
        """What ``bag_fn`` gives."""
        return self.bag_fn(table, ids, *bag)

    def _table(self) -> jax.Array:
        table = self.embedding
        return jax.lax.stop_gradient(table) if self.frozen else table

    def _is_pad(self, ids: ArrayLike) -> jax.Array:
        # As they are: JAX would wrap ids past 32 bits to others.
        known = ids if isinstance(ids, jax.Array) else np.asarray(ids)
        return jnp.asarray(known == self.padding_idx)

    def _init(self, *arguments: Any) -> jax.Array:
        table = self.embedding_init(*arguments)
        return table if self.padding_idx is None else table.at[self.padding_idx].set(0)
