"""RMSprop with the numbers of Keras."""

import optax


def rmsprop(
    learning_rate: optax.ScalarOrSchedule = 1e-3,
    *,
    decay: float = 0.9,
    eps: float = 1e-7,
) -> optax.GradientTransformation:
    """Keras's ``RMSprop``: ``w -= learning_rate * g / sqrt(nu + eps)``.

    The defaults are Keras's. Optax's own eps is 1e-8, and torch's stands outside of
    the root with a decay of 0.99; both give other weights.

    Args:
      learning_rate: a number, or a schedule of the step.
      decay: of ``nu``, the mean of the squared gradients (Keras's ``rho``).
      eps: added to ``nu``, inside the root.

    Returns:
      An Optax transformation.

    Example:
      >>> import jax.numpy as jnp
      >>> tx = rmsprop(0.1)
      >>> updates, _ = tx.update(jnp.array([2.0]), tx.init(jnp.zeros(1)))
      >>> updates.round(4)  # -0.1 * 2 / sqrt(0.1 * 4)
      Array([-0.3162], dtype=float32)
    """
    return optax.rmsprop(learning_rate, decay=decay, eps=eps)
