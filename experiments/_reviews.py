"""Reviews of an experiment: their source, and random subsets of them."""

import os
import sys
from pathlib import Path

import numpy as np

NAMES = ("aclImdb", "aclImdb_v1.tar.gz")  # searched for in $JAXEMBED_DATA


def choose_data(data: str) -> str:
    """Return `data` if it is set, else reviews in $JAXEMBED_DATA, else "synthetic"."""
    if data:
        return data
    folder = os.environ.get("JAXEMBED_DATA")
    if not folder:
        return "synthetic"
    for name in NAMES:
        if (Path(folder) / name).exists():
            return str(Path(folder) / name)
    sys.exit(f"error: JAXEMBED_DATA={folder} has neither {' nor '.join(NAMES)}.")


def describe(data: str) -> str:
    """Return the source of the reviews as the first line prints it."""
    return "SYNTHETIC reviews, no real text" if data == "synthetic" else data


def draw_parts(n: int, *sizes: int, seed: int) -> list[np.ndarray]:
    """Draw disjoint random subsets of the numbers below `n`.

    Args:
      n: Number of reviews.
      *sizes: Size of each subset; their sum is at most `n`.
      seed: Random seed of the draw.

    Returns:
      ``int[size]`` for each size: consecutive parts of one random order of all
      numbers.

    Example:
      >>> train, held_out = draw_parts(5, 3, 2, seed=0)
      >>> train.tolist(), held_out.tolist()
      ([2, 4, 3], [0, 1])
    """
    order = np.random.default_rng(seed).permutation(n)
    return np.split(order, np.cumsum(sizes))[: len(sizes)]


def hold_out(n: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the reviews to train on and the reviews to validate on.

    Args:
      n: Number of reviews.
      fraction: Share of the reviews to validate on.
      seed: Random seed of the draw.

    Raises:
      ValueError: If one of the two would be empty.
    """
    n_held_out = int(fraction * n)
    if not 0 < n_held_out < n:
        raise ValueError(
            f"--validation-fraction must leave some of the {n} reviews on each side, "
            f"got {fraction}."
        )
    examples, held_out = draw_parts(n, n - n_held_out, n_held_out, seed=seed)
    return examples, held_out
