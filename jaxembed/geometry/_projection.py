"""Projection: words as points of a plane, to be plotted."""

from collections.abc import Sequence

import numpy as np

from jaxembed.geometry._similar import unit_vector
from jaxembed.vectors import WordVectors


def project(word_vectors: WordVectors, words: Sequence[str]) -> np.ndarray:
    """The words as points in the plane of their first two principal components.

    The vectors have length 1 before, so that neighbours by cosine lie together. Each
    axis points to where its largest number is positive: equal words, equal points.

    Args:
      word_vectors: their vectors.
      words: n of them, 3 or more.

    Returns:
      ``float32[n, 2]``, with a mean of 0.

    Raises:
      KeyError: if a word has no vector.
      TypeError: if ``words`` is one string.
      ValueError: if there are fewer than 3 words, or the vectors have one number only.

    Example:
      >>> matrix = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0]], np.float32)
      >>> vectors = WordVectors(["good", "bad", "new"], matrix)
      >>> project(vectors, ["good", "bad", "new"]).round(3)
      array([[ 1.   , -0.333],
             [-1.   , -0.333],
             [ 0.   ,  0.667]], dtype=float32)
    """
    if isinstance(words, str):
        raise TypeError(f"words must be a list of words, got the string {words!r}.")
    if len(words) < 3:
        raise ValueError(
            f"words must be at least 3, got {len(words)}: fewer make no plane."
        )
    if word_vectors.dim < 2:
        raise ValueError("the vectors must have 2 numbers at least to make a plane.")
    points = unit_vector(np.stack([word_vectors[word] for word in words]))
    points -= points.mean(axis=0)
    axes = np.linalg.svd(points, full_matrices=False)[2][:2]
    largest = np.abs(axes).argmax(axis=1)
    axes *= np.sign(axes[np.arange(2), largest])[:, None]
    return (points @ axes.T).astype(np.float32)
