"""Initializers: the defaults of Keras, which differ from the defaults of Flax."""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax.linen import initializers
from jax.typing import DTypeLike

# Keras's default for the kernel of a Dense layer; Flax's is lecun_normal.
glorot_uniform = initializers.glorot_uniform()


def keras_uniform(
    key: jax.Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32
) -> jax.Array:
    """Draw from [-0.05, 0.05), as Keras's ``RandomUniform`` does for ``Embedding``.

    ``flax.linen.initializers.uniform(0.05)`` draws from [0, 0.05) instead.

    Args:
      key: a JAX random key.
      shape: shape of the result.
      dtype: dtype of the result.

    Returns:
      ``dtype[shape]``.

    Example:
      >>> table = keras_uniform(jax.random.key(0), (100, 8))
      >>> bool((table >= -0.05).all() and (table < 0.05).all()), table.min() < 0
      (True, Array(True, dtype=bool))
    """
    return jax.random.uniform(key, shape, dtype, -0.05, 0.05)


@dataclasses.dataclass(frozen=True)
class _Uniform:
    """Uniform initializer that equals every other initializer of the same limit.

    Models that use it are then equal too, and equal models share a compiled program.
    """

    limit: float

    def __call__(
        self, key: jax.Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32
    ) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, -self.limit, self.limit)


def symmetric_uniform(limit: float) -> Callable[..., jax.Array]:
    """Return an initializer that draws from [-limit, limit); fastText's limit is 1 / D.

    Args:
      limit: a positive number.

    Returns:
      A function of a key, a shape and a dtype. Initializers of equal limits are equal.

    Raises:
      ValueError: if ``limit`` is not positive.

    Example:
      >>> table = symmetric_uniform(0.1)(jax.random.key(0), (100, 10))
      >>> bool((abs(table) <= 0.1).all()), bool((table < -0.05).any())
      (True, True)
    """
    if not limit > 0:
        raise ValueError(f"limit must be positive, got {limit}.")
    return _Uniform(float(limit))
