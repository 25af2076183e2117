"""Sets of words: mean vector, similarity of two sets, the word that is outside."""

import warnings
from collections.abc import Sequence

import numpy as np

from jaxembed.geometry._similar import unit_vector
from jaxembed.vectors import WordVectors


def mean_vector(
    word_vectors: WordVectors,
    words: Sequence[str | np.ndarray],
    weights: Sequence[float] | np.ndarray | None = None,
    *,
    pre_normalize: bool = True,
    post_normalize: bool = False,
    ignore_missing: bool = True,
) -> np.ndarray:
    """Return the weighted mean of the vectors of words.

    Equals gensim's ``get_mean_vector``: the sum of the weighted vectors is divided by
    the sum of the absolute weights.

    Args:
      word_vectors: word vectors.
      words: words, and vectors ``float[D]``, which are never normalized first.
      weights: a weight for each word; None for equal weights.
      pre_normalize: whether to scale the vector of each word to length 1 first.
      post_normalize: whether to scale the mean to length 1.
      ignore_missing: whether words without a vector are left out.

    Returns:
      ``float32[D]``; zeros if no word has a vector.

    Raises:
      KeyError: if a word does not have a vector, and ``ignore_missing`` is False.
      TypeError: if ``words`` is one string.
      ValueError: if ``words`` is empty, there are not as many weights as words, or a
        vector has another length.

    Example:
      >>> vectors = WordVectors(["good", "bad"], np.array([[2, 0], [0, 3]], np.float32))
      >>> mean_vector(vectors, ["good", "bad", "unknown"])
      array([0.5, 0.5], dtype=float32)
    """
    listed = _check_words("words", words)
    if weights is None:
        factors = np.ones(len(listed))
    else:
        factors = np.asarray(weights, np.float64)
    if factors.shape != (len(listed),):
        raise ValueError(
            f"there must be one weight for each of the {len(listed)} words, got "
            f"{list(factors.shape)}."
        )
    total, mean = 0.0, np.zeros(word_vectors.dim)
    for word, factor in zip(listed, factors, strict=True):
        if isinstance(word, np.ndarray):
            vector = _check_vector(word, word_vectors.dim)
        elif word in word_vectors or not ignore_missing:
            vector = word_vectors[word].astype(np.float64)
            vector = unit_vector(vector) if pre_normalize else vector
        else:
            continue
        mean += factor * vector
        total += abs(factor)
    mean = mean / total if total > 0 else mean
    return (unit_vector(mean) if post_normalize else mean).astype(np.float32)


def n_similarity(
    word_vectors: WordVectors, first: Sequence[str], second: Sequence[str]
) -> float:
    """Return the cosine of the mean vectors of two sets of words.

    Equals gensim's ``n_similarity``. Words without a vector are left out.

    Args:
      word_vectors: word vectors.
      first: words.
      second: words.

    Raises:
      TypeError: if a set is one string.
      ValueError: if no word of a set has a vector.

    Warns:
      UserWarning: if words do not have a vector; names them.

    Example:
      >>> matrix = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
      >>> vectors = WordVectors(["good", "fine", "fair"], matrix)
      >>> round(n_similarity(vectors, ["good", "fine"], ["fair"]), 6)
      1.0
    """
    means = []
    for name, words in (("first", first), ("second", second)):
        known = _find_known(word_vectors, _check_words(name, words), name)
        means.append(mean_vector(word_vectors, known, pre_normalize=False))
    return float(unit_vector(means[0]) @ unit_vector(means[1]))


def doesnt_match(word_vectors: WordVectors, words: Sequence[str]) -> str:
    """Return the word that is farthest from the mean of all words.

    Equals gensim's ``doesnt_match``: vectors of length 1 are averaged. The word with
    the least cosine to their mean is returned. Words without a vector are left out.

    Args:
      word_vectors: word vectors.
      words: words.

    Raises:
      TypeError: if ``words`` is one string.
      ValueError: if no word has a vector.

    Warns:
      UserWarning: if words do not have a vector; names them.

    Example:
      >>> matrix = np.array([[1, 9], [9, 1], [2, 9], [3, 8]], np.float32)
      >>> vectors = WordVectors(["good", "bad", "fine", "fair"], matrix)
      >>> doesnt_match(vectors, ["good", "bad", "fine", "fair"])
      'bad'
    """
    known = _find_known(word_vectors, _check_words("words", words), "words")
    rows = unit_vector(word_vectors[known])
    cosines = rows @ unit_vector(rows.mean(0))
    return min(zip(cosines.tolist(), known, strict=True))[1]


def _check_words(name: str, words: Sequence) -> list:
    if isinstance(words, str):
        raise TypeError(f"{name} must be a list of words, got {words!r}.")
    listed = list(words)
    if not listed:
        raise ValueError(f"{name} is empty: give at least one word.")
    return listed


def _check_vector(vector: np.ndarray, dim: int) -> np.ndarray:
    if vector.shape != (dim,):
        raise ValueError(
            f"a vector must have {dim} numbers, got the shape {list(vector.shape)}."
        )
    return vector.astype(np.float64)


def _find_known(word_vectors: WordVectors, words: list, name: str) -> list[str]:
    known = [word for word in words if word in word_vectors]
    missing = [word for word in words if word not in word_vectors]
    if not known:
        raise ValueError(f"{name} must have a word with a vector, got {missing!r:.80}.")
    if missing:
        warnings.warn(
            f"{len(missing)} of {len(words)} words in {name} do not have a vector: "
            f"{missing!r:.80}.",
            stacklevel=3,
        )
    return known
