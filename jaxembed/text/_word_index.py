"""WordIndex: ids of the words of a vocabulary, for words in Arrow."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Arrow hashes the whole vocabulary at each call, which takes as long as looking up this
# share of it in a dict.
SHARE = 1 / 16


class WordIndex(NamedTuple):
    """Ids of words, looked up in a dict or, for many words, by Arrow.

    Attributes:
      words: ``pa.LargeBinaryArray``, the words of the vocabulary in UTF-8.
      ids: ``int32[W + 1]``, their ids; the last is that of unknown words.
      by_word: the same ids by word.

    Example:
      >>> index = WordIndex.make({"good": 1, "bad": 2}, oov_id=0)
      >>> index.find(pa.array([b"bad", b"so", b"good"]))
      array([2, 0, 1], dtype=int32)
    """

    words: pa.Array
    ids: np.ndarray
    by_word: dict[bytes, int]

    @classmethod
    def make(cls, ids: Mapping[str, int], oov_id: int) -> "WordIndex":
        """Make the index of a vocabulary; ``oov_id`` is the id of unknown words."""
        encoded = [word.encode("utf-8", "surrogatepass") for word in ids]
        by_word = dict(zip(encoded, ids.values(), strict=True))
        numbers = np.array([*ids.values(), oov_id], np.int32)
        return cls(pa.array(encoded, pa.large_binary()), numbers, by_word)

    @property
    def oov_id(self) -> int:
        """Id of unknown words."""
        return int(self.ids[-1])

    def find(self, words: pa.Array) -> np.ndarray:
        """Return the id of each word, ``int32[N]``."""
        if len(words) < SHARE * len(self.by_word):
            get, oov_id = self.by_word.get, self.oov_id
            return np.array([get(w, oov_id) for w in words.to_pylist()], np.int32)
        places = pc.index_in(words, value_set=self.words).fill_null(len(self.words))
        return self.ids[places.to_numpy()]
