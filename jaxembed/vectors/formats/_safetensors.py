"""safetensors: write and memory-map word vectors in jaxembed's own format.

The tensors are ``matrix`` (``F32[V, D]``), ``words`` (``U8``, a JSON list of the words)
and optionally ``subwords`` (``F32[buckets, D]``). The metadata is a JSON text under the
key ``jaxembed``, with a SHA-256 of all tensors.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import IO

import numpy as np

from jaxembed._io import hash_arrays
from jaxembed.vectors._subwords import MAX_N, Subwords
from jaxembed.vectors._word_vectors import WordVectors
from jaxembed.vectors.formats._stream import BLOCK, Source

ARRAYS = {"matrix": "F32", "words": "U8", "subwords": "F32"}


def read_safetensors(source: Source) -> WordVectors:
    """Read word vectors; the matrix is mapped into memory, not copied.

    Raises:
      ValueError: if the file is cut or damaged, or has other tensors than listed above.
    """
    with tempfile.NamedTemporaryFile(prefix="jaxembed-") as unpacked:
        path = Path(source.name)
        if source.size is None:  # compressed: unpack to a temporary file
            while data := source.read(BLOCK):
                unpacked.write(data)
            unpacked.flush()
            path = Path(unpacked.name)
        try:
            return _read(path)
        except _REFUSED as error:
            raise ValueError(
                f"{source.name} cannot be read as word vectors in safetensors "
                f"({type(error).__name__}: {error}): write it again with vectors.save."
            ) from error


_REFUSED = (KeyError, OSError, OverflowError, RecursionError, TypeError, ValueError)


def _read(path: Path) -> WordVectors:
    import safetensors

    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise ValueError(f"the file is cut or damaged: {error}") from error
    # safe_open has checked the offsets. A memory map does not copy the tensors.
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(size))
    content = np.memmap(path, np.uint8, "r", offset=8 + size)
    header.pop("__metadata__", None)
    arrays = {}
    for name, dtype in ARRAYS.items():
        if name in header:
            if header[name]["dtype"] != dtype:
                raise ValueError(f"{name} must be {dtype}, got {header[name]['dtype']}")
            start, end = header[name]["data_offsets"]
            numbers = content[start:end].view(np.float32 if dtype == "F32" else "u1")
            arrays[name] = numbers.reshape(header[name]["shape"])
    if set(arrays) != set(header) or not {"matrix", "words"} <= set(arrays):
        raise ValueError(
            f"tensors must be matrix, words and maybe subwords, got {sorted(header)}"
        )
    facts = json.loads(metadata["jaxembed"])
    n_duplicates = int(facts["n_duplicates"])
    if hash_arrays(arrays) != facts["sha256"]:
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


def write_safetensors(word_vectors: WordVectors, stream: IO[bytes]) -> None:
    """Write word vectors with their subwords."""
    import safetensors.numpy

    words = json.dumps(word_vectors.words).encode()
    arrays = {
        "matrix": np.ascontiguousarray(word_vectors.matrix),
        "words": np.frombuffer(words, np.uint8),
    }
    facts: dict[str, int | str] = {"n_duplicates": word_vectors.n_duplicates}
    if (subwords := word_vectors.subwords) is not None:
        arrays["subwords"] = np.ascontiguousarray(subwords.matrix)
        facts |= {"min_n": subwords.min_n, "max_n": subwords.max_n}
    facts["sha256"] = hash_arrays(arrays)
    metadata = {"jaxembed": json.dumps(facts)}  # one entry: the order of several varies
    with tempfile.NamedTemporaryFile(prefix="jaxembed-") as file:
        safetensors.numpy.save_file(arrays, file.name, metadata)
        with open(file.name, "rb") as written:
            shutil.copyfileobj(written, stream)
