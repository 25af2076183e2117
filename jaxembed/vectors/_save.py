"""Save: word vectors to a file that gensim reads too."""

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
from jaxembed.vectors._load import find_format
from jaxembed.vectors._word_vectors import WordVectors
from jaxembed.vectors.formats._safetensors import write_safetensors
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
    r"""Writes word vectors, beside and then renamed.

    All formats keep every bit of the matrix: numbers are written as text with as many
    digits as it takes. Only safetensors keeps subwords.

    Args:
      word_vectors: what to write.
      path: the file, which is replaced if it is there; behind ``.gz``, ``.bz2``,
        ``.xz`` or ``.zip`` it is compressed.
      format: "glove", "word2vec" (also fastText's ``.vec``), "word2vec-binary" or
        "safetensors"; by default found from the name: ``.txt``, ``.vec``, ``.bin``,
        ``.safetensors``.

    Returns:
      The path.

    Raises:
      ValueError: if the format is none of these or not told by the name, or if a word
        cannot be written in it so that it is read again.

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
            f"format must be one of {', '.join(WRITERS)}, or the name of the file end "
            f"with {', '.join(SUFFIXES)}; got format={format!r} and {path}."
        )
    _check_words(word_vectors, format, path)
    with _io.replace(path) as beside:
        with _open(beside, path) as stream:
            WRITERS[format](word_vectors, stream)
        _check_written(beside, path, format, word_vectors.dim)
    return path


@contextmanager
def _open(beside: Path, path: Path) -> Iterator[IO[bytes]]:
    """A stream to the file beside, compressed as the path's name says."""
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
    return gzip.GzipFile("", mode, fileobj=raw, mtime=0)  # the same bytes each time


def _check_words(word_vectors: WordVectors, format: str, path: Path) -> None:
    """Refuses words that would be read as something else."""
    if format == "safetensors":
        return
    is_binary = format == "word2vec-binary"
    reserved = " \n" if is_binary else "\n\r"
    for word in word_vectors.words:
        if (
            any(character in word for character in reserved)
            or (_looks_like_numbers(word) and not is_binary)
            or (not word.isprintable() and not _is_utf8(word))
            or (is_binary and len(word.encode()) >= MAX_WORD)
        ):
            raise ValueError(
                f"{path}: the word {word!r} cannot be written as {format}, since it "
                "would not be read again: write safetensors, or leave it out."
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
    """Refuses what would be taken for another format, such as "5 3" for a header."""
    with open_source(beside) as source:
        found = find_format(source)
        if found != format or (format == "glove" and find_dim(source) != dim):
            raise ValueError(
                f"{path}: written as {format}, these words would be read as {found}, "
                "or with another width: choose another format."
            )


def _write_glove(word_vectors: WordVectors, stream: IO[bytes]) -> None:
    for start in range(0, len(word_vectors), ROWS_AT_ONCE):
        rows = word_vectors.matrix[start : start + ROWS_AT_ONCE]
        # Arrow writes the fewest digits that are read as the same float32.
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
