"""TextClassifier: an embedding, a pooling and a head in one module."""

import flax.linen as nn
import jax
from jax.typing import ArrayLike


class TextClassifier(nn.Module):
    """Text classifier that maps the ids of a text to logits.

    Attributes:
      embed: an :class:`Embed`. It maps ids ``int[B, L]`` to rows ``float[B, L, D]``, or
        with its method ``bag`` to bags ``float[B, D]``.
      head: maps rows or bags to logits, called as ``head(features, train=...)``, such
        as :class:`DenseHead`.
      pool: "mean", "sum", "sqrtn" or "max" to pool the rows of a text to a bag, see
        :func:`embedding_bag`; None to pass the rows of all words to the head.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxembed import nn
      >>> ids = jnp.zeros((2, 5), jnp.int32)
      >>> for pool in (None, "mean"):
      ...     model = TextClassifier(nn.Embed(10, 8), nn.DenseHead(), pool=pool)
      ...     variables = model.init(jax.random.key(0), ids)
      ...     print(variables["params"]["head"]["logits"]["kernel"].shape)
      (40, 1)
      (8, 1)
    """

    embed: nn.Module
    head: nn.Module
    pool: str | None = None

    def __call__(self, ids: ArrayLike, train: bool = False) -> jax.Array:
        """Return logits ``float[B]`` for one class, ``float[B, C]`` for more.

        Args:
          ids: ``int[B, L]``.
          train: True in a training step, in which dropout is active.
        """
        if self.pool is None:
            return self.head(self.embed(ids), train=train)
        return self.head(self.embed.bag(ids, combine=self.pool), train=train)
