"""TextClassifier: a table and a head."""

import flax.linen as nn
import jax
from jax.typing import ArrayLike


class TextClassifier(nn.Module):
    """The ids of a text to its logits.

    Attributes:
      embed: maps ``int[B, L]`` to ``float[B, L, D]``; an :class:`Embed`.
      head: maps that to logits, called as ``head(rows, train=...)``; a
        :class:`FlattenDense`.

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
        return self.head(self.embed(ids), train=train)
