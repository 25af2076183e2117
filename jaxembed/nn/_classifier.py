"""TextClassifier: an embedding, a pooling and a head in one module."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxembed.nn._heads import check_share
from jaxembed.nn.bag._bag import COMBINE


class TextClassifier(nn.Module):
    """Text classifier that maps the ids of a text to logits.

    Attributes:
      embed: an :class:`Embed`. It maps ids ``int[B, L]`` to rows ``float[B, L, D]``, or
        with its method ``bag`` to bags ``float[B, D]``. The ids of its ``padding_idx``
        are no words.
      head: maps rows or bags to logits, called as ``head(features, train=...)``, such
        as :class:`DenseHead`.
      pool: "mean", "sum", "sqrtn" or "max" to pool the rows of a text to a bag, see
        :func:`embedding_bag`; a module to pool them in order, called as ``pool(rows,
        mask)``, such as :class:`Conv1D`, :class:`Recurrent` or :class:`Attention`; None
        to pass the rows of all words to the head.
      id_weights: an :class:`Embed` with one column, which holds the weight of the row
        of each id, learned or frozen; None for the weight 1.
      word_dropout: fraction of the words that training reads as padding.
      row_dropout: fraction of the elements of the rows that training drops. With a
        string as ``pool`` it is 0, since bags hold no rows; ``DenseHead.dropout`` drops
        elements of a bag.

    Example:
      >>> from jaxembed import nn
      >>> ids = jnp.zeros((2, 5), jnp.int32)
      >>> for pool in (None, "mean", nn.Conv1D(features=4, widths=(3, 5))):
      ...     model = TextClassifier(nn.Embed(10, 8), nn.DenseHead(), pool=pool)
      ...     variables = model.init(jax.random.key(0), ids)
      ...     print(variables["params"]["head"]["logits"]["kernel"].shape)
      (40, 1)
      (8, 1)
      (8, 1)
    """

    embed: nn.Module
    head: nn.Module
    pool: str | nn.Module | None = None
    id_weights: nn.Module | None = None
    word_dropout: float = 0.0
    row_dropout: float = 0.0

    @nn.compact
    def __call__(self, ids: ArrayLike, train: bool = False) -> jax.Array:
        """Return logits ``float[B]`` for one class, ``float[B, C]`` for more.

        Args:
          ids: ``int[B, L]``.
          train: True in a training step, in which dropout is active. Dropout needs the
            random key "dropout".

        Raises:
          TypeError: if ``pool`` is a class instead of a module.
          ValueError: if ``pool`` is an unknown string, ``row_dropout`` is used with a
            string as ``pool``, a fraction to drop is not from 0 to 1, or
            ``id_weights`` do not have one column.
        """
        self._check()
        mask = self._draw_words(ids) if train and self.word_dropout else None
        weights = self._weigh(ids)
        if isinstance(self.pool, str):
            if self.row_dropout:
                raise ValueError(
                    f"row_dropout must be 0 with pool={self.pool!r}, got "
                    f"{self.row_dropout}: a bag holds no rows; use DenseHead(dropout=)."
                )
            bags = self.embed.bag(ids, weights, mask, combine=self.pool)
            return self.head(bags, train=train)
        rows = self.embed(ids)
        if weights is not None:
            rows = rows * jnp.expand_dims(weights, 2)
        if mask is not None:
            rows = jnp.where(jnp.expand_dims(mask, 2), rows, jnp.zeros((), rows.dtype))
        if self.row_dropout:
            rows = nn.Dropout(self.row_dropout)(rows, deterministic=not train)
        if self.pool is None:
            return self.head(rows, train=train)
        is_word = self.embed.compute_mask(ids)
        is_word = is_word if mask is None else is_word & mask
        return self.head(self.pool(rows, is_word), train=train)

    def _check(self) -> None:
        """Raise an error for a pooling or a fraction that the model cannot have."""
        if isinstance(self.pool, type):
            name = self.pool.__name__
            raise TypeError(f"pool must be a module, got a class: write {name}(...).")
        if isinstance(self.pool, str) and self.pool not in COMBINE:
            raise ValueError(
                f"pool must be one of {COMBINE}, a module or None, got {self.pool!r}."
            )
        check_share("word_dropout", self.word_dropout)
        check_share("row_dropout", self.row_dropout)

    def _draw_words(self, ids: ArrayLike) -> jax.Array:
        """Return a mask ``bool[B, L]``, False at the dropped words."""
        share = 1 - self.word_dropout
        return jax.random.bernoulli(self.make_rng("dropout"), share, np.shape(ids))

    def _weigh(self, ids: ArrayLike) -> jax.Array | None:
        """Return the weight of each id, ``float[B, L]``; None for the weight 1."""
        if self.id_weights is None:
            return None
        weights = self.id_weights(ids)
        if weights.shape[-1] != 1:
            raise ValueError(
                "id_weights must have one column, features=1, got "
                f"{weights.shape[-1]} columns."
            )
        return weights[..., 0]
