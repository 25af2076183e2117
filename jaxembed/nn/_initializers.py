"""Initial weights with Keras's numbers, which are not Flax's."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax.linen import initializers

# Keras's default for the kernel of a Dense layer; Flax's is lecun_normal.
glorot_uniform = initializers.glorot_uniform()


def keras_uniform(key: jax.Array, shape: Any, dtype: Any = jnp.float32) -> jax.Array:
    """Draws from [-0.05, 0.05), as Keras's ``RandomUniform`` does for ``Embedding``.

    ``flax.linen.initializers.uniform(0.05)`` draws from [0, 0.05) instead.

    Args:
      key: a JAX random key.
      shape: of the result.
      dtype: of the result.

    Returns:
      ``dtype[shape]``.

    Example:
      >>> table = keras_uniform(jax.random.key(0), (100, 8))
      >>> bool((table >= -0.05).all() and (table < 0.05).all()), table.min() < 0
      (True, Array(True, dtype=bool))
    """
    return jax.random.uniform(key, shape, dtype, -0.05, 0.05)


@functools.lru_cache
def symmetric_uniform(limit: float) -> Callable[..., jax.Array]:
    """An initializer that draws from [-limit, limit), as fastText does with 1 / D.

    The same function for the same limit, so that models which use it are equal.

    Args:
      limit: a positive number.

    Returns:
      A function of a key, a shape and a dtype.

    Raises:
      ValueError: if ``limit`` is not positive.

    Example:
      >>> table = symmetric_uniform(0.1)(jax.random.key(0), (100, 10))
      >>> bool((abs(table) <= 0.1).all()), bool((table < -0.05).any())
      (True, True)
    """
    if not limit > 0:
        raise ValueError(f"limit must be positive, got {limit}.")

    def draw(key: jax.Array, shape: Any, dtype: Any = jnp.float32) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, -limit, limit)

    return draw
