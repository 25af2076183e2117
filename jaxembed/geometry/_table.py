"""UnitTable: word vectors scaled to length 1, on the device."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jaxembed._checks import check_count
from jaxembed.vectors import WordVectors

# The number of rows of a table is a multiple of this; see _search.top.
BLOCK = 64


@dataclasses.dataclass(frozen=True, eq=False)
class UnitTable:
    """Word vectors scaled to length 1 once, for many searches.

    Attributes:
      word_vectors: source of the table.
      n_words: R, number of words in the table, from the first row on.
      rows: ``float32[P, D]`` on the device, vectors of length 1. Zero vectors remain
        zero. Rows from R on are padding.
      zero_rows: ``int32[Z]``, rows of the words with a zero vector. A zero vector has
        no direction, so these words come last in every search.
    """

    word_vectors: WordVectors
    n_words: int
    rows: jax.Array
    zero_rows: np.ndarray

    def __len__(self) -> int:
        return self.n_words


def unit_table(
    word_vectors: WordVectors | UnitTable, restrict_vocab: int | None = None
) -> UnitTable:
    """Copy word vectors to the device, scaled to length 1.

    A search given ``WordVectors`` makes this table for each call. For repeated
    searches, make the table once and pass it instead.

    Args:
      word_vectors: word vectors, or a table made from them.
      restrict_vocab: R, number of words to use, from the first row on. None for all
        words.

    Returns:
      The table, with R words, or all if there are fewer.

    Raises:
      TypeError: if ``restrict_vocab`` is not an integer.
      ValueError: if ``restrict_vocab`` is below 1.

    Example:
      >>> matrix = np.array([[3, 4], [0, 0], [0, 2]], np.float32)
      >>> table = unit_table(WordVectors(["good", "", "bad"], matrix))
      >>> table.rows[: len(table)]
      Array([[0.6, 0.8],
             [0. , 0. ],
             [0. , 1. ]], dtype=float32)
      >>> table.zero_rows
      array([1], dtype=int32)
    """
    n_words = count_words(len(word_vectors), restrict_vocab)
    if not isinstance(word_vectors, UnitTable):
        rows, is_zero = _unit_rows(word_vectors.matrix[:n_words])
        zero_rows = np.flatnonzero(np.asarray(is_zero)).astype(np.int32)
        return UnitTable(word_vectors, n_words, rows, zero_rows)
    if n_words == len(word_vectors):
        return word_vectors
    rows = word_vectors.rows[: -(-n_words // BLOCK) * BLOCK]
    zero_rows = word_vectors.zero_rows[word_vectors.zero_rows < n_words]
    return UnitTable(word_vectors.word_vectors, n_words, rows, zero_rows)


@jax.jit
def _unit_rows(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    rows = unit(matrix)
    filled = jnp.pad(rows, ((0, -len(rows) % BLOCK), (0, 0)))
    return filled, jnp.all(rows == 0, axis=1)


def unit(vectors: jax.Array) -> jax.Array:
    """Scale ``float32[..., D]`` vectors to length 1; zero vectors remain zero.

    Example:
      >>> unit(jnp.array([[3e-30, 4e-30], [0, 0]]))
      Array([[0.6, 0.8],
             [0. , 0. ]], dtype=float32)
    """
    # Divide by the largest element first: the square of 1e-30 is 0, of 1e30 inf.
    greatest = jnp.max(jnp.abs(vectors), axis=-1, keepdims=True)
    # Clip the divisor: XLA multiplies by its inverse, which is 0 for 1e38.
    vectors = vectors / jnp.clip(greatest, 1e-30, 1e30)
    norms = jnp.sqrt(jnp.sum(vectors**2, axis=-1, keepdims=True))
    return vectors / jnp.where(norms == 0, 1, norms)


def count_words(n_words: int, restrict_vocab: int | None) -> int:
    """Return how many of ``n_words`` words are used.

    Example:
      >>> count_words(10, None), count_words(10, 20), count_words(10, 3)
      (10, 10, 3)
    """
    if restrict_vocab is None:
        return n_words
    return min(n_words, check_count("restrict_vocab", restrict_vocab, also=" or None"))
