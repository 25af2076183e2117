"""Nearest: rows of the words nearest to each query vector."""

import numpy as np
from jax.typing import ArrayLike

from jaxembed._checks import check_count
from jaxembed.geometry import _search
from jaxembed.geometry._table import UnitTable, unit_table
from jaxembed.vectors import WordVectors


def nearest(
    word_vectors: WordVectors | UnitTable,
    queries: ArrayLike,
    topn: int = 10,
    exclude: ArrayLike | None = None,
    restrict_vocab: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the words nearest to each query vector.

    Args:
      word_vectors: word vectors to search. For repeated searches, pass a
        :func:`unit_table` of them, which is normalized once.
      queries: ``float[N, D]``; the vectors need not have length 1.
      topn: number of rows for each query.
      exclude: ``int[N, E]``, rows to leave out of the results of each query. Negative
        numbers are ignored.
      restrict_vocab: number of words to search, from the first row on; None for all.

    Returns:
      ``float32[N, K]`` cosines in descending order, and ``int32[N, K]`` rows. K is the
      smaller of ``topn`` and the number of words. Equal cosines are in the order of
      their rows. Words with a zero vector come last, with a cosine of 0. If
      ``exclude`` leaves fewer than K words, the rest has cosine ``-inf`` and row -1.

    Raises:
      TypeError: if ``topn`` or ``restrict_vocab`` is not an integer, or ``exclude`` is
        not an array of integers.
      ValueError: if ``topn`` or ``restrict_vocab`` is below 1, a row in ``exclude`` is
        V or more, a shape does not fit, or a query is not finite.

    Example:
      >>> matrix = np.array([[1, 1], [1, 0], [0, 1]], np.float32)
      >>> vectors = WordVectors(["both", "x", "y"], matrix)
      >>> nearest(vectors, [[2.0, 0.1], [0.0, 1.0]], topn=1)[1]
      array([[1],
             [2]], dtype=int32)
    """
    topn = check_count("topn", topn)
    table = unit_table(word_vectors, restrict_vocab)
    vectors = np.asarray(queries, np.float32)
    dim = table.rows.shape[1]
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise ValueError(
            f"queries must have shape [N, D] with D = {dim}, got {list(vectors.shape)}."
        )
    if not np.isfinite(vectors).all():
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0]
        raise ValueError(f"queries must be finite, got {vectors[bad]} in row {bad}.")
    excluded = _check_excluded(exclude, len(vectors), len(table.word_vectors))
    n_best = min(topn, len(table))
    if not len(vectors):
        return np.zeros((0, n_best), np.float32), np.zeros((0, n_best), np.int32)
    scores, rows = _search.search(
        _search.cosines, table.rows, vectors, table, excluded, n_best
    )
    return scores, np.where(np.isneginf(scores), np.int32(-1), rows)


def _check_excluded(
    exclude: ArrayLike | None, n_queries: int, n_words: int
) -> np.ndarray:
    """Return ``exclude`` as ``int32[N, E]``, with ``NO_ROW`` for negative numbers."""
    rows = (
        np.zeros((n_queries, 0), np.int32) if exclude is None else np.asarray(exclude)
    )
    if rows.dtype.kind not in "iu":
        raise TypeError(
            f"exclude must be integers, the numbers of rows, got {rows.dtype}."
        )
    if rows.ndim != 2 or len(rows) != n_queries:
        raise ValueError(
            f"exclude must have shape [N, E] with N = {n_queries}, the number of "
            f"queries, got {list(rows.shape)}."
        )
    if rows.size and np.max(rows) >= n_words:
        raise ValueError(
            f"exclude must be below {n_words}, the number of words, got {np.max(rows)}."
        )
    return np.where(rows < 0, _search.NO_ROW, rows).astype(np.int32)
