"""Bags: the words and word n-grams of a text as rows of one table."""

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from jaxembed.text import NgramIndex, Ragged, Tokenizer, pad_sequences

UNKNOWN = "<unk>"  # no word of a text: the tokenizer's filters remove < and >
GRAIN = 8  # lengths of padded texts are multiples of it
PIECE = 1024  # texts that a thread encodes at once
SHORTEST, N_SHAPES = 32, 3  # of padded texts in prediction


@dataclasses.dataclass(frozen=True, eq=False)
class Bags:
    """Encoder of texts: the distinct words and word n-grams that have a row.

    An n-gram counts once in a text. Row 0 is padding, row 1 belongs to the n-gram of
    most training texts, so that a text is cut to its most frequent ones. N-grams
    without a row are left out.

    Attributes:
      tokenizer: numbers all words; unknown words become ``UNKNOWN``, so that they part
        the words on both sides.
      index: rows of the words and n-grams.
      length: largest number of rows read of a text.
    """

    tokenizer: Tokenizer
    index: NgramIndex
    length: int

    @property
    def n_rows(self) -> int:
        """V, number of rows of the table, row 0 included."""
        return self.index.n_rows

    @property
    def words(self) -> dict[str, int]:
        """Row of each word that has one."""
        rows = dict(
            zip(self.index.levels[0].tolist(), self.index.rows[0].tolist(), strict=True)
        )
        numbers = self.tokenizer.word_index.items()
        found = {word: rows.get(number, 0) for word, number in numbers}
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
        return self.index.encode(self.tokenizer.encode(texts), self.length)

    def shapes(self) -> list[int]:
        """Return the lengths to which texts are padded in prediction, rising."""
        lengths = [self.length]
        while len(lengths) < N_SHAPES and lengths[-1] // 2 >= SHORTEST:
            lengths.append(-(-lengths[-1] // (2 * GRAIN)) * GRAIN)
        return lengths[::-1]


def fit_bags(
    texts: Sequence[str],
    *,
    word_ngrams: int,
    min_count: int,
    quantile: float,
    longest: int,
    known: frozenset[str] | None = None,
) -> tuple[Bags, Ragged]:
    """Make the encoder that numbers the words and n-grams of training texts.

    The begin and the end of a text count as words of an n-gram.

    Args:
      texts: the training texts.
      word_ngrams: number of words of the longest n-grams that get rows.
      min_count: number of texts that an n-gram must be in to get a row.
      quantile: share of the texts that are not cut.
      longest: largest number of rows read of a text.
      known: the only words that may get a row; None for all.

    Returns:
      The encoder, and the rows of the training texts.

    Raises:
      ValueError: if no text has a word, or no word is in enough texts.

    Example:
      >>> settings = {"quantile": 1.0, "longest": 64, "min_count": 2}
      >>> bags, _ = fit_bags(["a good film", "a good joy"], word_ngrams=2, **settings)
      >>> bags.words, bags.n_rows  # row 3 is of "a" as the first word, 4 of "a good"
      ({'a': 1, 'good': 2}, 5)
      >>> bags.encode(["a good day", "so good"]).tolist()
      [[1, 2, 3, 4], [2]]
    """
    tokenizer = Tokenizer(oov_token=UNKNOWN).fit(texts)
    ids = tokenizer.encode(texts)
    if known is not None:
        index = tokenizer.word_index.items()
        is_known = np.zeros(len(index) + 1, bool)
        is_known[[number for word, number in index if word in known]] = True
        ids = ids.keep(is_known[ids.values])
    try:
        orders, ends = tuple(range(1, word_ngrams + 1)), word_ngrams > 1
        ngrams = NgramIndex.fit(ids, orders=orders, min_count=min_count, ends=ends)
    except ValueError as error:
        raise ValueError(
            f"no word is in min_count={min_count} of the {len(texts)} training texts"
            f"{'' if known is None else ' and in vectors'}: lower min_count."
        ) from error
    rows = ngrams.encode(ids)
    cap = int(np.quantile(rows.lengths, quantile))
    length = min(-(-max(cap, 1) // GRAIN) * GRAIN, longest)
    places = np.arange(rows.values.size) - np.repeat(rows.offsets[:-1], rows.lengths)
    return Bags(tokenizer, ngrams, length), rows.keep(places < length)


def pad(rows: Ragged, length: int) -> np.ndarray:
    """Return rows ``int32[N, L]``, padded with 0."""
    return pad_sequences(rows, maxlen=length, padding="post", truncating="post")
