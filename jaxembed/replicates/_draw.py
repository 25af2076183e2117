"""Draws: which examples each replicate is trained on."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxembed._checks import check_count
from jaxembed.train._epoch import permute

# Folded into the key of a replicate for its draw; no epoch has this number.
DRAW = 2**32 - 2


def draw_examples(
    key: jax.Array, n_replicates: int, pool: int | ArrayLike, n_train: int
) -> np.ndarray:
    """Draw the examples of each of K replicates, without replacement.

    A replicate's draw follows from the key and its number alone, and a smaller draw is
    the beginning of a larger one: so arms, and sizes, share their examples.

    Args:
      key: that of :func:`run`.
      n_replicates: K.
      pool: how many examples there are, or the numbers of those to draw from.
      n_train: n, how many examples each replicate has.

    Returns:
      ``int32[K, n]``.

    Raises:
      TypeError: if a number is no integer.
      ValueError: if a number is negative or at least 2**31, if there are fewer than
        ``n_train`` examples, or if nothing is drawn.

    Example:
      >>> small, large = (draw_examples(jax.random.key(0), 3, 10, n) for n in (2, 4))
      >>> small.shape, bool((large[:, :2] == small).all())
      ((3, 2), True)
    """
    n_replicates = check_count("n_replicates", n_replicates)
    n_train = check_count("n_train", n_train)
    is_count = isinstance(pool, int | np.integer)
    examples = np.arange(pool) if is_count else np.asarray(pool)  # type: ignore[arg-type]
    if examples.dtype.kind not in "iu" or examples.ndim != 1:
        raise TypeError(
            "pool must be a number of examples or their numbers, int[N], got "
            f"{examples.dtype}{list(examples.shape)}."
        )
    if ((examples < 0) | (examples >= 2**31)).any():
        raise ValueError(
            f"pool must be numbers of examples, from 0, got {np.min(examples)} to "
            f"{np.max(examples)}."
        )
    if len(np.unique(examples)) < len(examples):
        raise ValueError("pool must name each example once: a draw has none twice.")
    if n_train > len(examples):
        raise ValueError(
            f"n_train is {n_train}, and there are {len(examples)} examples to draw "
            "from: draw fewer."
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
    """Refuses draws that are no examples, or too few for a batch.

    Args:
      examples: ``int[K, n]``.
      n_examples: N, how many there are.
      batch_size: B.

    Returns:
      ``int32[K, n]`` of NumPy.

    Raises:
      TypeError: if they are not integers.
      ValueError: names the first one that is not in ``[0, N)``, or the sizes.

    Example:
      >>> check_draws([[0, 3]], n_examples=3, batch_size=1)
      Traceback (most recent call last):
      ValueError: examples[0, 1] is 3, and the data have 3 examples.
    """
    examples = np.asarray(examples)
    if examples.dtype.kind not in "iu":
        raise TypeError(
            f"examples must be integers, got {examples.dtype}{list(examples.shape)}."
        )
    if examples.ndim != 2 or 0 in examples.shape:
        raise ValueError(
            "examples must have the axes [K, n], n for each of K replicates, got "
            f"{list(examples.shape)}: draw_examples makes them."
        )
    outside = (examples < 0) | (examples >= n_examples)
    if outside.any():
        replicate, place = np.argwhere(outside)[0].tolist()
        raise ValueError(
            f"examples[{replicate}, {place}] is {examples[replicate, place]}, and the "
            f"data have {n_examples} examples."
        )
    if not 1 <= batch_size <= examples.shape[1]:
        raise ValueError(
            f"batch_size must be from 1 to the examples of a replicate, "
            f"{examples.shape[1]}, got {batch_size}."
        )
    return examples.astype(np.int32)
