"""Losses: of classes, of several labels for one text, and of numbers."""

import jax
import jax.numpy as jnp
import optax

CROSS_ENTROPY = "cross_entropy"
BINARY = "binary_cross_entropy"
SQUARED = "mean_squared_error"
LOSSES = (CROSS_ENTROPY, BINARY, SQUARED)
NEAR = 0.5  # largest error of a number that counts as correct


def check_loss(loss: str) -> str:
    """Return ``loss``, or raise if it is unknown.

    Example:
      >>> check_loss("mse")  # doctest: +ELLIPSIS
      Traceback (most recent call last):
      ValueError: loss must be one of ..., got 'mse'.
    """
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}.")
    return loss


def example_losses(
    logits: jax.Array, labels: jax.Array, loss: str = CROSS_ENTROPY
) -> jax.Array:
    """Compute the loss of each example.

    Args:
      logits: ``float[B]`` or ``float[B, C]``, C > 1.
      labels: see ``loss``.
      loss: one of

        * "cross_entropy": labels ``int[B]``, classes. A sigmoid for logits ``[B]`` and
          labels 0 and 1, a softmax for ``[B, C]`` and labels 0 to C - 1;
        * "binary_cross_entropy": several labels for one example. Labels of the shape of
          the logits, 1 for each label that the example has; the mean of C sigmoid
          cross-entropies;
        * "mean_squared_error": numbers of the shape of the logits; the mean of the C
          squared errors.

    Returns:
      ``float[B]``, in nats for the cross-entropies.

    Raises:
      ValueError: if ``logits`` or ``labels`` do not have these shapes, or ``loss`` is
        unknown.

    Example:
      >>> example_losses(jnp.array([0.0, 9.0]), jnp.array([1, 1])).round(3)
      Array([0.693, 0.   ], dtype=float32)
      >>> several = jnp.array([[1, 0], [1, 1]])
      >>> example_losses(jnp.zeros((2, 2)), several, "binary_cross_entropy").round(3)
      Array([0.693, 0.693], dtype=float32)
    """
    _check_shapes(logits, labels, check_loss(loss))
    if loss == SQUARED:
        errors = (logits - labels.astype(logits.dtype)) ** 2
        return errors if logits.ndim == 1 else errors.mean(1)
    if loss == BINARY or logits.ndim == 1:
        targets = labels.astype(logits.dtype)
        losses = optax.sigmoid_binary_cross_entropy(logits, targets)
        return losses if logits.ndim == 1 else losses.mean(1)
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def _check_shapes(logits: jax.Array, labels: jax.Array, loss: str) -> None:
    is_fit = labels.shape == logits.shape
    wanted = "of their shape"
    if loss == CROSS_ENTROPY:
        is_fit = labels.ndim == 1 and labels.shape == logits.shape[:1]
        wanted = "[B]"
    if logits.ndim not in (1, 2) or not is_fit:
        raise ValueError(
            f"logits must have the axes [B] or [B, C] and labels {wanted}, got "
            f"{list(logits.shape)} and {list(labels.shape)}."
        )
    if logits.shape[1:] == (1,):  # a softmax of one class has the loss 0
        raise ValueError(
            "logits must have the axes [B] or [B, C], C > 1, got "
            f"{list(logits.shape)}: squeeze the last axis, logits[:, 0], or give one "
            "logit for each class."
        )


def is_correct(
    logits: jax.Array, labels: jax.Array, loss: str = CROSS_ENTROPY
) -> jax.Array:
    """Return whether the prediction of each example is right.

    A class is right if it equals the label, several labels if all are right, and a
    number if its error is at most 0.5.

    Args:
      logits: ``float[B]`` or ``float[B, C]``.
      labels: as in :func:`example_losses`.
      loss: as in :func:`example_losses`.

    Returns:
      ``bool[B]``; False where a logit is not finite.

    Example:
      >>> is_correct(jnp.array([2.0, -1.0]), jnp.array([1, 1]))
      Array([ True, False], dtype=bool)
      >>> is_correct(jnp.array([2.0, -1.0]), jnp.array([2.4, 0]), "mean_squared_error")
      Array([ True, False], dtype=bool)
    """
    is_number = jnp.isfinite(logits)
    if loss != CROSS_ENTROPY:
        if loss == BINARY:
            right = (logits > 0) == (labels > 0)
        else:
            right = jnp.abs(logits - labels.astype(logits.dtype)) <= NEAR
        both = right & is_number
        return both if logits.ndim == 1 else both.all(1)
    if logits.ndim == 1:
        best = logits > 0
    else:
        best, is_number = jnp.argmax(logits, -1), is_number.all(-1)
    return is_number & (best.astype(labels.dtype) == labels)
