"""Similar words: neighbours of words and vectors, with gensim's arguments."""

import math
import numbers
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import jax
import numpy as np

from jaxembed._checks import check_count
from jaxembed.geometry import _search
from jaxembed.geometry._table import UnitTable, unit_table
from jaxembed.vectors import WordVectors

Array: TypeAlias = np.ndarray | jax.Array
# A word or a vector, float[D]; or a pair of a word or vector and its weight.
Term: TypeAlias = str | Array | tuple[str | Array, float]
Terms: TypeAlias = str | Array | Sequence[Term]


def most_similar(
    word_vectors: WordVectors | UnitTable,
    positive: Terms,
    negative: Terms | None = (),
    topn: int = 10,
    restrict_vocab: int | None = None,
) -> list[tuple[str, float]]:
    """Return the words nearest to a sum of words, each with its cosine.

    Equals gensim's ``most_similar`` (3CosAdd): the vectors of the positive words are
    scaled to length 1 and added, and the vectors of the negative words are subtracted.
    Vectors given as arrays are not scaled.

    Args:
      word_vectors: word vectors to search. For repeated searches, pass a
        :func:`unit_table` of them, which is normalized once.
      positive: a word, a vector ``float[D]``, or a list of words, vectors and pairs
        ``(word or vector, weight)``. Words made of subwords alone are allowed.
      negative: like ``positive``. The default weight is -1. A given weight keeps its
        sign: 0.5 adds.
      topn: number of words to return.
      restrict_vocab: number of words to search, from the first row on; None for all.

    Returns:
      Pairs (word, cosine) in descending order, without the words of ``positive`` and
      ``negative``. Equal cosines are in the order of their words. Words with a zero
      vector come last, with a cosine of 0 (NaN in gensim). If the sum is a zero vector,
      all cosines are 0.

    Raises:
      KeyError: if a word does not have a vector.
      TypeError: if a term has another type, or ``topn`` or ``restrict_vocab`` is not an
        integer.
      ValueError: if ``topn`` or ``restrict_vocab`` is below 1, no term is given, or a
        vector does not have length D or is not finite.

    Example:
      >>> matrix = np.array([[1, 9], [9, 1], [2, 9], [9, 8]], np.float32)
      >>> vectors = WordVectors(["good", "bad", "fine", "fair"], matrix)
      >>> [(word, round(cosine, 3)) for word, cosine in most_similar(vectors, "good")]
      [('fine', 0.994), ('fair', 0.743), ('bad', 0.22)]
      >>> most_similar(vectors, ["fair", ("good", 0.5)], ["bad"], topn=1)[0][0]
      'fine'
    """
    topn = check_count("topn", topn)
    table = unit_table(word_vectors, restrict_vocab)
    terms = [
        *_read_terms("positive", positive, table.word_vectors, 1.0),
        *_read_terms("negative", negative, table.word_vectors, -1.0),
    ]
    if not terms:
        raise ValueError(
            "positive and negative are empty: give at least one word or vector."
        )
    total = np.sum([term.weight * term.vector for term in terms], axis=0)
    query = unit_vector(total).astype(np.float32)[None]
    return _answer(_search.cosines, table, query, terms, topn)


def most_similar_cosmul(
    word_vectors: WordVectors | UnitTable,
    positive: Terms,
    negative: Terms | None = (),
    topn: int = 10,
    restrict_vocab: int | None = None,
) -> list[tuple[str, float]]:
    """Return the words near each positive word and far from each negative word.

    Equals gensim's ``most_similar_cosmul`` (3CosMul), but respects ``restrict_vocab``.
    Cosines are multiplied, so that one large cosine cannot outweigh the rest; see
    :func:`_search.cosine_products`.

    Args:
      word_vectors: word vectors to search; see :func:`most_similar`.
      positive: a word, a vector, or a list of them, at least one. Vectors given as
        arrays are not scaled: their products are cosines only at length 1.
      negative: like ``positive``, and may be empty. Weights are not allowed.
      topn: number of words to return.
      restrict_vocab: number of words to search, from the first row on; None for all.

    Returns:
      Pairs (word, score) in descending order. Words with a zero vector come last, with
      a score of 0.

    Raises:
      KeyError: if a word does not have a vector.
      TypeError: if a term has a weight; otherwise as in :func:`most_similar`.
      ValueError: if ``positive`` is empty; otherwise as in :func:`most_similar`.

    Example:
      >>> matrix = np.array([[1, 9], [9, 1], [2, 9], [9, 8]], np.float32)
      >>> vectors = WordVectors(["good", "bad", "fine", "fair"], matrix)
      >>> found = most_similar_cosmul(vectors, ["fair", "good"], ["bad"], topn=1)
      >>> [(word, round(score, 3)) for word, score in found]
      [('fine', 1.364)]
    """
    topn = check_count("topn", topn)
    table = unit_table(word_vectors, restrict_vocab)
    groups = [
        _read_terms("positive", positive, table.word_vectors, None),
        _read_terms("negative", negative, table.word_vectors, None),
    ]
    if not groups[0]:
        raise ValueError("positive is empty: give at least one word or vector.")
    dim = table.rows.shape[1]
    above, below = (
        np.array([term.vector for term in group], np.float32).reshape(1, -1, dim)
        for group in groups
    )
    return _answer(
        _search.cosine_products, table, (above, below), [*groups[0], *groups[1]], topn
    )


def similarity(word_vectors: WordVectors, a: str, b: str) -> float:
    """Return the cosine of two words; 0 if either has a zero vector.

    Raises:
      KeyError: if a word does not have a vector.

    Example:
      >>> matrix = np.array([[3, 4], [0, 2]], np.float32)
      >>> round(similarity(WordVectors(["good", "fine"], matrix), "good", "fine"), 6)
      0.8
    """
    first, second = word_vectors[a], word_vectors[b]
    return float(unit_vector(first) @ unit_vector(second))


def unit_vector(vector: np.ndarray) -> np.ndarray:
    """Scale ``float[..., D]`` vectors to length 1, as float64; zeros remain zero.

    Example:
      >>> unit_vector(np.array([[3.0, 4.0], [0.0, 0.0]]))
      array([[0.6, 0.8],
             [0. , 0. ]])
    """
    vector = np.asarray(vector, np.float64)
    norm = np.linalg.norm(vector, axis=-1, keepdims=True)
    return vector / np.where(norm == 0, 1, norm)


class _Term(NamedTuple):
    vector: np.ndarray  # float64[D], of length 1 for a word
    row: int | None  # row of the word, left out of the results; None for a vector
    weight: float


def _read_terms(
    name: str, terms: Terms | None, word_vectors: WordVectors, weight: float | None
) -> list[_Term]:
    """Read terms as vectors with weights.

    Args:
      name: name of the argument, for errors.
      terms: words, vectors and pairs of one of them and a weight.
      word_vectors: word vectors.
      weight: default weight; None if weights are not allowed.
    """
    if terms is None:  # the default of gensim
        terms = ()
    elif isinstance(terms, str) or isinstance(terms, Array) and terms.ndim == 1:
        terms = [terms]
    return [
        _read_term(f"{name}[{place}]", term, word_vectors, weight)
        for place, term in enumerate(terms)
    ]


def _read_term(
    place: str, term: object, word_vectors: WordVectors, weight: float | None
) -> _Term:
    """Read one term; ``place`` names it in errors."""
    if isinstance(term, (tuple, list)) and len(term) == 2:
        term, given = term
        if weight is None:
            raise TypeError(
                f"{place} has the weight {given!r}: 3CosMul does not use weights."
            )
        if not isinstance(given, numbers.Real):
            raise TypeError(f"the weight of {place} must be a number, got {given!r}.")
        weight = float(given)
        if not math.isfinite(weight):
            raise ValueError(f"the weight of {place} must be finite, got {given!r}.")
    weight = 1.0 if weight is None else weight
    if isinstance(term, str):
        vector = unit_vector(word_vectors[term])
        return _Term(vector, word_vectors.index.get(term), weight)
    if not isinstance(term, Array):
        raise TypeError(
            f"{place} must be a word, an array, or a pair (word or array, weight), got "
            f"{term!r}."
        )
    vector = np.asarray(term, np.float64)
    if vector.shape != (word_vectors.dim,) or not np.isfinite(vector).all():
        raise ValueError(
            f"{place} must be a vector of {word_vectors.dim} finite numbers, got "
            f"{list(vector.shape)}: {vector}."
        )
    return _Term(vector, None, weight)


def _answer(
    score: _search.Score,
    table: UnitTable,
    query: _search.Queries,
    terms: list[_Term],
    topn: int,
) -> list[tuple[str, float]]:
    """Search for one query, and leave out the words of its terms."""
    given = sorted({term.row for term in terms if term.row is not None})
    # Powers of two, so that 10 to 16 results share a program.
    exclude = np.full((1, _search.power_of_two(max(len(given), 1))), _search.NO_ROW)
    exclude[0, : len(given)] = given
    n_best = min(_search.power_of_two(topn), len(table))
    scores, rows = _search.search(score, table.rows, query, table, exclude, n_best)
    words = table.word_vectors.words
    pairs = zip(rows[0].tolist(), scores[0].tolist(), strict=True)
    found = [(words[row], value) for row, value in pairs if value != -np.inf]
    return found[:topn]
