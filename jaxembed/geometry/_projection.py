"""Projection: words as points of a plane, for plots."""

from collections.abc import Sequence

import numpy as np

from jaxembed.geometry._similar import unit_vector
from jaxembed.vectors import WordVectors


def project(word_vectors: WordVectors, words: Sequence[str]) -> np.ndarray:
    """Project words onto the plane of their first two principal components.

    The vectors are scaled to length 1 first, so that neighbours by cosine lie together.
    The sign of a component is such that its largest element is positive, so the same
    words always give the same points.

    Args:
      word_vectors: word vectors.
      words: n words, at least 3.

    Returns:
      ``float32[n, 2]``, with a mean of 0.

    Raises:
      KeyError: if a word does not have a vector.
      TypeError: if ``words`` is a string.
      ValueError: if there are fewer than 3 words, or the vectors have only one element.

    Example:
      >>> matrix = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0]], np.float32)
      >>> vectors = WordVectors(["good", "bad", "new"], matrix)
      >>> project(vectors, ["good", "bad", "new"]).round(3)
      array([[ 1.   , -0.333],
             [-1.   , -0.333],
             [ 0.   ,  0.667]], dtype=float32)
    """
    points, axes, _ = _principal_axes(word_vectors, words)
    largest = np.abs(axes).argmax(axis=1)
    axes *= np.sign(axes[np.arange(2), largest])[:, None]
    return (points @ axes.T).astype(np.float32)


def variance_shares(
    word_vectors: WordVectors, words: Sequence[str]
) -> tuple[float, float]:
    """Return the share of the variance along each axis of :func:`project`.

    Args:
      word_vectors: word vectors.
      words: n words, at least 3.

    Returns:
      Two numbers from 0 to 1. Both are 0 if all words have the same direction.

    Raises:
      KeyError: if a word does not have a vector.
      TypeError: if ``words`` is a string.
      ValueError: if there are fewer than 3 words, or the vectors have only one element.

    Example:
      >>> matrix = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0]], np.float32)
      >>> vectors = WordVectors(["good", "bad", "new"], matrix)
      >>> [round(share, 2) for share in variance_shares(vectors, vectors.words)]
      [0.75, 0.25]
    """
    _, _, variances = _principal_axes(word_vectors, words)
    shares = variances / max(variances.sum(), np.finfo(np.float64).tiny)
    return float(shares[0]), float(shares[1])


def _principal_axes(
    word_vectors: WordVectors, words: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return centred unit vectors, their first two axes, and the variance of all axes.

    The arrays are ``float64[n, D]``, ``float64[2, D]`` and ``float64[min(n, D)]``.
    """
    if isinstance(words, str):
        raise TypeError(f"words must be a list of words, got the string {words!r}.")
    if len(words) < 3:
        raise ValueError(
            f"words must be at least 3, to span a plane, got {len(words)}."
        )
    if word_vectors.dim < 2:
        raise ValueError(
            "word_vectors must have at least 2 elements for each word, to span a "
            "plane, got 1."
        )
    points = unit_vector(np.stack([word_vectors[word] for word in words]))
    points -= points.mean(axis=0)
    _, sizes, axes = np.linalg.svd(points, full_matrices=False)
    return points, axes[:2], sizes**2
