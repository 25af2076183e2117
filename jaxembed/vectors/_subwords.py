"""Subwords: vectors of character n-grams, for words without a vector of their own.

As in fastText [1], ``<word>`` is split into all its n-grams of ``min_n`` to ``max_n``
characters, and each n-gram is hashed to a row of a table.

[1] Bojanowski et al., Enriching Word Vectors with Subword Information, TACL 2017;
``dictionary.cc`` of fastText.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

FNV_OFFSET, FNV_PRIME = np.uint32(2166136261), np.uint32(16777619)
# Words hashed at once: temporary arrays need about 20 times their memory.
WORDS_AT_ONCE = 1 << 14
MAX_N = 1 << 10  # characters in the longest n-gram that a file may declare


@dataclasses.dataclass(frozen=True, eq=False)
class Subwords:
    """Vectors of character n-grams.

    Attributes:
      matrix: ``float32[buckets, D]``, one row for each hash bucket.
      min_n: number of characters in the shortest n-gram.
      max_n: number of characters in the longest n-gram.
    """

    matrix: np.ndarray
    min_n: int
    max_n: int

    def vectors(self, words: Sequence[str]) -> np.ndarray:
        """Return the mean n-gram vector of each word, ``float32[n, D]``.

        The mean is zeros for a word without n-grams. Sums are ``float32`` and in the
        order of fastText and gensim, so that all bits are equal.

        Example:
          >>> subwords = Subwords(np.array([[1.0], [3.0]], np.float32), 3, 4)
          >>> subwords.vectors(["film", "i"])
          array([[1.8571428], [1.       ]], dtype=float32)
        """
        n_buckets, dim = self.matrix.shape
        buckets, lengths = ngram_buckets(words, self.min_n, self.max_n, n_buckets)
        sums = np.zeros((len(words), dim), np.float32)
        add_rows(sums, self.matrix, buckets, lengths)
        return sums / np.maximum(lengths, 1).astype(np.float32)[:, None]

    def __repr__(self) -> str:
        return (
            f"{len(self.matrix):,} subwords of {self.min_n} to {self.max_n} characters"
        )


def add_rows(
    sums: np.ndarray, matrix: np.ndarray, rows: np.ndarray, lengths: np.ndarray
) -> None:
    """Add rows of a matrix to each row of ``sums``, one after the other.

    Args:
      sums: ``float32[n, D]``, changed in place.
      matrix: ``float32[V, D]``.
      rows: ``int[sum(lengths)]``, row numbers of ``matrix``, in the order of ``sums``.
      lengths: ``int[n]``, number of rows to add to each row of ``sums``.

    Example:
      >>> sums = np.zeros((2, 1), np.float32)
      >>> add_rows(sums, np.array([[1.0], [2.0]], np.float32), [0, 1, 1], [1, 2])
      >>> sums.ravel()
      array([1., 4.], dtype=float32)
    """
    lengths, rows = np.asarray(lengths), np.asarray(rows)
    starts = np.cumsum(lengths) - lengths
    for place in range(lengths.max(initial=0)):
        longer = np.flatnonzero(lengths > place)
        with np.errstate(over="ignore", invalid="ignore"):  # overflow gives inf
            sums[longer] += matrix[rows[starts[longer] + place]]


def ngram_buckets(
    words: Sequence[str], min_n: int, max_n: int, n_buckets: int
) -> tuple[np.ndarray, np.ndarray]:
    """Hash each n-gram of each word to a bucket, as fastText does.

    Args:
      words: n words.
      min_n: number of characters in the shortest n-gram.
      max_n: number of characters in the longest n-gram.
      n_buckets: number of buckets.

    Returns:
      ``int64[sum(lengths)]``, the buckets of each word in the order of fastText, and
      ``int64[n]``, the number of n-grams of each word.

    Example:
      >>> buckets, lengths = ngram_buckets(["film", "a"], 3, 6, 1000)
      >>> buckets, lengths
      (array([866, 674, 589, 529, 436, 435, 327, 159, 139, 916, 600]), array([10,  1]))
    """
    parts = [
        _hash_ngrams(words[start : start + WORDS_AT_ONCE], min_n, max_n)
        for start in range(0, len(words), WORDS_AT_ONCE)
    ]
    empty = np.zeros(0, np.int64)
    hashes = np.concatenate([empty, *(hashes for hashes, _ in parts)])
    lengths = np.concatenate([empty, *(lengths for _, lengths in parts)])
    return hashes % max(n_buckets, 1), lengths


def _hash_ngrams(
    words: Sequence[str], min_n: int, max_n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the 32-bit hashes of all n-grams, and the number in each word."""
    encoded = [f"<{word}>".encode("utf-8", "surrogatepass") for word in words]
    # A final zero, since the loop reads one byte past the end of the last word.
    letters = np.frombuffer(b"".join([*encoded, bytes(1)]), np.uint8)
    sizes = np.array([len(word) for word in encoded])
    ends = np.cumsum(sizes)
    size = int(ends[-1])
    word_of = np.repeat(np.arange(len(encoded)), sizes)
    continues = (letters & 0xC0) == 0x80  # not the first byte of a character
    # fastText's bytes are signed: bytes above 127 are sign-extended to 32 bits.
    signed = letters.view(np.int8).astype(np.int32).view(np.uint32)
    start = np.flatnonzero(~continues[:size])
    place, end = start.copy(), ends[word_of[start]]
    hashes = np.full(start.size, FNV_OFFSET)
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for n in range(1, max_n + 1):
        inside = place < end
        if not inside.any():
            break
        start, place = start[inside], place[inside]
        end, hashes = end[inside], hashes[inside]
        for step in range(4):  # a character has up to 4 bytes
            more = np.flatnonzero((step == 0) | continues[place] & (place < end))
            hashes[more] = (hashes[more] ^ signed[place[more]]) * FNV_PRIME
            place[more] += 1
        if n >= min_n:
            first = ends[word_of[start]] - sizes[word_of[start]]
            # fastText skips the n-grams "<" and ">".
            kept = (n > 1) | (start != first) & (place != end)
            found.append((start[kept], hashes[kept]))
    starts = np.concatenate([s for s, _ in found]) if found else np.zeros(0, np.int64)
    values = np.concatenate([h for _, h in found]) if found else np.zeros(0, np.uint32)
    order = np.argsort(starts, kind="stable")  # by start, then by length
    lengths = np.bincount(word_of[starts], minlength=len(encoded))
    return values[order].astype(np.int64), lengths
