"""Similar words: gensim's questions, for words, vectors, and both with weights."""

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
# A word or a vector, float[D]; or one of them and its weight.
Term: TypeAlias = str | Array | tuple[str | Array, float]
Terms: TypeAlias = str | Array | Sequence[Term]


def most_similar(
    word_vectors: WordVectors | UnitTable,
    positive: Terms,
    negative: Terms | None = (),
    topn: int = 10,
    restrict_vocab: int | None = None,
) -> list[tuple[str, float]]:
    """The words nearest to a sum of words, each with its cosine.

    gensim's ``most_similar``, 3CosAdd: the words' vectors are made to have length 1
    and added, and those of ``negative`` are subtracted. Vectors that are given are
    taken as they are.

    Args:
      word_vectors: what is searched; a :func:`unit_table` of it saves time where it is
        searched often.
      positive: a word, a vector ``float[D]``, or a list of them; one of a list may
        be a pair of it and its weight. Words that only have subwords may come too.
      negative: the same. A weight is used as it is given: -1 subtracts, and is what a
        word without one has.
      topn: how many; all where there are not as many.
      restrict_vocab: how many words from the first on are searched; None for all.

    Returns:
      (word, cosine), from the nearest on; the words that were given are none of them.
      Of equal cosines the earlier word comes first. Words with a vector of zeros come
      last, with a cosine of 0 where gensim's is NaN. Where the sum is zeros, all are 0.

    Raises:
      KeyError: if a word has no vector.
      TypeError: if a term is none of the above, or ``topn`` or ``restrict_vocab`` is
        not an integer.
      ValueError: if one of those is below 1, there is no term, or a vector does not
        have length D or is not finite.

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
            "positive and negative are empty: there is nothing to be near."
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
    """The words that are near to each of some words and far from others.

    gensim's ``most_similar_cosmul``, 3CosMul: cosines are multiplied, so that a large
    one does not outweigh the others; see :func:`_search.cosine_products`. Unlike
    gensim's it heeds ``restrict_vocab``.

    Args:
      word_vectors: see :func:`most_similar`, as for the other arguments.
      positive: words or vectors, of which one at least is needed. Vectors are taken
        as they are: only of length 1 do they have cosines.
      negative: the same; neither may have weights.
      topn: how many.
      restrict_vocab: how many words are searched.

    Returns:
      (word, score), from the best on. Words with a vector of zeros come last, with a
      score of 0.

    Raises:
      KeyError: if a word has no vector.
      TypeError: if a term has a weight; else as :func:`most_similar`.
      ValueError: if nothing is positive; else as :func:`most_similar`.

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
        raise ValueError("positive is empty: there is nothing to be near.")
    dim = table.rows.shape[1]
    above, below = (
        np.array([term.vector for term in group], np.float32).reshape(1, -1, dim)
        for group in groups
    )
    return _answer(
        _search.cosine_products, table, (above, below), [*groups[0], *groups[1]], topn
    )


def similarity(word_vectors: WordVectors, a: str, b: str) -> float:
    """The cosine of two words; 0 if the vector of one is zeros.

    Raises:
      KeyError: if a word has no vector.

    Example:
      >>> matrix = np.array([[3, 4], [0, 2]], np.float32)
      >>> round(similarity(WordVectors(["good", "fine"], matrix), "good", "fine"), 6)
      0.8
    """
    first, second = word_vectors[a], word_vectors[b]
    return float(unit_vector(first) @ unit_vector(second))


def unit_vector(vector: np.ndarray) -> np.ndarray:
    """``float64[..., D]`` of length 1; zeros stay zeros.

    Example:
      >>> unit_vector(np.array([[3.0, 4.0], [0.0, 0.0]]))
      array([[0.6, 0.8],
             [0. , 0. ]])
    """
    vector = np.asarray(vector, np.float64)
    norm = np.linalg.norm(vector, axis=-1, keepdims=True)
    return vector / np.where(norm == 0, 1, norm)


class _Term(NamedTuple):
    vector: np.ndarray  # float64[D], of length 1 if it is a word's
    row: int | None  # a row that is no answer
    weight: float


def _read_terms(
    name: str, terms: Terms | None, word_vectors: WordVectors, weight: float | None
) -> list[_Term]:
    """Terms as vectors; ``weight`` is theirs by default, None if they have none."""
    if terms is None:  # as gensim has it by default
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
    if isinstance(term, (tuple, list)) and len(term) == 2:
        term, given = term
        if weight is None:
            raise TypeError(f"{place} has the weight {given!r}: 3CosMul knows none.")
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
            f"{place} must be a word, an array, or a pair of one and its weight, got "
            f"{term!r}."
        )
    vector = np.asarray(term, np.float64)
    if vector.shape != (word_vectors.dim,) or not np.isfinite(vector).all():
        raise ValueError(
            f"{place} must be a vector of {word_vectors.dim} finite numbers, as a "
            f"word's, got {list(vector.shape)}: {vector}."
        )
    return _Term(vector, None, weight)


def _answer(
    score: _search.Score,
    table: UnitTable,
    query: _search.Queries,
    terms: list[_Term],
    topn: int,
) -> list[tuple[str, float]]:
    """The words of one _search, without those that were given."""
    given = sorted({term.row for term in terms if term.row is not None})
    # Powers of two: a program for 10 words of an answer is one for 16 too.
    exclude = np.full((1, _search.power_of_two(max(len(given), 1))), _search.NO_ROW)
    exclude[0, : len(given)] = given
    n_best = min(_search.power_of_two(topn), len(table))
    scores, rows = _search.search(score, table.rows, query, table, exclude, n_best)
    words = table.word_vectors.words
    pairs = zip(rows[0].tolist(), scores[0].tolist(), strict=True)
    found = [(words[row], value) for row, value in pairs if value != -np.inf]
    return found[:topn]
