"""KeyTable: find the places of keys in an array, by hashing."""

import numpy as np

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio


class KeyTable:
    """Hash table from distinct keys to their places, with linear probing.

    A search in sorted keys reads memory in about 17 places for each of 100,000 keys; a
    table that is at most a quarter full reads it in two or three.

    Args:
      keys: ``int64[K]``, distinct and not negative.

    Example:
      >>> KeyTable(np.array([5, 2**40])).find(np.array([2**40, 7, 5, -1]))
      array([ 1, -1,  0, -1], dtype=int32)
    """

    def __init__(self, keys: np.ndarray):
        self._keys = keys
        bits = max(4 * len(keys), 2).bit_length()
        self._shift, self._mask = np.uint64(64 - bits), 2**bits - 1
        self._slots = np.full(2**bits, -1, np.int32)
        places, slots = np.arange(len(keys), dtype=np.int32), self._hash(keys)
        while places.size:
            is_free = self._slots[slots] < 0
            self._slots[slots[is_free]] = places[is_free]  # one of equal slots remains
            is_left = self._slots[slots] != places
            places, slots = places[is_left], (slots[is_left] + 1) & self._mask

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Return the place ``int32[N]`` of each key; -1 for a key that is not there.

        Args:
          keys: ``int64[N]``; a negative key is never there.
        """
        found = np.full(len(keys), -1, np.int32)
        asked = np.flatnonzero(keys >= 0)
        wanted, slots = keys[asked], self._hash(keys[asked])
        while asked.size:
            places = self._slots[slots]
            is_key = places >= 0
            # Place -1 of an empty slot reads the last key, if there is any.
            is_key &= self._keys[places] == wanted if self._keys.size else False
            found[asked[is_key]] = places[is_key]
            is_left = (places >= 0) & ~is_key
            asked, wanted = asked[is_left], wanted[is_left]
            slots = (slots[is_left] + 1) & self._mask
        return found

    def _hash(self, keys: np.ndarray) -> np.ndarray:
        return ((keys.astype(np.uint64) * MULTIPLIER) >> self._shift).astype(np.int64)
