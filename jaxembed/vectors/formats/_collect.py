"""Rows: what every format is read as, and what is kept of it."""

import dataclasses
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class Rows(NamedTuple):
    """Some rows of a file.

    Attributes:
      words: n words as they are in the file.
      matrix: ``float32[n, D]``, all finite.
    """

    words: list[bytes]
    matrix: np.ndarray


def decode(word: bytes) -> str:
    r"""A word as text; bytes that are not UTF-8 become ``\xNN``, so that none is lost.

    word2vec cuts long words, also inside of a character.

    Example:
      >>> decode("naï".encode()[:3])
      'na\\xc3'
    """
    return word.decode("utf-8", "backslashreplace")


def show(data: bytes) -> str:
    """How an error shows what a file has: its beginning, as text."""
    text = decode(data[:40])
    return repr(text if len(data) <= 40 else text + "...")


def _decode_all(words: list[bytes]) -> list[str]:
    try:
        decoded = b"\n".join(words).decode().split("\n")  # at once: ten times as fast
    except UnicodeDecodeError:
        decoded = []
    return decoded if len(decoded) == len(words) else [decode(word) for word in words]


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Which words of a file are to be kept: those of a vocabulary, or all.

    Attributes:
      words: the vocabulary; None for all words.
      encoded: its words in UTF-8.
      has_escapes: whether one may be what :func:`decode` makes of a cut word.
    """

    words: frozenset[str] | None
    encoded: frozenset[bytes] = frozenset()
    has_escapes: bool = False

    @classmethod
    def of(cls, vocabulary: Iterable[str] | None) -> "Wanted":
        """Of a vocabulary, or of None.

        Raises:
          TypeError: if it is one text, or has something that is none.
          ValueError: if it is empty.
        """
        if vocabulary is None:
            return cls(None)
        if isinstance(vocabulary, str | bytes):
            raise TypeError(
                "vocabulary must be a list of words or a dict of them, got one "
                f"{type(vocabulary).__name__}."
            )
        words = frozenset(vocabulary)
        for word in words:
            if not isinstance(word, str):
                raise TypeError(f"vocabulary must have words, got {word!r}.")
        if not words:
            raise ValueError("vocabulary must have at least one word, got none.")
        encoded = {word.encode("utf-8", "surrogatepass") for word in words}
        has_escapes = any("\\x" in word for word in words)
        return cls(words, frozenset(encoded), has_escapes)

    def __contains__(self, word: bytes) -> bool:
        if self.words is None or word in self.encoded:
            return True
        # What is cut in the file is an escape in the vocabulary.
        return self.has_escapes and not word.isascii() and decode(word) in self.words


class Collector:
    """Gathers rows: only the wanted ones, and only the first of each word.

    Attributes:
      words: those that were kept.
      n_duplicates: rows that were not, since their word had come before.
    """

    def __init__(self, wanted: Wanted):
        self.words: list[str] = []
        self.n_duplicates = 0
        self._wanted = wanted
        self._seen: set[str] = set()
        self._parts: list[np.ndarray] = []

    def add(self, rows: Rows) -> None:
        """Takes what is wanted of some rows."""
        words = _decode_all(rows.words)
        new = set(words)
        is_all = len(new) == len(words) and self._seen.isdisjoint(new)
        if self._wanted.words is None and is_all:  # as nearly always
            self._seen |= new
            self.words += words
            self._parts.append(rows.matrix)
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
        self._parts.append(rows.matrix[kept])

    def matrix(self) -> np.ndarray:
        """``float32[V, D]`` of all that was kept; gives its memory up."""
        parts, self._parts = self._parts, []
        return np.concatenate(parts) if len(parts) > 1 else np.ascontiguousarray(*parts)
