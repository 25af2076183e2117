"""Nearest: the words near to each of many vectors, as rows."""

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
    """The words nearest to each of many vectors, as rows.

    Args:
      word_vectors: what is searched; a :func:`unit_table` of it saves time where it is
        searched often.
      queries: ``float[N, D]``, of any length.
      topn: how many.
      exclude: ``int[N, E]``, rows that are no answer to a query; any number below 0
        for none.
      restrict_vocab: how many words from the first on are searched; None for all.

    Returns:
      ``float32[N, K]`` cosines, from the highest on, and ``int32[N, K]`` rows; K is
      ``topn``, or as many as there are words. Of equal cosines the earlier row comes
      first. Words with a vector of zeros come last, with a cosine of 0. Where
      ``exclude`` leaves fewer than K, the cosine is ``-inf`` and the row -1.

    Raises:
      TypeError: if ``topn`` or ``restrict_vocab`` is not an integer, or the rows in
        ``exclude`` are not.
      ValueError: if one of them is below 1, a row in ``exclude`` is not below V, the
        axes do not fit, or a query is not finite.

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
            f"queries must have the axes [N, D] with D = {dim}, got "
            f"{list(vectors.shape)}."
        )
    if not np.isfinite(vectors).all():
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0]
        raise ValueError(f"queries must be finite, got {vectors[bad]} at {bad}.")
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
    rows = (
        np.zeros((n_queries, 0), np.int32) if exclude is None else np.asarray(exclude)
    )
    if rows.dtype.kind not in "iu":
        raise TypeError(
            f"exclude must be integers, the rows' numbers, got {rows.dtype}."
        )
    if rows.ndim != 2 or len(rows) != n_queries:
        raise ValueError(
            f"exclude must have the axes [N, E] with N = {n_queries}, a row for each "
            f"query, got {list(rows.shape)}."
        )
    if rows.size and np.max(rows) >= n_words:
        raise ValueError(
            f"exclude must be rows of the {n_words} words, got {np.max(rows)}."
        )
    return np.where(rows < 0, _search.NO_ROW, rows).astype(np.int32)
