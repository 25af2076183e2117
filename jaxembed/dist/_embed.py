"""ShardedEmbed: an embedding layer whose table is spread over a mesh."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jax.sharding import PartitionSpec
from jax.typing import ArrayLike, DTypeLike

from jaxembed import nn
from jaxembed.dist._draw import draw_table
from jaxembed.dist._lookup import embedding_bag, lookup, tapped_bag
from jaxembed.dist._mesh import Rules
from jaxembed.dist._modes import run_auto


@dataclasses.dataclass(frozen=True)
class Hook:
    """Hook of an ``Embed`` with a sharded table; equal hooks compile once.

    Attributes:
      rules: placement on the mesh.
      n_words: number of words, V.
    """

    rules: Rules
    n_words: int


class Lookup(Hook):
    """Lookup of a sharded table, for ``Embed.lookup_fn``."""

    @property
    def func(self) -> Callable[..., jax.Array]:
        """The function of one device with the same rows, as in functools.partial."""
        return nn.lookup

    def __call__(self, table: ArrayLike, ids: ArrayLike) -> jax.Array:
        """Return the rows of :func:`lookup`."""
        return lookup(table, ids, self.rules, self.n_words)


class Bag(Hook):
    """Bags of a sharded table, for ``Embed.bag_fn``."""

    @property
    def func(self) -> Callable[..., jax.Array]:
        """The function of one device with the same bags, as in functools.partial."""
        return nn.embedding_bag

    def __call__(self, table: ArrayLike, ids: ArrayLike, *rest: Any) -> jax.Array:
        """Return the bags of :func:`embedding_bag`."""
        return embedding_bag(table, ids, *rest, rules=self.rules, n_rows=self.n_words)


class ShardedEmbed(nn.Embed):
    """Embedding layer whose table is spread over a mesh, made by `shard_model`.

    The parameter has the shape ``[Vp, D]``, in shard order, see :class:`Rules`. Its
    initial rows are those of the layer of one device. All other attributes are those of
    :class:`jaxembed.nn.Embed`.

    Attributes:
      num_embeddings: number of stored rows, Vp.
      rules: placement on the mesh.
      n_words: number of words, V.
    """

    rules: Rules | None = None  # never None: Flax needs defaults after defaults
    n_words: int = 0

    def attend(self, query: ArrayLike) -> jax.Array:
        """Return the products ``float[..., V]`` of ``query`` with all rows.

        The products are in word order, and each device has all of them; see
        :meth:`jaxembed.nn.Embed.attend`.
        """
        rules, n_words = self._rules(), self.n_words
        table = jax.lax.stop_gradient(self.embedding) if self.frozen else self.embedding
        query, table = promote_dtype(query, table, dtype=self.dtype)
        shape, size = jnp.shape(query)[:-1], len(table) // rules.n_shards

        def run(mesh: Any, query: jax.Array, table: jax.Array) -> jax.Array:
            specs = PartitionSpec(), PartitionSpec(rules.vocab, None)
            by_shard = PartitionSpec(*[None] * len(shape), rules.vocab)
            multiply = jax.shard_map(
                lambda query, shard: jnp.dot(query, shard.T),
                mesh=mesh,
                in_specs=specs,
                out_specs=by_shard,
            )
            products = multiply(query, table).reshape(*shape, rules.n_shards, size)
            products = products.swapaxes(-1, -2).reshape(*shape, len(table))
            return products[..., :n_words]

        products = run_auto(run, rules, PartitionSpec(), query, table)
        if self.padding_idx is None:
            return products
        is_pad = jnp.arange(n_words) == self.padding_idx
        is_pad = jnp.broadcast_to(is_pad, products.shape)
        return jnp.where(is_pad, jnp.zeros((), products.dtype), products)

    def _explain(self, found: tuple[int, ...]) -> str:
        rules = self._rules()
        return (
            f"a table of {self.n_words} words in {rules.n_shards} shards must have "
            f"{self.num_embeddings} rows, got {list(found)}: move the table to this "
            f"mesh by dist.to_shards(dist.to_words(table, {self.n_words}), rules)."
        )

    def _pool(self, table: jax.Array, tap: jax.Array | None, *given: Any) -> jax.Array:
        if tap is None:
            return self.bag_fn(table, *given)
        return tapped_bag(
            table, *given, tap=tap, rules=self._rules(), n_rows=self.n_words
        )

    def _init(
        self, key: jax.Array, shape: tuple[int, int], dtype: DTypeLike
    ) -> jax.Array:
        return draw_table(
            self.embedding_init,
            key,
            (self.n_words, shape[1]),
            dtype,
            rules=self._rules(),
            padding_idx=self.padding_idx,
        )

    def _rules(self) -> Rules:
        if self.rules is None:
            raise ValueError(
                "a ShardedEmbed is made by dist.shard_model(model, rules)."
            )
        return self.rules
