"""Collector: decode the rows of any format, and keep the wanted ones."""

import dataclasses
from collections.abc import Iterable
from typing import IO, NamedTuple

import numpy as np
import pyarrow as pa


class Rows(NamedTuple):
    """Some rows of a file.

    Attributes:
      words: n words as bytes of the file.
      matrix: ``float32[n, D]``, all finite.
    """

    words: list[bytes]
    matrix: np.ndarray


def decode(word: bytes) -> str:
    r"""Decode a word from UTF-8; invalid bytes become ``\xNN``, so that none is lost.

    word2vec cuts long words, sometimes inside a character.

    Example:
      >>> decode("naï".encode()[:3])
      'na\\xc3'
    """
    return word.decode("utf-8", "backslashreplace")


def show(data: bytes) -> str:
    """Return the first 40 bytes as quoted text, for an error message."""
    text = decode(data[:40])
    return repr(text if len(data) <= 40 else text + "...")


def copy_to_arrow(data: bytes) -> pa.Buffer:
    """Copy bytes into memory of Arrow.

    A thread of Arrow can be the last to release the buffer of Python bytes. It needs
    Python for that, and aborts a program that is ending.
    """
    buffer = pa.allocate_buffer(len(data))
    np.frombuffer(buffer, np.uint8)[:] = np.frombuffer(data, np.uint8)
    return buffer


def _decode_all(words: list[bytes]) -> list[str]:
    try:
        decoded = b"\n".join(words).decode().split("\n")  # ten times as fast as by word
    except UnicodeDecodeError:
        decoded = []
    return decoded if len(decoded) == len(words) else [decode(word) for word in words]


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Words of a file to keep: the words of a vocabulary, or all words.

    Attributes:
      words: the vocabulary; None for all words.
      encoded: the vocabulary in UTF-8.
      has_escapes: whether a word of the vocabulary may have an escape, as
        :func:`decode` writes it for an invalid byte.
    """

    words: frozenset[str] | None
    encoded: frozenset[bytes] = frozenset()
    has_escapes: bool = False

    @classmethod
    def of(cls, vocabulary: Iterable[str] | None) -> "Wanted":
        """Create from a vocabulary; None keeps all words.

        Raises:
          TypeError: if the vocabulary is one string, or an element is not a ``str``.
          ValueError: if the vocabulary is empty.
        """
        if vocabulary is None:
            return cls(None)
        if isinstance(vocabulary, str | bytes):
            raise TypeError(
                "vocabulary must be a list or a dict of words, got one "
                f"{type(vocabulary).__name__}: put it into a list."
            )
        words = frozenset(vocabulary)
        for word in words:
            if not isinstance(word, str):
                raise TypeError(f"words of vocabulary must be str, got {word!r}.")
        if not words:
            raise ValueError("vocabulary must have at least one word, got none.")
        encoded = {word.encode("utf-8", "surrogatepass") for word in words}
        has_escapes = any("\\x" in word for word in words)
        return cls(words, frozenset(encoded), has_escapes)

    def __contains__(self, word: bytes) -> bool:
        if self.words is None or word in self.encoded:
            return True
        # Bytes of a cut character in the file are an escape in the vocabulary.
        return self.has_escapes and not word.isascii() and decode(word) in self.words


class Collector:
    """Collection of the wanted rows, with the first row of each word.

    Args:
      wanted: words to keep.
      spill: empty, unbuffered file, to which rows are written so that they take no
        memory. If its disk is full, rows are kept in memory from there on. None to keep
        them in memory.

    Attributes:
      words: words of the rows kept so far.
      n_duplicates: number of rows skipped, since their word already had a row.
    """

    def __init__(self, wanted: Wanted, spill: IO[bytes] | None = None):
        self.words: list[str] = []
        self.n_duplicates = 0
        self._wanted = wanted
        self._seen: set[str] = set()
        self._parts: list[np.ndarray] = []
        self._spill, self._n_spilled = spill, 0

    def add(self, rows: Rows) -> None:
        """Keep the wanted rows; skip words that already have a row."""
        words = _decode_all(rows.words)
        new = set(words)
        is_all = len(new) == len(words) and self._seen.isdisjoint(new)
        if self._wanted.words is None and is_all:  # the usual case
            self._seen |= new
            self.words += words
            self._keep(rows.matrix)
            return
        kept = []
        for place, word in enumerate(words):
            if self._wanted.words is not None and word not in self._wanted.words:
                continue
            if word in self._seen:
                self.n_duplicates += 1
                continue
            self._seen.add(word)
            self.words.append(word)
            kept.append(place)
        self._keep(rows.matrix[kept])

    def matrix(self) -> np.ndarray:
        """Return all kept rows, ``float32[V, D]``, and release the parts.

        Rows that are in the file are mapped into memory.
        """
        if self._spill is not None and self._n_spilled:
            return self._map(self._spill)
        parts, self._parts = self._parts, []
        return np.concatenate(parts) if len(parts) > 1 else np.ascontiguousarray(*parts)

    def _keep(self, matrix: np.ndarray) -> None:
        self._dim = matrix.shape[1]
        if self._spill is not None:
            try:
                left = matrix.astype(np.float32).reshape(-1).view(np.uint8).data
                while left:
                    left = left[self._spill.write(left) :]
            except OSError:
                spilled, self._spill = self._spill, None
                if self._n_spilled:
                    self._parts.append(np.array(self._map(spilled)))
            else:
                self._n_spilled += len(matrix)
                return
        self._parts.append(matrix)

    def _map(self, file: IO[bytes]) -> np.ndarray:
        shape = self._n_spilled, self._dim
        return np.asarray(np.memmap(file, np.float32, "r", shape=shape))
