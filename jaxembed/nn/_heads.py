"""Heads: from the rows of the words of a text to logits."""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxembed.nn._initializers import glorot_uniform


class Flatten(nn.Module):
    """``float[B, ...]`` to ``float[B, F]``; a layer of its own in :func:`summary`.

    Example:
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
        return _dense_layers(self, Flatten(name="flatten")(rows), train)


class PooledDense(nn.Module):
    """Bags of rows, hidden layers, and a last layer: the order of words is lost.

    :class:`TextClassifier` gives it bags, so that there is no row for each word in
    memory. Without hidden layers it is fastText's classifier (Joulin et al. 2016).

    Attributes:
      combine: "mean", "sum", "sqrtn" or "max"; see :func:`embedding_bag`.
      hidden: the widths of the hidden layers, each followed by a ReLU.
      classes: 1 for one logit (yes or no), C > 1 for one logit for each class.
      dropout: the share of the inputs of each Dense layer that training drops.
      dtype: of the computation; that of the input if None.
      kernel_init: of the layers, called as ``kernel_init(key, shape, dtype)``.

    Example:
      >>> from jaxembed import nn
      >>> model = nn.TextClassifier(nn.Embed(9, 4), PooledDense())
      >>> ids = jnp.array([[1, 2, 3], [4, 5, 6]])
      >>> model.init_with_output(jax.random.key(0), ids)[0].shape
      (2,)
    """

    combine: str = "mean"
    hidden: Sequence[int] = ()
    classes: int = 1
    dropout: float = 0.0
    dtype: Any = None
    kernel_init: Callable[..., jax.Array] = glorot_uniform

    def __post_init__(self) -> None:
        self.hidden = tuple(self.hidden)  # a list would be no static argument
        super().__post_init__()

    @nn.compact
    def __call__(self, bags: jax.Array, train: bool = False) -> jax.Array:
        """Logits ``float[B]``, or ``float[B, C]`` for C > 1, of ``float[B, D]``.

        Args:
          bags: one vector for each of B texts.
          train: whether to drop inputs, which needs the random key "dropout".

        Raises:
          ValueError: if ``bags`` has not two axes, or D is 0.
        """
        if bags.ndim != 2 or bags.shape[1] == 0:
            raise ValueError(
                f"bags must have the axes [B, D], D over 0, got {list(bags.shape)}: "
                "TextClassifier makes them; rows [B, L, D] are for FlattenDense."
            )
        return _dense_layers(self, bags, train, self.kernel_init)


class PooledBias(nn.Module):
    """Bags of logits, and the bias: the head of a model that was folded.

    :func:`jaxembed.train.fold` makes it of a :class:`PooledDense`.

    Attributes:
      combine: "mean", "sum" or "sqrtn".
      classes: 1 for one logit (yes or no), C > 1 for one logit for each class.

    Example:
      >>> PooledBias().init_with_output(jax.random.key(0), jnp.array([[2.0], [3.0]]))[0]
      Array([2., 3.], dtype=float32)
    """

    combine: str = "mean"
    classes: int = 1

    @nn.compact
    def __call__(self, bags: jax.Array, train: bool = False) -> jax.Array:
        """Logits ``float[B]``, or ``float[B, C]`` for C > 1, of ``float[B, C]``."""
        bias = self.param("bias", nn.initializers.zeros, (self.classes,))
        logits = bags + jnp.expand_dims(bias, 0)
        return logits[:, 0] if self.classes == 1 else logits


def _dense_layers(
    head: Any, x: jax.Array, train: bool, kernel_init: Any = glorot_uniform
) -> jax.Array:
    """The layers of a head, of which the last gives the logits."""

    def dense(width: int, name: str, x: jax.Array) -> jax.Array:
        if head.dropout:
            x = nn.Dropout(head.dropout, deterministic=not train)(x)
        layer = nn.Dense(width, kernel_init=kernel_init, dtype=head.dtype, name=name)
        return layer(x)

    for i, width in enumerate(head.hidden):
        x = nn.relu(dense(width, f"hidden_{i}", x))
    x = dense(head.classes, "logits", x)
    return x[:, 0] if head.classes == 1 else x
