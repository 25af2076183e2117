"""Save: write word vectors as text, as binary (both for gensim) or as safetensors."""

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jaxembed import _io
from jaxembed.vectors._word_vectors import WordVectors
from jaxembed.vectors.formats._detect import find_format
from jaxembed.vectors.formats._safetensors import count_bytes, write_safetensors
from jaxembed.vectors.formats._stream import open_source
from jaxembed.vectors.formats._text import DECIMAL, find_dim
from jaxembed.vectors.formats._word2vec import MAX_WORD

SUFFIXES = {
    ".txt": "glove",
    ".vec": "word2vec",
    ".bin": "word2vec-binary",
    ".safetensors": "safetensors",
}
COMPRESSED = (".gz", ".bz2", ".xz", ".zip")
ROWS_AT_ONCE = 1 << 14


def save(
    word_vectors: WordVectors, path: str | Path, format: str | None = None
) -> Path:
    r"""Write word vectors to a file; an existing file is replaced atomically.

    Every format keeps all bits of the matrix: numbers in text have as many digits as
    needed. Only safetensors keeps subwords.

    Args:
      word_vectors: word vectors to write.
      path: the file. The suffix ``.gz``, ``.bz2``, ``.xz`` or ``.zip`` compresses it.
      format: "glove", "word2vec" (also fastText's ``.vec``), "word2vec-binary" or
        "safetensors"; by default the suffix selects it: ``.txt``, ``.vec``, ``.bin``
        or ``.safetensors``.

    Returns:
      The path.

    Raises:
      OSError: if the file cannot be written; with ``errno.ENOSPC`` on a full disk.
      ValueError: if ``format`` is unknown, the suffix does not select a format, or a
        word could not be read back from the file.

    Example:
      >>> import tempfile
      >>> vectors = WordVectors(["good"], np.array([[0.1, -2]], np.float32))
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     save(vectors, folder + "/small.vec").read_text()
      '1 2\ngood 0.1 -2\n'
    """
    path = Path(path)
    if format is None:
        name = path.stem if path.suffix in COMPRESSED else path.name
        format = SUFFIXES.get(Path(name).suffix)
    if format not in WRITERS:
        raise ValueError(
            f"format must be one of {', '.join(WRITERS)}, or the file name must end in "
            f"one of {', '.join(SUFFIXES)}; got format={format!r} and {path}."
        )
    _check_words(word_vectors, format, path)
    is_exact = format == "safetensors" and path.suffix not in COMPRESSED
    n_bytes = count_bytes(word_vectors) if is_exact else None
    with _io.replace(path, durable=True, n_bytes=n_bytes) as beside:
        with _open(beside, path) as stream:
            WRITERS[format](word_vectors, stream)
        _check_written(beside, path, format, word_vectors.dim)
    return path


@contextmanager
def _open(beside: Path, path: Path) -> Iterator[IO[bytes]]:
    """Open the temporary file for writing, compressed by the suffix of ``path``."""
    with beside.open("wb") as raw:
        if path.suffix == ".zip":
            with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
                with archive.open(path.stem, "w", force_zip64=True) as member:
                    yield member
            return
        openers: dict[str, Callable[..., Any]] = {
            ".gz": _open_gzip,
            ".bz2": bz2.open,
            ".xz": lzma.open,
        }
        if path.suffix in openers:
            with openers[path.suffix](raw, "wb") as stream:
                yield stream
        else:
            yield raw


def _open_gzip(raw: IO[bytes], mode: str) -> gzip.GzipFile:
    # Without a timestamp, so that the same vectors give the same bytes.
    return gzip.GzipFile("", mode, fileobj=raw, mtime=0)


def _check_words(word_vectors: WordVectors, format: str, path: Path) -> None:
    """Raise if a word could not be read back from this format."""
    if format == "safetensors":
        return
    is_binary = format == "word2vec-binary"
    has_mark = format == "glove" and word_vectors.words[0].startswith("\ufeff")
    reserved = " \n" if is_binary else "\n\r"
    for word in word_vectors.words:
        if (
            not word
            or has_mark
            or any(character in word for character in reserved)
            or (_looks_like_numbers(word) and not is_binary)
            or (not word.isprintable() and not _is_utf8(word))
            or (is_binary and len(word.encode()) >= MAX_WORD)
        ):
            raise ValueError(
                f"{path}: the word {word!r} cannot be written as {format}, since it "
                "could not be read back: use safetensors, or remove the word."
            )


def _looks_like_numbers(word: str) -> bool:
    return word.endswith(" ") or bool(
        " " in word and DECIMAL.fullmatch(word.rsplit(" ", 1)[-1].encode())
    )


def _is_utf8(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def _check_written(beside: Path, path: Path, format: str, dim: int) -> None:
    """Raise if the file would be detected as another format: "5 3" is also a header."""
    with open_source(beside) as source:
        found = find_format(source)
        if found != format or (format == "glove" and find_dim(source) != dim):
            raise ValueError(
                f"{path}: written as {format}, these words would be read as {found}, "
                "or with another number of columns: choose another format."
            )


def _write_glove(word_vectors: WordVectors, stream: IO[bytes]) -> None:
    for start in range(0, len(word_vectors), ROWS_AT_ONCE):
        rows = word_vectors.matrix[start : start + ROWS_AT_ONCE]
        # Arrow writes the fewest digits that give the same float32 when read.
        numbers = pc.cast(pa.array(np.ravel(rows)), pa.string())
        ends = np.arange(0, len(numbers) + 1, rows.shape[1], dtype=np.int32)
        lines = pc.binary_join(pa.ListArray.from_arrays(ends, numbers), " ")
        words = pa.array(word_vectors.words[start : start + ROWS_AT_ONCE], pa.string())
        for line in pc.binary_join_element_wise(words, lines, " ").to_pylist():
            stream.write(line.encode() + b"\n")


def _write_word2vec(word_vectors: WordVectors, stream: IO[bytes]) -> None:
    stream.write(f"{len(word_vectors)} {word_vectors.dim}\n".encode())
    _write_glove(word_vectors, stream)


def _write_binary(word_vectors: WordVectors, stream: IO[bytes]) -> None:
    stream.write(f"{len(word_vectors)} {word_vectors.dim}\n".encode())
    for word, row in zip(word_vectors.words, word_vectors.matrix, strict=True):
        stream.write(word.encode() + b" " + row.astype("<f4").tobytes())


WRITERS: dict[str, Callable[[WordVectors, IO[bytes]], None]] = {
    "glove": _write_glove,
    "word2vec": _write_word2vec,
    "word2vec-binary": _write_binary,
    "safetensors": write_safetensors,
}
