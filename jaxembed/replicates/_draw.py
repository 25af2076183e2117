"""Draws: random training examples for each replicate."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxembed._checks import check_count, check_key
from jaxembed.train._epoch import permute

# Folded into the key of a replicate for its draw; no epoch reaches this number.
DRAW = 2**32 - 2


def draw_examples(
    key: jax.Array, n_replicates: int, pool: int | ArrayLike, n_train: int
) -> np.ndarray:
    """Draw the examples of each of K replicates, without replacement.

    The draw of a replicate depends only on the key and its number, and a smaller draw
    is the beginning of a larger one. Runs with the same key thus share their examples,
    whatever their settings and sizes are.

    Args:
      key: random key of :func:`run`.
      n_replicates: number of replicates, K.
      pool: number of examples, or ``int[N]`` numbers of the examples to draw from.
      n_train: number of examples for each replicate, n.

    Returns:
      ``int32[K, n]``, numbers of examples.

    Raises:
      TypeError: if a number is not an integer, or ``key`` is not a key.
      ValueError: if ``key`` holds several keys, if a number is negative or at least
        2**31, if ``pool`` has fewer than ``n_train`` examples, or if ``n_replicates``
        or ``n_train`` is below 1.

    Example:
      >>> small, large = (draw_examples(jax.random.key(0), 3, 10, n) for n in (2, 4))
      >>> small.shape, bool((large[:, :2] == small).all())
      ((3, 2), True)
    """
    check_key(key)
    n_replicates = check_count("n_replicates", n_replicates)
    n_train = check_count("n_train", n_train)
    is_count = isinstance(pool, int | np.integer)
    examples = np.arange(pool) if is_count else np.asarray(pool)  # type: ignore[arg-type]
    if examples.dtype.kind not in "iu" or examples.ndim != 1:
        raise TypeError(
            "pool must be the number of examples, or int[N] numbers of examples, got "
            f"{examples.dtype}{list(examples.shape)}."
        )
    if ((examples < 0) | (examples >= 2**31)).any():
        raise ValueError(
            f"pool must have numbers of examples, from 0, got {np.min(examples)} to "
            f"{np.max(examples)}."
        )
    if len(np.unique(examples)) < len(examples):
        raise ValueError("pool must name each example once: give numpy.unique(pool).")
    if n_train > len(examples):
        raise ValueError(
            f"n_train must be at most {len(examples)}, the number of examples in pool, "
            f"got {n_train}."
        )
    numbers = jnp.arange(n_replicates)
    return np.asarray(_draw(key, numbers, examples.astype(np.int32), n_train))


@functools.partial(jax.jit, static_argnames="n_train")
def _draw(
    key: jax.Array, numbers: jax.Array, examples: jax.Array, n_train: int
) -> jax.Array:
    def draw(number: jax.Array) -> jax.Array:
        own = jax.random.fold_in(jax.random.fold_in(key, number), DRAW)
        return permute(examples, own)[:n_train]

    return jax.lax.map(draw, numbers)


def check_draws(examples: ArrayLike, n_examples: int, batch_size: int) -> np.ndarray:
    """Return the numbers of the examples of each replicate, if they fill a batch.

    Args:
      examples: ``int[K, n]``, numbers of examples.
      n_examples: number of examples in the data, N.
      batch_size: number of examples in a batch, B.

    Returns:
      ``int32[K, n]``, a NumPy array.

    Raises:
      TypeError: if ``examples`` are not integers.
      ValueError: if a number is not in ``[0, N)`` (the error names the first one), if
        n < B, or if B < 1.

    Example:
      >>> check_draws([[0, 3]], n_examples=3, batch_size=1)
      Traceback (most recent call last):
      ValueError: examples[0, 1] is 3, and the data have the examples 0 to 2: give
      their numbers.
    """
    examples = np.asarray(examples)
    if examples.dtype.kind not in "iu":
        raise TypeError(
            f"examples must be integers, got {examples.dtype}{list(examples.shape)}."
        )
    if examples.ndim != 2 or 0 in examples.shape:
        raise ValueError(
            "examples must have the axes [K, n], n examples for each of K replicates, "
            f"got {list(examples.shape)}: make them with draw_examples."
        )
    outside = (examples < 0) | (examples >= n_examples)
    if outside.any():
        replicate, place = np.argwhere(outside)[0].tolist()
        raise ValueError(
            f"examples[{replicate}, {place}] is {examples[replicate, place]}, and the "
            f"data have the examples 0 to {n_examples - 1}: give their numbers."
        )
    if not 1 <= batch_size <= examples.shape[1]:
        raise ValueError(
            "batch_size must be from 1 to the number of examples of a replicate, "
            f"{examples.shape[1]}, got {batch_size}."
        )
    return examples.astype(np.int32)
