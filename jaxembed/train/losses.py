"""Losses: from logits and labels to a loss for each example."""

import jax
import jax.numpy as jnp
import optax


def example_losses(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Cross-entropy of each example: of the sigmoid for one class, else of softmax.

    Args:
      logits: ``float[B]`` for labels 0 and 1, ``float[B, C]`` for 0 to C - 1.
      labels: ``int[B]``.

    Returns:
      ``float[B]``, in nats.

    Raises:
      ValueError: if there is not one row of logits for each label.

    Example:
      >>> example_losses(jnp.array([0.0, 9.0]), jnp.array([1, 1])).round(3)
      Array([0.693, 0.   ], dtype=float32)
    """
    if labels.ndim != 1 or logits.ndim not in (1, 2) or len(logits) != len(labels):
        raise ValueError(
            "logits must have the axes [B] or [B, C] and labels [B], got "
            f"{list(logits.shape)} and {list(labels.shape)}."
        )
    if logits.ndim == 1:
        return optax.sigmoid_binary_cross_entropy(logits, labels.astype(logits.dtype))
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def is_correct(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Whether the likelier class is the right one.

    Args:
      logits: ``float[B]`` or ``float[B, C]``.
      labels: ``int[B]``.

    Returns:
      ``bool[B]``; False where a logit is not finite.

    Example:
      >>> is_correct(jnp.array([2.0, -1.0]), jnp.array([1, 1]))
      Array([ True, False], dtype=bool)
    """
    if logits.ndim == 1:
        best, is_number = logits > 0, jnp.isfinite(logits)
    else:
        best, is_number = jnp.argmax(logits, -1), jnp.isfinite(logits).all(-1)
    return is_number & (best.astype(labels.dtype) == labels)
