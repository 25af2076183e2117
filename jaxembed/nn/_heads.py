"""Heads: layers that map the word vectors of a text to logits."""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxembed.nn._initializers import glorot_uniform


def check_share(name: str, value: float) -> None:
    """Raise ValueError unless a fraction to drop is from 0 to 1.

    Example:
      >>> check_share("dropout", 1.5)
      Traceback (most recent call last):
      ValueError: dropout must be from 0 to 1, got 1.5.
    """
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be from 0 to 1, got {value}.")


class Flatten(nn.Module):
    """Layer that flattens ``float[B, ...]`` to ``float[B, F]``; :func:`summary` has it.

    Example:
      >>> Flatten().apply({}, jnp.zeros((2, 3, 4))).shape
      (2, 12)
    """

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Flatten all axes except the first."""
        n_features = 1
        for size in x.shape[1:]:  # not math.prod: sizes may be symbolic in an export
            n_features *= size
        return x.reshape(x.shape[0], n_features)


class DenseHead(nn.Module):
    """Hidden layers and a last layer, on flattened rows or on bags.

    On rows ``[B, L, D]``, this is the head of Chollet's notebook. On bags ``[B, D]``,
    without hidden layers, it is fastText's classifier (Joulin et al. 2016).

    Attributes:
      hidden: widths of the hidden layers, each followed by a ReLU.
      classes: 1 for a single logit (yes or no), C > 1 for a logit of each class.
      dropout: fraction of the inputs of each Dense layer that training drops.
      dtype: dtype of the computation; None for the dtype of the input.
      kernel_init: initializer of the kernels, called as ``kernel_init(key, shape,
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
        self.hidden = tuple(self.hidden)  # a list cannot be hashed by jax.jit
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
          train: True to apply dropout, which needs the random key "dropout".

        Raises:
          ValueError: if ``features`` does not have these axes, L or D is 0, or
            ``dropout`` is not from 0 to 1.
        """
        check_share("dropout", self.dropout)
        if features.ndim not in (2, 3) or 0 in features.shape[1:]:
            raise ValueError(
                "features must have the axes [B, L, D] or [B, D], with L and D of at "
                f"least 1, got {list(features.shape)}."
            )
        x = self.flatten(features) if features.ndim == 3 else features
        first = next(iter(self.widths))
        return self.after_first(self._apply(first, x, train), train)

    def after_first(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Return the logits, given the output of the first Dense layer.

        For callers that compute the first layer in another way.

        Args:
          x: ``float[B, H]``, the output before the ReLU.
          train: True to apply dropout.
        """
        for name in list(self.widths)[1:]:
            x = self._apply(name, nn.relu(x), train)
        return x[:, 0] if self.classes == 1 else x

    def _apply(self, name: str, x: jax.Array, train: bool) -> jax.Array:
        if self.dropout:
            x = self.drop(x, deterministic=not train)
        return getattr(self, name)(x)


class BiasHead(nn.Module):
    """Head that adds a bias to bags of logits; :func:`fold` returns it.

    Attributes:
      classes: 1 for a single logit (yes or no), C > 1 for a logit of each class.

    Example:
      >>> BiasHead().init_with_output(jax.random.key(0), jnp.array([[2.0], [3.0]]))[0]
      Array([2., 3.], dtype=float32)
    """

    classes: int = 1

    @nn.compact
    def __call__(self, bags: jax.Array, train: bool = False) -> jax.Array:
        """Return logits ``float[B]``, or ``float[B, C]`` for C > 1."""
        bias = self.param("bias", nn.initializers.zeros, (self.classes,))
        logits = bags + jnp.expand_dims(bias, 0)
        return logits[:, 0] if self.classes == 1 else logits
