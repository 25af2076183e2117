"""View: an embedding table whose rows are read when they are asked for."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxembed.vectors._word_vectors import WordVectors

PIECE = 1 << 16  # rows that are copied at once


class TableView:
    """View of the table of a vocabulary, as `embedding_matrix` builds it.

    ``view[ids]`` and ``view[start:stop:step]`` are NumPy arrays of rows, read from the
    word vectors, which may be mapped into memory. ``np.asarray(view)`` is the table.

    Attributes:
      shape: number of rows and their length, ``(V, D)``.
      dtype: float32.
      ndim: 2.
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(
        self, words: Mapping[int, str], word_vectors: WordVectors, n_rows: int
    ) -> None:
        self.shape = (n_rows, word_vectors.dim)
        self._word_vectors = word_vectors
        # Row of each id in the matrix, or -1.
        self._rows = np.full(n_rows, -1, np.int64)
        index = word_vectors.index
        self._rows[list(words)] = [index.get(word, -1) for word in words.values()]
        self._inferred: dict[int, str] = {}
        if word_vectors.subwords is not None:
            self._inferred = {i: w for i, w in words.items() if w not in index}

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.shape[0] * self.shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, ids: slice | list[int] | np.ndarray) -> np.ndarray:
        """Return the rows ``float32[n, D]`` of a slice or of n ids."""
        rows = self._rows[ids]
        if rows.ndim != 1:
            raise IndexError(f"a table is read by a slice or a list of ids, got {ids}.")
        found = self._word_vectors.matrix[rows]
        found[rows < 0] = 0
        if self._inferred:
            for place, i in enumerate(np.arange(len(self))[ids].tolist()):
                if i in self._inferred:
                    found[place] = self._word_vectors[self._inferred[i]]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        table = np.empty(self.shape, np.float32)
        for start in range(0, len(self), PIECE):
            table[start : start + PIECE] = self[start : start + PIECE]
        return table if dtype is None else table.astype(dtype, copy=False)

    def __repr__(self) -> str:
        return f"TableView({len(self):,} rows, {self.shape[1]} dimensions)"
