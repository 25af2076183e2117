"""N-grams: hash word n-grams to ids, and select the ids of each text."""

import operator
from collections.abc import Sequence

import numpy as np

from jaxembed.text._ragged import Ragged

SORTED_AT_ONCE = 1 << 18  # ids
Sequences = Ragged | Sequence[Sequence[int]]


def hash_ngrams(ids: Sequences, n: int, buckets: int) -> Ragged:
    """Return the ids of the word n-grams of each text, hashed into buckets.

    The 32-bit hash (MurmurHash3's finalizer, applied after each word) gives the same
    ids on every machine. Different n-grams share a bucket only by chance.

    Args:
      ids: word ids of N texts.
      n: number of words in an n-gram, at least 1.
      buckets: number of buckets, from 1 to 2**31.

    Returns:
      N sequences of ids in ``[0, buckets)``, in the order of the words. A text of k
      words has ``max(k - n + 1, 0)`` n-grams.

    Raises:
      TypeError: if the ids are not integers.
      ValueError: if ``n`` or ``buckets`` is out of range.

    Example:
      >>> hash_ngrams([[5, 6, 5, 6], [7]], n=2, buckets=1000).tolist()
      [[483, 545, 483], []]
    """
    n, buckets = operator.index(n), operator.index(buckets)
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}.")
    if not 1 <= buckets <= 2**31:
        raise ValueError(f"buckets must be from 1 to 2**31, got {buckets}.")
    texts = _as_ragged(ids)
    lengths = np.maximum(texts.lengths - n + 1, 0)
    n_runs = max(texts.values.size - n + 1, 0)
    words = texts.values.astype(np.uint32)
    hashed = np.zeros(n_runs, np.uint32)
    for place in range(n):
        hashed = _mix(hashed ^ words[place : place + n_runs])
    # Skip the n-grams that begin in one text and end in the next.
    skipped = texts.offsets[:-1] - (np.cumsum(lengths) - lengths)
    kept = np.arange(int(lengths.sum())) + np.repeat(skipped, lengths)
    return Ragged.from_lengths((hashed[kept] % buckets).astype(np.int32), lengths)


def distinct_ids(*parts: Sequences) -> Ragged:
    """Return the distinct ids of each text, in ascending order.

    Args:
      parts: ids of the same N texts, such as their word ids and their bigram ids.

    Returns:
      N sequences of ids.

    Raises:
      ValueError: if the parts differ in the number of texts, or an id is negative.

    Example:
      >>> words, pairs = Ragged.from_lists([[3, 1, 3]]), Ragged.from_lists([[9, 8]])
      >>> distinct_ids(words, pairs).tolist()
      [[1, 3, 8, 9]]
    """
    ragged = [_as_ragged(part) for part in parts]
    counts = {len(part) for part in ragged}
    if len(counts) != 1:
        raise ValueError(
            f"parts must have the same number of texts, got {sorted(counts)}."
        )
    n_texts = counts.pop()
    values = np.concatenate([part.values for part in ragged])
    if values.size and values.min() < 0:
        raise ValueError(f"ids must not be negative, got {values.min()}.")
    size = int(values.max(initial=0)) + 1
    # Keys of 32 bits, few enough for a processor's cache, are sorted in half the time.
    n_values = sum(part.values.size for part in ragged)
    step = max(min(2**31 // size, SORTED_AT_ONCE * n_texts // max(n_values, 1)), 1)
    found = [
        _sort_distinct([part[start : start + step] for part in ragged], size)
        for start in range(0, n_texts, step)
    ]
    return Ragged.concatenate(found) if found else Ragged.from_lists([])


def _sort_distinct(parts: Sequence[Ragged], size: int) -> Ragged:
    """Return the distinct ids of each text, which are below ``size``."""
    n_texts = len(parts[0])
    dtype = np.int32 if n_texts * size <= 2**31 else np.int64
    starts = (np.arange(n_texts) * size).astype(dtype)
    keys = np.concatenate([np.repeat(starts, p.lengths) + p.values for p in parts])
    keys.sort()
    keys = keys[np.append(True, keys[1:] != keys[:-1])[: keys.size]]
    ends = np.searchsorted(keys, starts)
    lengths = np.diff(ends, append=keys.size)
    values = keys - np.repeat(starts, lengths)
    return Ragged.from_lengths(values.astype(np.int32), lengths)


def _as_ragged(texts: Sequences) -> Ragged:
    return texts if isinstance(texts, Ragged) else Ragged.from_lists(texts)


def _mix(hashed: np.ndarray) -> np.ndarray:
    """Apply MurmurHash3's finalizer after a shift, since it maps 0 to 0."""
    hashed = hashed + np.uint32(0x9E3779B9)
    hashed ^= hashed >> np.uint32(16)
    hashed *= np.uint32(0x85EBCA6B)
    hashed ^= hashed >> np.uint32(13)
    hashed *= np.uint32(0xC2B2AE35)
    return hashed ^ (hashed >> np.uint32(16))
