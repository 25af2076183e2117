"""Table: build the embedding table of a vocabulary, and count the words covered."""

import dataclasses
from collections.abc import Mapping
from typing import Literal, overload

import numpy as np

from jaxembed.vectors._view import TableView
from jaxembed.vectors._word_vectors import WordVectors

MISSING = ("zeros", "normal")


@dataclasses.dataclass(frozen=True, eq=False)
class Coverage:
    """Part of a vocabulary that has vectors.

    Attributes:
      n_words: number of words with an id below ``num_words``.
      n_words_found: number of these words with a vector.
      n_tokens: number of occurrences of these words; None without ``counts``.
      n_tokens_found: number of occurrences of words with a vector; None without
        ``counts``.
      missing: words without a vector, the most frequent first.
      found: ``bool[num_words]``, True for rows with a vector. ``~found`` is True for
        the rows of missing words, which may be trained, and for row 0.
    """

    n_words: int
    n_words_found: int
    n_tokens: int | None
    n_tokens_found: int | None
    missing: tuple[str, ...]
    found: np.ndarray

    def __str__(self) -> str:
        share = f"{self.n_words_found:,} of {self.n_words:,} words have a vector"
        if self.n_tokens:
            tokens = (self.n_tokens_found or 0) / self.n_tokens
            share += f", {tokens:.1%} of their tokens"
        if self.missing:
            share += f"; missing: {', '.join(self.missing[:5])}"
        return share + (", ..." if len(self.missing) > 5 else "")


@overload
def embedding_matrix(
    word_index: Mapping[str, int],
    word_vectors: WordVectors,
    num_words: int | None = None,
    missing: str = "zeros",
    *,
    counts: Mapping[str, int] | None = None,
    rng: np.random.Generator | None = None,
    in_memory: Literal[True] = True,
) -> tuple[np.ndarray, Coverage]: ...


@overload
def embedding_matrix(
    word_index: Mapping[str, int],
    word_vectors: WordVectors,
    num_words: int | None = None,
    missing: str = "zeros",
    *,
    counts: Mapping[str, int] | None = None,
    rng: np.random.Generator | None = None,
    in_memory: bool,
) -> tuple[np.ndarray | TableView, Coverage]: ...


def embedding_matrix(
    word_index: Mapping[str, int],
    word_vectors: WordVectors,
    num_words: int | None = None,
    missing: str = "zeros",
    *,
    counts: Mapping[str, int] | None = None,
    rng: np.random.Generator | None = None,
    in_memory: bool = True,
) -> tuple[np.ndarray | TableView, Coverage]:
    """Build the table of a vocabulary: the row of an id is the vector of its word.

    Args:
      word_index: id of each word, from 1 on, such as ``tokenizer.word_index``.
      word_vectors: word vectors to look up.
      num_words: number of rows; words with larger ids are left out. By default the
        largest id plus 1.
      missing: initial rows of words without a vector: "zeros", as in the notebook, or
        "normal", drawn with the mean and standard deviation of the vectors in each
        dimension.
      counts: number of occurrences of each word, such as ``tokenizer.word_counts``.
      rng: random generator for "normal".
      in_memory: False for a view of the table, whose rows are read from
        ``word_vectors`` when they are needed. ``dist.to_shards`` and
        ``train.fit(params=, mesh=)`` read it shard by shard. ``np.asarray(view)`` is
        the table.

    Returns:
      ``float32[num_words, D]`` and its :class:`Coverage`. Row 0 and the rows of ids
      without a word are zeros.

    Raises:
      ValueError: if an id is below 1, two words have the same id, ``missing`` is
        unknown, ``rng`` is missing for "normal", no id is below ``num_words``, or
        ``missing`` is "normal" and ``in_memory`` False.

    Example:
      >>> vectors = WordVectors(["good"], np.array([[1, 2]], np.float32))
      >>> index, counts = {"the": 1, "good": 2}, {"good": 1, "the": 3}
      >>> table, coverage = embedding_matrix(index, vectors, counts=counts)
      >>> table
      array([[0., 0.], [0., 0.], [1., 2.]], dtype=float32)
      >>> print(coverage)
      1 of 2 words have a vector, 25.0% of their tokens; missing: the
    """
    if missing not in MISSING or (missing == "normal" and rng is None):
        raise ValueError(
            f"missing must be 'zeros', or 'normal' with rng=numpy.random.default_rng("
            f"seed), got {missing!r} and rng={rng}."
        )
    if missing == "normal" and not in_memory:
        raise ValueError(
            "missing must be 'zeros' with in_memory=False, got 'normal', which draws "
            "all rows at once: train the rows of missing words, ~coverage.found."
        )
    words = _order(word_index, num_words)
    size = (max(words) + 1) if num_words is None else num_words
    found = np.zeros(size, bool)
    ids = [i for i, word in words.items() if word in word_vectors]
    found[ids] = True
    lacking = [i for i in words if not found[i]]
    coverage = _cover(words, found, lacking, counts)
    if not in_memory:
        return TableView(words, word_vectors, size), coverage
    table = np.zeros((size, word_vectors.dim), np.float32)
    rows = [word_vectors.index.get(words[i], -1) for i in ids]
    table[ids] = word_vectors.matrix[rows]
    for i, row in zip(ids, rows, strict=True):
        if row < 0:
            table[i] = word_vectors[words[i]]  # mean of its subwords
    if rng is not None and missing == "normal":
        mean, std = word_vectors.matrix.mean(0), word_vectors.matrix.std(0)
        table[lacking] = rng.normal(mean, std, (len(lacking), word_vectors.dim))
    return table, coverage


def _order(word_index: Mapping[str, int], num_words: int | None) -> dict[int, str]:
    """Return the words by id, in ascending order and below ``num_words``."""
    words: dict[int, str] = {}
    for word, i in word_index.items():
        if i < 1:
            raise ValueError(
                f"ids must be at least 1, since 0 is padding, got {i} for {word!r}."
            )
        if words.setdefault(i, word) != word:
            raise ValueError(
                f"ids must be distinct, got {i} for both {words[i]!r} and {word!r}."
            )
    kept = {
        i: w for i, w in sorted(words.items()) if num_words is None or i < num_words
    }
    if not kept:
        raise ValueError(
            f"word_index must have a word with an id below num_words={num_words}, got "
            f"none in {len(words)} words: fit the tokenizer, or raise num_words."
        )
    return kept


def _cover(
    words: dict[int, str],
    found: np.ndarray,
    lacking: list[int],
    counts: Mapping[str, int] | None,
) -> Coverage:
    missing = [words[i] for i in lacking]  # by id; by frequency for Keras's ids
    n_tokens = n_tokens_found = None
    if counts is not None:
        n_tokens = sum(counts.get(word, 0) for word in words.values())
        n_tokens_found = n_tokens - sum(counts.get(word, 0) for word in missing)
        missing.sort(key=lambda word: -counts.get(word, 0))
    n_found = len(words) - len(lacking)
    return Coverage(
        len(words), n_found, n_tokens, n_tokens_found, tuple(missing), found
    )
