"""Keys of n-grams: count them, find them, and extend them by one word."""

import numpy as np

from jaxembed._checks import check_count
from jaxembed.text._ragged import Ragged

END = 2**31  # word id of both ends of a text; other ids are int32


def lay_out(texts: Ragged, ends: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the word ids of all texts, ``int64[T]``, and the text of each.

    With ``ends``, a text with words has ``END`` before its first and after its last.
    """
    values, owners = texts.values.astype(np.int64), np.arange(len(texts))
    if not ends:
        return values, np.repeat(owners, texts.lengths)
    has_words = texts.lengths > 0
    places = np.stack([texts.offsets[:-1], texts.offsets[1:]], 1)[has_words].ravel()
    values = np.insert(values, places, END)
    return values, np.repeat(owners, texts.lengths + 2 * has_words)


def count_texts(
    keys: np.ndarray, owners: np.ndarray, min_count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the keys in enough texts, sorted, and the number of texts of each.

    A key below 0 stands for no n-gram.
    """
    is_key = keys >= 0
    keys, owners = keys[is_key], owners[: len(is_key)][is_key]
    # Stable, so that the owners of equal keys stay ascending.
    order = np.argsort(keys, kind="stable")
    keys, owners = keys[order], owners[order]
    is_new = np.ones(len(keys), bool)
    is_new[1:] = keys[1:] != keys[:-1]
    starts = np.flatnonzero(is_new)
    is_new[1:] |= owners[1:] != owners[:-1]
    counts = np.add.reduceat(is_new, starts, dtype=np.int64) if starts.size else starts
    kept = counts >= min_count
    return keys[starts][kept], counts[kept]


def find(known: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return the place of each key in the sorted keys; -1 if it is not there."""
    if not known.size:
        return np.full(len(keys), -1, np.int64)
    places = np.searchsorted(known, keys).astype(np.int64)
    places[places == len(known)] = 0
    return np.where(known[places] == keys, places, -1)


def extend(
    places: np.ndarray, words: np.ndarray, owners: np.ndarray, n_words: int
) -> np.ndarray:
    """Return the keys of the n-grams one word longer; -1 for no n-gram.

    Args:
      places: ``int64[K]``, place of the n-gram at each position, or -1.
      words: ``int64[T]``, place of the word at each position, or -1.
      owners: ``int[T]``, text of each position.
      n_words: number of words with a place.
    """
    n = len(words) - len(places) + 1  # number of words of the n-grams at `places`
    size = max(len(words) - n, 0)
    first, last = places[:size], words[n : n + size]
    is_ngram = (first >= 0) & (last >= 0) & (owners[:size] == owners[n : n + size])
    return np.where(is_ngram, first * n_words + last, -1)


def to_ragged(
    keys: np.ndarray, n_texts: int, n_rows: int, length: int | None
) -> Ragged:
    """Return the distinct rows of each text, from keys ``text * n_rows + row``."""
    keys.sort()
    is_new = np.ones(len(keys), bool)
    is_new[1:] = keys[1:] != keys[:-1]
    owners, values = np.divmod(keys[is_new], n_rows)
    lengths = np.bincount(owners, minlength=n_texts)
    rows = Ragged.from_lengths(values.astype(np.int32), lengths)
    if length is None:
        return rows
    check_count("length", length, least=0)
    places = np.arange(len(values)) - np.repeat(rows.offsets[:-1], lengths)
    return rows.keep(places < length)
