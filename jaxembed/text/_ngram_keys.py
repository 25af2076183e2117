"""Keys of n-grams: count them, and extend them by one word."""

from collections.abc import Sequence

import numpy as np

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

    Args:
      keys: ``int64[T]``, key of the n-gram at each position; below 0 for no n-gram.
      owners: ``int[T]`` or longer, text of each position, ascending.
      min_count: smallest number of texts.
    """
    is_key = keys >= 0
    keys, owners = keys[is_key], owners[: len(is_key)][is_key]
    keys = _sort_distinct(keys, owners)
    starts = np.flatnonzero(_is_new(keys))
    counts = np.diff(starts, append=len(keys))
    kept = counts >= min_count
    return keys[starts][kept], counts[kept]


def has_rows(n: int, level: np.ndarray, orders: Sequence[int]) -> np.ndarray:
    """Return ``bool[K]``: which keys of level n have rows."""
    if n not in orders:
        return np.zeros(len(level), bool)
    return level != END if n == 1 else np.ones(len(level), bool)


def _sort_distinct(keys: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Return the sorted keys; a key that a text has several times counts once."""
    n_texts = int(owners.max(initial=0)) + 1
    if int(keys.max(initial=0)) < 2**63 // n_texts - 1:  # both fit into one integer
        keys = np.sort(keys * n_texts + owners)
        return keys[_is_new(keys)] // n_texts
    order = np.argsort(keys, kind="stable")  # the texts of equal keys stay ascending
    keys, owners = keys[order], owners[order]
    return keys[_is_new(keys) | _is_new(owners)]


def _is_new(values: np.ndarray) -> np.ndarray:
    """Return ``bool[T]``: whether each value differs from the one before."""
    is_new = np.ones(len(values), bool)
    is_new[1:] = values[1:] != values[:-1]
    return is_new


def extend(
    places: np.ndarray, words: np.ndarray, owners: np.ndarray, n_words: int
) -> np.ndarray:
    """Return the keys of the n-grams one word longer; -1 for no n-gram.

    Args:
      places: ``int[K]``, place of the n-gram at each position, or -1.
      words: ``int[T]``, place of the word at each position, or -1.
      owners: ``int[T]``, text of each position.
      n_words: number of words with a place.
    """
    n = len(words) - len(places) + 1  # number of words of the n-grams at `places`
    size = max(len(words) - n, 0)
    first, last = places[:size], words[n : n + size]
    is_ngram = (first >= 0) & (last >= 0) & (owners[:size] == owners[n : n + size])
    return np.where(is_ngram, first.astype(np.int64) * n_words + last, -1)
