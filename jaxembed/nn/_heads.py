"""Heads: from the word vectors of a text to logits."""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxembed.nn._initializers import glorot_uniform


class Flatten(nn.Module):
    """``float[B, ...]`` to ``float[B, F]``; a layer of its own in :func:`summary`.

    Example:
      >>> Flatten().apply({}, jnp.zeros((2, 3, 4))).shape
      (2, 12)
    """

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Flatten all axes but the first."""
        n_features = 1
        for size in x.shape[1:]:  # not math.prod: sizes may be symbolic in an export
            n_features *= size
        return x.reshape(x.shape[0], n_features)


class DenseHead(nn.Module):
    """Hidden layers and a last layer, on flattened rows or on bags.

    On rows ``[B, L, D]`` it is the head of Chollet's notebook. On bags ``[B, D]``,
    without hidden layers, it is fastText's classifier (Joulin et al. 2016).

    Attributes:
      hidden: widths of the hidden layers, each followed by a ReLU.
      classes: 1 for a single logit (yes or no), C > 1 for a logit of each class.
      dropout: share of the inputs of each Dense layer that training drops.
      dtype: dtype of the computation; None for that of the input.
      kernel_init: initializer of the layers, called as ``kernel_init(key, shape,
        dtype)``.

    Example:
      >>> head, rows = DenseHead(hidden=(4,)), jnp.ones((2, 3, 8))
      >>> head.apply(head.init(jax.random.key(0), rows), rows).shape
      (2,)
    """

    hidden: Sequence[int] = ()
    classes: int = 1
    dropout: float = 0.0
    dtype: DTypeLike | None = None
    kernel_init: Callable[..., jax.Array] = glorot_uniform

    def __post_init__(self) -> None:
        self.hidden = tuple(self.hidden)  # a list would not be a static argument
        super().__post_init__()

    def setup(self) -> None:
        """Create the layers ``hidden_0``, ``hidden_1``, ... and ``logits``."""
        self.flatten = Flatten()
        self.drop = nn.Dropout(self.dropout)
        for name, width in self.widths.items():
            layer = nn.Dense(width, kernel_init=self.kernel_init, dtype=self.dtype)
            setattr(self, name, layer)

    @property
    def widths(self) -> dict[str, int]:
        """Widths of the layers by their names, in order."""
        widths = {f"hidden_{i}": width for i, width in enumerate(self.hidden)}
        return {**widths, "logits": self.classes}

    def __call__(self, features: jax.Array, train: bool = False) -> jax.Array:
        """Return logits ``float[B]``, or ``float[B, C]`` for C > 1.

        Args:
          features: rows ``float[B, L, D]``, which are flattened, or bags
            ``float[B, D]``.
          train: whether dropout is active, which needs the random key "dropout".

        Raises:
          ValueError: if ``features`` has other axes, or one but B is 0.
        """
        if features.ndim not in (2, 3) or 0 in features.shape[1:]:
            raise ValueError(
                "features must have the axes [B, L, D] or [B, D], L and D over 0, got "
                f"{list(features.shape)}."
            )
        x = self.flatten(features) if features.ndim == 3 else features
        first = next(iter(self.widths))
        return self.after_first(self._apply(first, x, train), train)

    def after_first(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Return the logits from the output of the first Dense layer, ``float[B, H]``.

        The output is that before the ReLU. A caller that computes the first layer in
        another way continues here.
        """
        for name in list(self.widths)[1:]:
            x = self._apply(name, nn.relu(x), train)
        return x[:, 0] if self.classes == 1 else x

    def _apply(self, name: str, x: jax.Array, train: bool) -> jax.Array:
        if self.dropout:
            x = self.drop(x, deterministic=not train)
        return getattr(self, name)(x)


class BiasHead(nn.Module):
    """Bags of logits plus a bias: the head that :func:`fold` leaves.

    Attributes:
      classes: 1 for a single logit (yes or no), C > 1 for a logit of each class.

    Example:
      >>> BiasHead().init_with_output(jax.random.key(0), jnp.array([[2.0], [3.0]]))[0]
      Array([2., 3.], dtype=float32)
    """

    classes: int = 1

    @nn.compact
    def __call__(self, bags: jax.Array, train: bool = False) -> jax.Array:
        """Return logits ``float[B]``, or ``float[B, C]`` for C > 1, of bags."""
        bias = self.param("bias", nn.initializers.zeros, (self.classes,))
        logits = bags + jnp.expand_dims(bias, 0)
        return logits[:, 0] if self.classes == 1 else logits
