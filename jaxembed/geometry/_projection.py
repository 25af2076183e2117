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
    axes = np.linalg.svd(points, full_matrices=False)[2][:2]
    largest = np.abs(axes).argmax(axis=1)
    axes *= np.sign(axes[np.arange(2), largest])[:, None]
    return (points @ axes.T).astype(np.float32)
