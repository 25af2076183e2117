"""WordVectors: words and a row of numbers for each."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxembed.vectors._subwords import Subwords


@dataclasses.dataclass(frozen=True, eq=False)
class WordVectors:
    """Words, each with a vector.

    ``word in vectors`` says whether ``vectors[word]`` is something: a row of the
    matrix or, for a word outside of it, the mean of its subwords' vectors where there
    are subwords.

    Attributes:
      words: V different words, in the order of the rows.
      matrix: ``float32[V, D]``; it may be read-only, and lie in a file.
      subwords: vectors of character n-grams, as fastText's ``.bin`` has them.
      n_duplicates: how many rows of the file were left out, since their word had come
        before.
      index: the row of each word.

    Raises:
      TypeError: if a word is not a ``str`` or the matrix not of ``float32``.
      ValueError: if there is no word, a word comes twice, there are not as many rows as
        words, or a number is not finite.

    Example:
      >>> vectors = WordVectors(["good", "bad"], np.array([[1, 0], [0, 1]], np.float32))
      >>> len(vectors), vectors.dim, "good" in vectors, "fine" in vectors
      (2, 2, True, False)
      >>> vectors["bad"], vectors.index["bad"]
      (array([0., 1.], dtype=float32), 1)
    """

    words: Sequence[str]
    matrix: np.ndarray
    subwords: Subwords | None = None
    n_duplicates: int = 0
    index: dict[str, int] = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        words = tuple(self.words)
        index = {word: row for row, word in enumerate(words)}
        object.__setattr__(self, "words", words)
        object.__setattr__(self, "index", index)
        _check_words(words, index)
        _check_matrix(self.matrix, words)

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.index or (
            self.subwords is not None and isinstance(word, str)
        )

    def __getitem__(self, word: str) -> np.ndarray:
        """The vector of a word, ``float32[D]``.

        Raises:
          KeyError: if it has none.
        """
        row = self.index.get(word)
        if row is not None:
            return self.matrix[row]
        if self.subwords is None or not isinstance(word, str):
            raise KeyError(f"{word!r} is none of the {len(self)} words.")
        return self.subwords.vectors([word])[0]

    @property
    def dim(self) -> int:
        """D, the length of a vector."""
        return self.matrix.shape[1]

    def __repr__(self) -> str:
        subwords = "" if self.subwords is None else f", {self.subwords!r}"
        return f"WordVectors({len(self):,} words, {self.dim} dimensions{subwords})"


def _check_words(words: Sequence[str], index: dict[str, int]) -> None:
    if not set(map(type, words)) <= {str}:
        row = next(i for i, word in enumerate(words) if type(word) is not str)
        raise TypeError(f"words must be str, got {type(words[row]).__name__} at {row}.")
    if len(index) < len(words):
        row = next(i for i, word in enumerate(words) if index[word] != i)
        word = words[row]
        raise ValueError(f"word {word!r} comes twice: at {row} and {index[word]}.")


def _check_matrix(matrix: np.ndarray, words: Sequence[str]) -> None:
    if not isinstance(matrix, np.ndarray) or matrix.dtype != np.float32:
        kind = getattr(matrix, "dtype", type(matrix).__name__)
        raise TypeError(f"matrix must be an array of float32, got {kind}.")
    if matrix.ndim != 2 or len(matrix) != len(words) or not matrix.size:
        raise ValueError(
            f"matrix must have the axes [V, D] with V = {len(words)}, one row for each "
            f"word and at least one, got {list(matrix.shape)}."
        )
    # The sum is finite if all numbers are; only if not, each is looked at.
    with np.errstate(over="ignore", invalid="ignore"):
        is_finite = np.isfinite(np.sum(matrix, axis=1))
    for row in np.flatnonzero(~is_finite).tolist():
        if not np.isfinite(matrix[row]).all():
            raise ValueError(
                f"the vector of {words[row]!r}, row {row}, must be finite, got "
                f"{matrix[row][~np.isfinite(matrix[row])][0]}."
            )
