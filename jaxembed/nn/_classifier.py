"""TextClassifier: a table and a head."""

import flax.linen as nn
import jax
from jax.typing import ArrayLike


class TextClassifier(nn.Module):
    """The ids of a text to its logits.

    Attributes:
      embed: an :class:`Embed`, which maps ``int[B, L]`` to rows ``float[B, L, D]``, or
        to bags ``float[B, D]`` by its ``bag(ids, combine=...)``.
      head: maps one of these to logits, called as ``head(rows, train=...)``: bags if it
        says how to ``combine`` rows, as :class:`PooledDense` does, else rows, as
        :class:`FlattenDense` takes them.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxembed import nn
      >>> model = TextClassifier(nn.Embed(10, 8), nn.FlattenDense())
      >>> ids = jnp.zeros((2, 5), jnp.int32)
      >>> model.apply(model.init(jax.random.key(0), ids), ids).shape
      (2,)
    """

    embed: nn.Module
    head: nn.Module

    def __call__(self, ids: ArrayLike, train: bool = False) -> jax.Array:
        """Logits ``float[B]`` for one class, ``float[B, C]`` for more.

        Args:
          ids: ``int[B, L]``.
          train: whether this is a training step, where dropout is active.
        """
        combine = getattr(self.head, "combine", None)
        if combine is None:
            return self.head(self.embed(ids), train=train)
        return self.head(self.embed.bag(ids, combine=combine), train=train)
