"""safetensors: write and memory-map word vectors in jaxembed's own format.

The tensors are ``matrix`` (``F32[V, D]``), ``words`` (``U8``, a JSON list of the words)
and optionally ``subwords`` (``F32[buckets, D]``). The metadata is a JSON text under the
key ``jaxembed``, with a SHA-256 of all tensors.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from jaxembed import _io
from jaxembed.vectors._subwords import MAX_N, Subwords
from jaxembed.vectors._word_vectors import WordVectors
from jaxembed.vectors.formats._stream import BLOCK, Source

FLOAT, BYTE = np.dtype("<f4"), np.dtype("u1")
ARRAYS = {"matrix": FLOAT, "words": BYTE, "subwords": FLOAT}
REQUIRED = {"matrix", "words"}


def read_safetensors(source: Source) -> WordVectors:
    """Read word vectors; the matrix is mapped into memory, not copied.

    A compressed file is unpacked to an unnamed temporary file, after its header is
    checked.

    Raises:
      OSError: if a compressed file does not fit into the folder of temporary files.
      ValueError: if the file is cut or damaged, or has other tensors than listed above.
    """
    try:
        header = _io.read_header(source.read, source.size)
        _check_tensors(header)
        if source.size is not None:
            return _read(header, Path(source.name), header.n_bytes)
        with _unpack(source, header.content) as unpacked:
            return _read(header, unpacked, 0)
    except _REFUSED as error:
        if source.name in str(error):  # an error of the compressed stream
            raise
        raise ValueError(
            f"{source.name} cannot be read as word vectors in safetensors "
            f"({type(error).__name__}: {error}): write it again with vectors.save."
        ) from error


_REFUSED = (KeyError, OverflowError, RecursionError, TypeError, ValueError)


def _check_tensors(header: _io.Header) -> None:
    found = {name: tensor.dtype for name, tensor in header.tensors.items()}
    if not REQUIRED <= set(found) or any(ARRAYS.get(n) != d for n, d in found.items()):
        raise ValueError(
            f"tensors must be matrix, words and maybe subwords, of float32, uint8 and "
            f"float32, got { ({n: str(d) for n, d in found.items()})!r:.200}"
        )


@contextmanager
def _unpack(source: Source, size: int) -> Iterator[IO[bytes]]:
    """Write the content, which must have ``size`` bytes, to a temporary file."""
    copy = Path(tempfile.gettempdir(), f"the content of {Path(source.name).name}")
    remedy = "Free some space, or set TMPDIR to a folder on another disk."
    # The error of a full disk can also come when the file is closed.
    with (
        _io.explain_disk(copy, size, remedy=remedy),
        tempfile.TemporaryFile() as unpacked,
    ):
        n_left = size
        while n_left >= 0 and (data := source.read(BLOCK)):
            n_left -= len(data)
            unpacked.write(data)
        unpacked.flush()
        if n_left:
            raise ValueError(
                f"it does not have the {size} bytes that its header declares"
            )
        yield unpacked


def _read(header: _io.Header, file: Path | IO[bytes], start: int) -> WordVectors:
    content = np.memmap(file, np.uint8, "r", start)
    arrays = {
        name: content[tensor.start : tensor.end]
        .view(tensor.dtype)
        .reshape(tensor.shape)
        for name, tensor in header.tensors.items()
    }
    facts = json.loads(header.metadata["jaxembed"])
    n_duplicates = int(facts["n_duplicates"])
    if _io.hash_arrays(arrays) != facts["sha256"]:
        raise ValueError("the SHA-256 of its tensors differs from the saved one")
    words = json.loads(arrays["words"].tobytes())
    if not isinstance(words, list) or n_duplicates < 0:
        raise ValueError("words must be a list, and n_duplicates at least 0")
    subwords = None
    if "subwords" in arrays:
        sizes = int(facts["min_n"]), int(facts["max_n"])
        subwords = _make_subwords(arrays["subwords"], *sizes, arrays["matrix"].shape)
    return WordVectors(words, arrays["matrix"], subwords, n_duplicates)


def _make_subwords(
    table: np.ndarray, min_n: int, max_n: int, shape: tuple[int, ...]
) -> Subwords:
    if (
        table.ndim != 2
        or not len(table)
        or table.shape[1:] != shape[1:]
        or not (0 <= min_n <= MAX_N and 0 <= max_n <= MAX_N)
        or not np.isfinite(table).all()
    ):
        raise ValueError(
            f"subwords must be finite rows with the length of the matrix rows, for "
            f"n-grams of 0 to {MAX_N} characters, got shape {list(table.shape)} for a "
            f"matrix of {list(shape)}, and n-grams of {min_n} to {max_n} characters"
        )
    return Subwords(table, min_n, max_n)


def count_bytes(word_vectors: WordVectors) -> int:
    """Return the size of the tensors, without the words, which are few bytes."""
    subwords = word_vectors.subwords
    return word_vectors.matrix.nbytes + (subwords.matrix.nbytes if subwords else 0)


def write_safetensors(word_vectors: WordVectors, stream: IO[bytes]) -> None:
    """Write word vectors with their subwords."""
    words = json.dumps(word_vectors.words).encode()
    arrays = {
        "matrix": np.ascontiguousarray(word_vectors.matrix),
        "words": np.frombuffer(words, np.uint8),
    }
    facts: dict[str, int | str] = {"n_duplicates": word_vectors.n_duplicates}
    if (subwords := word_vectors.subwords) is not None:
        arrays["subwords"] = np.ascontiguousarray(subwords.matrix)
        facts |= {"min_n": subwords.min_n, "max_n": subwords.max_n}
    facts["sha256"] = _io.hash_arrays(arrays)
    _io.write_tensors(arrays, stream, {"jaxembed": json.dumps(facts)})
