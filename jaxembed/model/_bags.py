"""Bags: the words and word pairs of a text as rows of one table."""

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from jaxembed.text import (
    Ragged,
    Tokenizer,
    distinct_ids,
    hash_ngrams,
    pad_sequences,
)

UNKNOWN = "<unk>"  # no word of a text: the tokenizer's filters remove < and >
BUCKETS = 2**22  # hashed ids of word pairs; only those of kept pairs get a row
GRAIN = 8  # lengths of padded texts are multiples of it
PIECE = 1024  # texts that a thread encodes at once
SHORTEST, N_SHAPES = 32, 3  # of padded texts in prediction


@dataclasses.dataclass(frozen=True, eq=False)
class Bags:
    """Encoder of texts: the distinct words and word pairs that have a row.

    A word or pair counts once in a text. Row 0 is padding, row 1 belongs to the word or
    pair of most training texts, so that a text is cut to its most frequent ones. Words
    and pairs without a row are left out.

    Attributes:
      tokenizer: numbers all words; unknown words become ``UNKNOWN``, so that they part
        the words on both sides.
      kept: ``int32[V - 1]``, raw id of each row from 1: that of a word, or
        ``n_words`` plus the bucket of a pair.
      length: largest number of rows read of a text.
    """

    tokenizer: Tokenizer
    kept: np.ndarray
    length: int

    def __post_init__(self) -> None:
        rows = np.zeros(self.n_words + BUCKETS, np.int32)
        if self.kept.max(initial=0) >= rows.size:
            raise ValueError(f"kept must be below {rows.size}, got {self.kept.max()}.")
        rows[self.kept] = np.arange(1, self.n_rows, dtype=np.int32)
        object.__setattr__(self, "_rows", rows)
        with_pairs = self.kept.max(initial=0) >= self.n_words
        object.__setattr__(self, "_with_pairs", bool(with_pairs))

    @property
    def n_words(self) -> int:
        """Number of raw ids of words, id 0 and that of ``UNKNOWN`` included."""
        return len(self.tokenizer.word_index) + 1

    @property
    def n_rows(self) -> int:
        """V, number of rows of the table, row 0 included."""
        return len(self.kept) + 1

    @property
    def words(self) -> dict[str, int]:
        """Row of each word that has one."""
        rows = self.__dict__["_rows"]
        index = self.tokenizer.word_index.items()
        found = {word: int(rows[number]) for word, number in index}
        return {word: row for word, row in found.items() if row}

    def encode(self, texts: Sequence[str]) -> Ragged:
        """Return the rows of each text in rising order, at most ``length`` of them."""
        pieces = [texts[i : i + PIECE] for i in range(0, len(texts), PIECE)]
        if len(pieces) < 2:
            return self._encode(texts)
        # NumPy and Arrow release the lock of Python in most of the work.
        with ThreadPoolExecutor(min(len(pieces), os.cpu_count() or 1)) as pool:
            return Ragged.concatenate(list(pool.map(self._encode, pieces)))

    def _encode(self, texts: Sequence[str]) -> Ragged:
        with_pairs = self.__dict__["_with_pairs"]
        parts = [
            Ragged(self.__dict__["_rows"][raw.values], raw.offsets)
            for raw in find_ids(self.tokenizer, texts, with_pairs=with_pairs)
        ]
        ordered = distinct_ids(*(part.keep(part.values != 0) for part in parts))
        owners = np.repeat(np.arange(len(ordered)), ordered.lengths)
        places = np.arange(ordered.values.size) - ordered.offsets[:-1][owners]
        return ordered.keep(places < self.length)

    def shapes(self) -> list[int]:
        """Return the lengths to which texts are padded in prediction, rising."""
        lengths = [self.length]
        while len(lengths) < N_SHAPES and lengths[-1] // 2 >= SHORTEST:
            lengths.append(-(-lengths[-1] // (2 * GRAIN)) * GRAIN)
        return lengths[::-1]


def find_ids(
    tokenizer: Tokenizer, texts: Sequence[str], *, with_pairs: bool
) -> list[Ragged]:
    """Return the raw ids of the words of each text, and those of its pairs.

    The begin and the end of a text count as words of a pair.
    """
    words = tokenizer.encode(texts)
    if not with_pairs:
        return [words]
    pairs = hash_ngrams(add_ends(words), 2, BUCKETS)
    pairs = pairs.keep(np.repeat(words.lengths > 0, pairs.lengths))
    n_words = len(tokenizer.word_index) + 1
    return [words, Ragged(pairs.values + n_words, pairs.offsets)]


def add_ends(ids: Ragged) -> Ragged:
    """Return texts with id 0 before the first word and after the last.

    Example:
      >>> add_ends(Ragged.from_lists([[5, 6], []])).tolist()
      [[0, 5, 6, 0], [0, 0]]
    """
    if not len(ids):
        return ids
    # Two zeros at each border between texts, and one at both ends.
    values = np.insert(ids.values, np.repeat(ids.offsets[1:-1], 2), 0)
    values = np.concatenate([[0], values, [0]]).astype(np.int32)
    return Ragged.from_lengths(values, ids.lengths + 2)


def fit_bags(
    texts: Sequence[str],
    *,
    pairs: bool,
    min_count: int,
    quantile: float,
    longest: int,
    known: frozenset[str] | None = None,
) -> Bags:
    """Make the encoder that numbers the words and pairs of training texts.

    Args:
      texts: the training texts.
      pairs: whether pairs of neighbouring words get rows.
      min_count: number of texts that a word or pair must be in to get a row.
      quantile: share of the texts that are not cut.
      longest: largest number of rows read of a text.
      known: the only words that may get a row; None for all.

    Raises:
      ValueError: if no text has a word, or no word is in enough texts.

    Example:
      >>> settings = {"quantile": 1.0, "longest": 64, "min_count": 2}
      >>> bags = fit_bags(["a good film", "a good joy"], pairs=True, **settings)
      >>> bags.words, bags.n_rows  # row 3 is of "a" as the first word, 4 of "a good"
      ({'a': 1, 'good': 2}, 5)
      >>> [sorted(rows) for rows in bags.encode(["a good day", "so good"]).tolist()]
      [[1, 2, 3, 4], [2]]
    """
    tokenizer = Tokenizer(oov_token=UNKNOWN).fit(texts)
    ids = distinct_ids(*find_ids(tokenizer, texts, with_pairs=pairs))
    counts = np.bincount(ids.values)
    if known is not None:
        index = tokenizer.word_index.items()
        unknown = [number for word, number in index if word not in known]
        counts[[number for number in unknown if number < len(counts)]] = 0
    kept = np.flatnonzero(counts >= min_count)
    if not kept.size:
        raise ValueError(
            f"no word is in min_count={min_count} of the {len(texts)} training texts"
            f"{'' if known is None else ' and in vectors'}: lower min_count."
        )
    kept = kept[np.argsort(-counts[kept], kind="stable")].astype(np.int32)
    lengths = ids.keep(np.isin(np.arange(len(counts)), kept)[ids.values]).lengths
    cap = int(np.quantile(lengths, quantile))
    length = min(-(-max(cap, 1) // GRAIN) * GRAIN, longest)
    return Bags(tokenizer, kept, length)


def pad(rows: Ragged, length: int) -> np.ndarray:
    """Return rows ``int32[N, L]``, padded with 0."""
    return pad_sequences(rows, maxlen=length, padding="post", truncating="post")
