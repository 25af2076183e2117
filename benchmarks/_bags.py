"""Ids and tables for bags, and what bags and logits should be, in float64."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import csr_array

N_BATCHES = 8  # of different ids, so that none is timed from a cache it has filled
KINDS = ("zipf", "uniform", "equal")
EPS = np.finfo(np.float32).eps
Answer = tuple[np.ndarray, np.ndarray]  # and how far a float32 result may be from it


def make_table(n_rows: int, dim: int) -> np.ndarray:
    """Random rows."""
    return np.random.default_rng(0).normal(size=(n_rows, dim)).astype(np.float32)


def make_ids(kind: str, n_rows: int, batch_size: int, length: int) -> np.ndarray:
    """``int32[N_BATCHES, B, L]``; "zipf" ids are about as frequent as words are."""
    rng = np.random.default_rng(1)
    shape = (N_BATCHES, batch_size, length)
    if kind == "zipf":
        shares = np.cumsum(1 / np.arange(1, n_rows + 1))
        ids = np.searchsorted(shares, rng.random(shape) * shares[-1])
    elif kind == "uniform":
        ids = rng.integers(n_rows, size=shape)
    else:
        ids = np.broadcast_to(rng.integers(n_rows, size=(N_BATCHES, 1, 1)), shape)
    return ids.astype(np.int32)


def answer_bags(
    table: np.ndarray, ids: np.ndarray, with_gradient: bool
) -> Iterator[Answer]:
    """Means of each batch, or the gradient of half their squares.

    The error that is allowed is that of a naive float32 sum of as many terms.
    """
    table64 = table.astype(np.float64)
    length = ids.shape[-1]
    for batch in ids:
        counts = _count(batch, len(table))
        answer, sizes = (counts @ rows / length for rows in (table64, abs(table64)))
        n_terms: Any = length + 8
        if with_gradient:
            answer, sizes = (counts.T @ rows / length for rows in (answer, sizes))
            n_terms = n_terms + counts.sum(0)[:, None]
        yield answer, EPS * n_terms * sizes


def answer_logits(
    table: np.ndarray, ids: np.ndarray, kernel: np.ndarray, bias: np.ndarray
) -> Iterator[Answer]:
    """Logits ``[B]`` of each batch by a kernel ``[D, 1]`` and a bias ``[1]``."""
    kernel64 = kernel[:, 0].astype(np.float64)
    logits, sizes = table @ kernel64, abs(table) @ abs(kernel64)
    n_terms = ids.shape[-1] + table.shape[1] + 8
    for batch in ids:
        shares = _count(batch, len(table)) / ids.shape[-1]
        yield shares @ logits + bias, EPS * n_terms * (shares @ sizes + abs(bias))


def count_bytes(ids: np.ndarray, row_bytes: int, bag_bytes: int) -> int:
    """The fewest to move for a batch: ids, each row once, and what comes out."""
    n_distinct = round(np.mean([len(np.unique(batch)) for batch in ids]))
    return 4 * ids[0].size + n_distinct * row_bytes + ids.shape[1] * bag_bytes


def _count(ids: np.ndarray, n_rows: int) -> csr_array:
    """``float64[B, V]``: how often each bag has each id."""
    ends = np.arange(0, ids.size + 1, ids.shape[1])
    return csr_array((np.ones(ids.size), ids.ravel(), ends), (len(ids), n_rows))
