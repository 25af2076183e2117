"""WordVectors: words and their vectors, as the rows of a matrix."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from jaxembed.vectors._subwords import Subwords


@dataclasses.dataclass(frozen=True, eq=False)
class WordVectors:
    """Words and their vectors.

    ``vectors[word]`` is the row of a word, and ``vectors[[word, ...]]`` are the rows of
    several words. For a word without a row, it is the mean of the word's subword
    vectors, if ``subwords`` is given. ``word in vectors`` says whether the word has a
    vector.

    Attributes:
      words: V distinct words, in the order of the rows.
      matrix: ``float32[V, D]``, a NumPy array; may be read-only or memory-mapped.
      subwords: vectors of character n-grams, as in fastText's ``.bin``.
      n_duplicates: number of rows of the file that were skipped, since their word
        already had a row.
      index: row number of each word.

    Raises:
      TypeError: if a word is not a ``str``, or the matrix is not a NumPy array of
        float32.
      ValueError: if ``words`` is empty, a word occurs twice, the number of rows is not
        V, or a number is not finite.

    Example:
      >>> vectors = WordVectors(["good", "bad"], np.array([[1, 0], [0, 1]], np.float32))
      >>> len(vectors), vectors.dim, "good" in vectors, "fine" in vectors
      (2, 2, True, False)
      >>> vectors["bad"], vectors.index["bad"]
      (array([0., 1.], dtype=float32), 1)
      >>> vectors[["bad", "good"]].tolist()
      [[0.0, 1.0], [1.0, 0.0]]
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

    def __getitem__(self, word: str | Sequence[str]) -> np.ndarray:
        """Return the vector ``float32[D]`` of a word, or ``float32[N, D]`` of N words.

        Raises:
          KeyError: if a word does not have a vector.
        """
        if isinstance(word, list | tuple):
            rows = [self[each] for each in word]
            return np.array(rows, np.float32).reshape(len(rows), self.dim)
        row = self.index.get(word) if isinstance(word, str) else None
        if row is not None:
            return self.matrix[row]
        if self.subwords is None or not isinstance(word, str):
            raise KeyError(f"{word!r} is not one of the {len(self)} words.")
        return self.subwords.vectors([word])[0]

    def vectors_for_all(
        self, words: Iterable[str], *, allow_inference: bool = True
    ) -> "WordVectors":
        """Return the vectors of the given words alone, in their order.

        Equals gensim's ``vectors_for_all``: a word that is given twice has one row, and
        words without a vector are left out.

        Args:
          words: words.
          allow_inference: whether words without a row get the mean of their subwords.

        Returns:
          :class:`WordVectors` with a copy of the rows, and without subwords.

        Raises:
          TypeError: if ``words`` is one string.
          ValueError: if no word has a vector.

        Example:
          >>> matrix = np.array([[1, 0], [0, 1]], np.float32)
          >>> vectors = WordVectors(["good", "bad"], matrix)
          >>> vectors.vectors_for_all(["bad", "unknown", "bad"]).words
          ('bad',)
        """
        if isinstance(words, str):
            raise TypeError(f"words must be a list of words, got {words!r}.")
        listed = list(dict.fromkeys(words))
        known = self if allow_inference else self.index
        found = [word for word in listed if word in known]
        if not found:
            raise ValueError(
                f"no word of the {len(listed)} given has a vector, such as "
                f"{listed[:3]!r:.80}."
            )
        return WordVectors(found, self[found])

    @property
    def dim(self) -> int:
        """Length of a vector, D."""
        return self.matrix.shape[1]

    def __repr__(self) -> str:
        subwords = "" if self.subwords is None else f", {self.subwords!r}"
        return f"WordVectors({len(self):,} words, {self.dim} dimensions{subwords})"


def _check_words(words: Sequence[str], index: dict[str, int]) -> None:
    if not set(map(type, words)) <= {str}:
        row = next(i for i, word in enumerate(words) if type(word) is not str)
        raise TypeError(
            f"words must be str, got {type(words[row]).__name__} at index {row}."
        )
    if len(index) < len(words):
        row = next(i for i, word in enumerate(words) if index[word] != i)
        word = words[row]
        raise ValueError(
            f"words must be distinct, got {word!r} at index {row} and at {index[word]}."
        )


def _check_matrix(matrix: np.ndarray, words: Sequence[str]) -> None:
    if not isinstance(matrix, np.ndarray) or matrix.dtype != np.float32:
        found = matrix.dtype if isinstance(matrix, np.ndarray) else type(matrix)
        raise TypeError(
            f"matrix must be a NumPy array of float32, got {found}: use "
            "np.asarray(matrix, np.float32)."
        )
    if matrix.ndim != 2 or len(matrix) != len(words) or not matrix.size:
        raise ValueError(
            f"matrix must have shape [V, D] with V = {len(words)}, one row for each "
            f"word, and at least one number, got {list(matrix.shape)}."
        )
    # A check of row sums is fast. A sum can overflow, so such rows are checked below.
    with np.errstate(over="ignore", invalid="ignore"):
        is_finite = np.isfinite(np.sum(matrix, axis=1))
    for row in np.flatnonzero(~is_finite).tolist():
        if not np.isfinite(matrix[row]).all():
            raise ValueError(
                f"the vector of {words[row]!r}, row {row}, must be finite, got "
                f"{matrix[row][~np.isfinite(matrix[row])][0]}."
            )
