"""Heads: from the rows of the words of a text to logits."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax

from jaxembed.nn.initializers import glorot_uniform


class Flatten(nn.Module):
    """``float[B, ...]`` to ``float[B, F]``; a layer of its own in :func:`summary`.

    Example:
      >>> import jax.numpy as jnp
      >>> Flatten().apply({}, jnp.zeros((2, 3, 4))).shape
      (2, 12)
    """

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Puts all axes but the first into one."""
        return x.reshape(x.shape[0], -1)


class FlattenDense(nn.Module):
    """Rows side by side, hidden layers, and a last layer: the notebook's head.

    Attributes:
      hidden: the widths of the hidden layers, each followed by a ReLU.
      classes: 1 for one logit (yes or no), C > 1 for one logit for each class.
      dropout: the share of the inputs of each Dense layer that training drops.
      dtype: of the computation; that of the input if None.

    Example:
      >>> import jax.numpy as jnp
      >>> head, rows = FlattenDense(hidden=(4,)), jnp.ones((2, 3, 8))
      >>> head.apply(head.init(jax.random.key(0), rows), rows).shape
      (2,)
    """

    hidden: Sequence[int] = ()
    classes: int = 1
    dropout: float = 0.0
    dtype: Any = None

    def __post_init__(self) -> None:
        self.hidden = tuple(self.hidden)  # a list would be no static argument
        super().__post_init__()

    @nn.compact
    def __call__(self, rows: jax.Array, train: bool = False) -> jax.Array:
        """Logits ``float[B]``, or ``float[B, C]`` for C > 1, of ``float[B, L, D]``.

        Args:
          rows: the rows of the L words of B texts.
          train: whether to drop inputs, which needs the random key "dropout".

        Raises:
          ValueError: if ``rows`` has not three axes, or L or D is 0.
        """
        if rows.ndim != 3 or 0 in rows.shape[1:]:
            raise ValueError(
                f"rows must have the axes [B, L, D], L and D over 0, got {rows.shape}."
            )
        x = Flatten(name="flatten")(rows)
        for i, width in enumerate(self.hidden):
            x = nn.relu(self._dense(width, f"hidden_{i}", x, train))
        x = self._dense(self.classes, "logits", x, train)
        return x[:, 0] if self.classes == 1 else x

    def _dense(self, width: int, name: str, x: jax.Array, train: bool) -> jax.Array:
        if self.dropout:
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(width, kernel_init=glorot_uniform, dtype=self.dtype, name=name)(
            x
        )
