"""Embed: a layer that holds a table of word vectors and looks up its rows."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.linen.dtypes import promote_dtype
from jax.typing import ArrayLike, DTypeLike

from jaxembed._checks import check_count
from jaxembed.nn._initializers import keras_uniform
from jaxembed.nn._lookup import as_ids, lookup
from jaxembed.nn._tap import tap_bags, tap_rows
from jaxembed.nn.bag._bag import embedding_bag

# Flax collections of a row-sparse training step. For each lookup, in order, ROW_GRADS
# holds a tap, whose gradient is that of the rows, and ROW_IDS the ids [..., 1].
ROW_GRADS, ROW_IDS = "row_grads", "row_ids"
# Flax collection that records the table, to check that it is the parameter unchanged.
ROW_TABLES = "row_tables"


class Embed(nn.Module):
    """Embedding layer: a table of word vectors, looked up by id.

    The parameter is named ``embedding``, so weights of ``flax.linen.Embed`` fit. Rows
    are gathered in the table's dtype and cast afterwards. In the reverse order the
    gradients of a frequent word would be summed in ``bfloat16`` and stall: 4,000
    gradients of 1 sum to 256.

    A row-sparse training step passes the collections ``row_grads`` and ``row_ids``.
    They work under Flax's lifted transforms. ``nn.remat`` needs no change; ``nn.scan``
    and ``nn.vmap`` must list both collections in ``variable_axes``.

    Attributes:
      num_embeddings: number of rows, V.
      features: length of a row, D.
      frozen: True to keep the table constant. No gradient reaches it, and
        :func:`jaxembed.train.fit` does not pass it to the optimizer.
      padding_idx: id used for padding. It reads as zeros, gets no gradient and is left
        out of bags. None disables it.
      dtype: dtype of the result; None for the dtype of the table.
      param_dtype: dtype in which the table is stored.
      embedding_init: initializer, called as ``embedding_init(key, (V, D), dtype)``.
      lookup_fn: function called as ``lookup_fn(table, ids)``. It must return the rows
        of :func:`lookup` unchanged, since a row-sparse step uses the gradient of its
        result as the gradient of the rows.
      bag_fn: function called like :func:`embedding_bag`; must return equal bags.

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
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32
    embedding_init: Callable[..., jax.Array] = keras_uniform
    lookup_fn: Callable[..., jax.Array] = lookup
    bag_fn: Callable[..., jax.Array] = embedding_bag

    def setup(self) -> None:
        """Create the table."""
        n_rows = check_count("num_embeddings", self.num_embeddings)
        shape = (n_rows, check_count("features", self.features))
        pad = self.padding_idx
        if pad is not None and not 0 <= pad < n_rows:
            raise ValueError(
                f"padding_idx must be a row of the table, 0 to {n_rows - 1}, got {pad}."
            )
        if self.has_variable("params", "embedding"):
            found = getattr(self.get_variable("params", "embedding"), "shape", shape)
            if len(found) == 2 and found[1] == shape[1] and found[0] > n_rows:
                raise ValueError(self._explain(found))
        self.embedding = self.param("embedding", self._init, shape, self.param_dtype)

    def __call__(self, ids: ArrayLike) -> jax.Array:
        """Return rows ``dtype[..., D]`` for ids ``int[...]``; see :func:`lookup`.

        Raises:
          TypeError: if ``num_embeddings`` or ``features`` is not an integer.
          ValueError: if one of them is below 1, or if ``padding_idx`` is out of range.
        """
        table, tap = self._table(), self._next_tap(ids)
        rows = self.lookup_fn(table, ids)
        rows = rows if tap is None else tap_rows(rows, tap)
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
        """Pool the rows of ids ``int[B, L]`` to ``dtype[B, D]``, by `embedding_bag`."""
        if self.padding_idx is not None:
            is_word = ~self._is_pad(ids)
            mask = is_word if mask is None else is_word & mask
        tap = self._next_tap(ids, mask)
        bags = self._pool(self._table(), tap, ids, weights, mask, combine)
        return bags if self.dtype is None else bags.astype(self.dtype)

    def compute_mask(self, ids: ArrayLike) -> jax.Array:
        """Return ``bool[...]``, True at words: ids other than ``padding_idx``.

        Args:
          ids: ``int[...]``.
        """
        if self.padding_idx is None:
            return jnp.ones(np.shape(ids), bool)
        return ~self._is_pad(ids)

    def attend(self, query: ArrayLike) -> jax.Array:
        """Return the products of ``query`` with all rows, for tied output weights.

        Args:
          query: ``float[..., D]``.

        Returns:
          ``float[..., V]``, in the dtype of ``flax.linen.Embed.attend``. The product
          with the row of ``padding_idx`` is 0.
        """
        table = self.embedding
        if self.frozen:
            table = jax.lax.stop_gradient(table)
        if self.padding_idx is not None:
            table = table.at[self.padding_idx].set(0)
        query, table = promote_dtype(query, table, dtype=self.dtype)
        return jnp.dot(query, table.T)

    def _explain(self, found: tuple[int, ...]) -> str:
        """Return the error for a table that has more rows than the layer."""
        n_rows = self.num_embeddings
        return (
            f"embedding must have the shape [{n_rows}, {self.features}], got "
            f"{list(found)}: give num_embeddings={found[0]}. If the table is that of "
            "fit(mesh=), in shard order, give mesh= to evaluate and predict, or apply "
            f"dist.shard_model(model, rules), or use dist.to_words(table, {n_rows})."
        )

    def _pool(self, table: jax.Array, tap: jax.Array | None, *given: Any) -> jax.Array:
        """Return bags for the arguments of ``bag``, with their gradient in the tap."""
        bags = self.bag_fn(table, *given)
        return bags if tap is None else tap_bags(bags, tap, table, *given)

    def _table(self) -> jax.Array:
        """Return the table, without a gradient if taps receive that of its rows."""
        is_tapped = self.has_variable(ROW_GRADS, "embedding")
        is_constant = self.frozen or is_tapped and not self._asks_for_taps()
        return jax.lax.stop_gradient(self.embedding) if is_constant else self.embedding

    def _next_tap(
        self, ids: ArrayLike, mask: ArrayLike | None = None
    ) -> jax.Array | None:
        """Return the tap of this lookup, if the step passes one, and record the ids.

        If ``row_grads`` is mutable, the step asks for the shapes of all taps instead.
        """
        if self._asks_for_taps():
            self.sow(ROW_GRADS, "embedding", jnp.zeros((*np.shape(ids), self.features)))
            return None
        if not self.has_variable(ROW_GRADS, "embedding"):
            return None
        if not self.is_mutable_collection(ROW_IDS):
            raise ValueError(
                f'the collection {ROW_GRADS} needs mutable=["{ROW_IDS}"] in apply, '
                "which records the ids of each lookup."
            )
        # sow appends, so the number of recorded ids is the index of this lookup.
        place = len(self.get_variable(ROW_IDS, "embedding", ()))
        ids = jnp.asarray(as_ids(ids))
        if mask is not None:  # masked ids become V, which gets no gradient
            ids = ids.astype(jnp.promote_types(ids.dtype, jnp.int32))
            ids = jnp.where(mask, ids, self.num_embeddings)
        # With a last axis, as in taps, shapes show if a lifted transform moves other
        # axes of the ids than of the taps.
        self.sow(ROW_IDS, "embedding", jnp.expand_dims(ids, -1))
        self.sow(ROW_TABLES, "embedding", self.embedding)
        return self.get_variable(ROW_GRADS, "embedding")[place]

    def _asks_for_taps(self) -> bool:
        """Return whether the step asks only for the shapes of the taps."""
        wants_all = self.is_mutable_collection("params")  # init, or mutable=True
        return self.is_mutable_collection(ROW_GRADS) and not wants_all

    def _is_pad(self, ids: ArrayLike) -> jax.Array:
        # as_ids clips ids past 32 bits, which JAX would wrap to other ids.
        known = ids if isinstance(ids, jax.Array) else as_ids(ids)
        return jnp.asarray(known == self.padding_idx)

    def _init(
        self, key: jax.Array, shape: tuple[int, int], dtype: DTypeLike
    ) -> jax.Array:
        table = self.embedding_init(key, shape, dtype)
        return table if self.padding_idx is None else table.at[self.padding_idx].set(0)
