"""Initial weights with Keras's numbers, which are not Flax's."""

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
