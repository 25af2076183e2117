"""Expected tables: rows, bags and logits by NumPy in float64, with error bounds."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

EPS = np.finfo(np.float32).eps


class Answer(NamedTuple):
    """Expected values, and the largest error of a result."""

    values: np.ndarray  # of any shape
    allowed: np.ndarray | float  # largest error: an array of this shape, or a number
    # Rows that the values belong to; other rows must be zeros. None for all rows
    rows: np.ndarray | None = None
    n_rows: int = 0  # number of rows of a result, if ``rows`` is given

    def accepts(self, found: np.ndarray) -> bool:
        """Return whether the shape and the values of a result are right."""
        if self.rows is not None:
            if found.shape != (self.n_rows, *self.values.shape[1:]):
                return False
            n_others = np.count_nonzero(found)
            found = found[self.rows]
            if n_others != np.count_nonzero(found):
                return False
        if found.shape != self.values.shape:
            return False
        return bool(np.all(abs(found - self.values) <= self.allowed))  # False for NaN


def answer_rows(table: np.ndarray, ids: np.ndarray) -> Answer:
    """Return the rows; a result must be equal bit by bit."""
    return Answer(table[ids], 0.0)


def answer_rows_gradient(table: np.ndarray, ids: np.ndarray) -> Answer:
    """Return the gradient of half the rows' squares: each row times its count."""
    rows, counts = np.unique(ids, return_counts=True)
    values = counts[:, None] * table[rows].astype(np.float64)
    return Answer(values, EPS * (counts[:, None] + 8) * abs(values), rows, len(table))


def answer_bags(table: np.ndarray, ids: np.ndarray) -> Answer:
    """Return means of rows; the error bound is that of a naive sum."""
    length = ids.shape[1]
    # Only rows that are read: all rows in float64 do not fit beside a large table.
    rows, places = np.unique(ids, return_inverse=True)
    counts = count(places.reshape(ids.shape), len(rows))
    sums, sizes = counts @ table[rows], counts @ abs(table[rows])
    return Answer(sums / length, EPS * (length + 8) * sizes / length)


def answer_bags_gradient(table: np.ndarray, ids: np.ndarray) -> Answer:
    """Return the gradient of half the means' squares."""
    length = ids.shape[1]
    rows, places = np.unique(ids, return_inverse=True)
    counts = count(places.reshape(ids.shape), len(rows))
    values, sizes = (
        counts.T @ (counts @ read) / length**2
        for read in (table[rows], abs(table[rows]))
    )
    n_terms = length + 8 + counts.sum(0)[:, None]
    return Answer(values, EPS * n_terms * sizes, rows, len(table))


def answer_logits(
    table: np.ndarray, ids: np.ndarray, kernel: np.ndarray, bias: np.ndarray
) -> Answer:
    """Return the logits ``[B]`` of bags, a kernel ``[D, 1]`` and a bias ``[1]``."""
    kernel64 = kernel[:, 0].astype(np.float64)
    rows, places = np.unique(ids, return_inverse=True)
    logits, sizes = table[rows] @ kernel64, abs(table[rows]) @ abs(kernel64)
    shares = count(places.reshape(ids.shape), len(rows)) / ids.shape[1]
    n_terms = ids.shape[1] + table.shape[1] + 8
    allowed = EPS * n_terms * (shares @ sizes + abs(bias))
    return Answer(shares @ logits + bias, allowed)


def count(ids: np.ndarray, n_rows: int) -> csr_array:
    """Count each id in each bag: ``float64[B, V]``."""
    ends = np.arange(0, ids.size + 1, ids.shape[1])
    return csr_array((np.ones(ids.size), ids.ravel(), ends), (len(ids), n_rows))


def count_distinct(ids: np.ndarray) -> int:
    """Return the mean number of distinct ids in a batch, for batches ``[n, B, L]``."""
    return round(np.mean([len(np.unique(batch)) for batch in ids]))
