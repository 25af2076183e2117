"""RMSprop with the defaults of Keras."""

import optax

from jaxembed.optim._checks import check_settings


def rmsprop(
    learning_rate: optax.ScalarOrSchedule = 1e-3,
    *,
    decay: float = 0.9,
    eps: float = 1e-7,
) -> optax.GradientTransformation:
    """Return Keras's ``RMSprop``: ``w -= learning_rate * g / sqrt(nu + eps)``.

    The defaults are Keras's. Optax's own eps is 1e-8; torch adds eps outside of the
    root and has a decay of 0.99. Both give other weights.

    Args:
      learning_rate: a number, or a schedule of the step.
      decay: decay of ``nu``, the mean of the squared gradients (Keras's ``rho``).
      eps: added to ``nu``, inside the root.

    Returns:
      An Optax transformation.

    Raises:
      TypeError: if a setting is not a number or a schedule.
      ValueError: if a setting is negative, NaN or infinite.

    Example:
      >>> import jax.numpy as jnp
      >>> tx = rmsprop(0.1)
      >>> updates, _ = tx.update(jnp.array([2.0]), tx.init(jnp.zeros(1)))
      >>> updates.round(4)  # -0.1 * 2 / sqrt(0.1 * 4)
      Array([-0.3162], dtype=float32)
    """
    check_settings(learning_rate=learning_rate, decay=decay, eps=eps)
    return optax.rmsprop(learning_rate, decay=decay, eps=eps)
