"""Rank: which words are closer to a word than another one is."""

import jax
import numpy as np

from jaxembed.geometry import _search
from jaxembed.geometry._similar import similarity, unit_vector
from jaxembed.geometry._table import UnitTable, unit_table
from jaxembed.vectors import WordVectors


def distance(word_vectors: WordVectors, a: str, b: str) -> float:
    """Return 1 minus the cosine of two words.

    Raises:
      KeyError: if a word does not have a vector.

    Example:
      >>> matrix = np.array([[3, 4], [0, 2]], np.float32)
      >>> round(distance(WordVectors(["good", "fine"], matrix), "good", "fine"), 6)
      0.2
    """
    return 1 - similarity(word_vectors, a, b)


def closer_than(word_vectors: WordVectors | UnitTable, a: str, b: str) -> list[str]:
    """Return the words that are closer to ``a`` than ``b`` is, by their cosine.

    Equals gensim's ``closer_than``. A word with a zero vector has no direction: it is
    never closer, and all other words are closer than it is.

    Args:
      word_vectors: word vectors to search; see :func:`most_similar`.
      a: a word.
      b: another word.

    Returns:
      The words in the order of their rows, without ``a`` and ``b``.

    Raises:
      KeyError: if ``a`` or ``b`` does not have a vector.

    Example:
      >>> matrix = np.array([[1, 9], [9, 1], [2, 9], [9, 8]], np.float32)
      >>> vectors = WordVectors(["good", "bad", "fine", "fair"], matrix)
      >>> closer_than(vectors, "good", "bad")
      ['fine', 'fair']
    """
    table = unit_table(word_vectors)
    known = table.word_vectors
    query, other = unit_vector(known[a]), unit_vector(known[b])
    scores = np.asarray(_cosines(table.rows, query.astype(np.float32)[None]))
    scores = scores[0, : len(table)].copy()
    # The score of b itself, so that rounding cannot make b closer than b.
    row = known.index.get(b)
    limit = float(query @ other) if row is None else scores[row]
    if not other.any():
        limit = -np.inf
    scores[table.zero_rows] = -np.inf
    words, is_closer = known.words, scores > limit
    found = [words[i] for i in np.flatnonzero(is_closer).tolist()]
    return [word for word in found if word not in (a, b)]


def rank(word_vectors: WordVectors | UnitTable, a: str, b: str) -> int:
    """Return the rank of ``b`` among the neighbours of ``a``, 1 for the nearest.

    Equals gensim's ``rank``: one more than the number of words of :func:`closer_than`.

    Args:
      word_vectors: word vectors to search; see :func:`most_similar`.
      a: a word.
      b: another word.

    Raises:
      KeyError: if ``a`` or ``b`` does not have a vector.

    Example:
      >>> matrix = np.array([[1, 9], [9, 1], [2, 9], [9, 8]], np.float32)
      >>> rank(WordVectors(["good", "bad", "fine", "fair"], matrix), "good", "fair")
      2
    """
    return len(closer_than(word_vectors, a, b)) + 1


@jax.jit
def _cosines(rows: jax.Array, queries: jax.Array) -> jax.Array:
    return _search.cosines(rows, queries)
