"""Search: the rows with the highest scores, for queries in chunks of one shape."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxembed.geometry._table import BLOCK, UnitTable, unit

# Queries in a chunk: 256 keep a device busy; more scores do not fit a CPU's cache.
MAX_QUERIES = 256
# Scores in a chunk: 256 MB of float32.
MAX_SCORES = 1 << 26
# Padding of excluded rows, out of range in every table.
NO_ROW = np.int32(2**31 - 1)
EPSILON = 1e-6  # of gensim, prevents a division by 0

# score(known, queries) returns float32[B, P]. Pure, since it is compiled.
Score = Callable[[jax.Array, Any], jax.Array]
Queries = ArrayLike | tuple[ArrayLike, ...]


def cosines(rows: jax.Array, queries: jax.Array) -> jax.Array:
    """Compute the cosine of each query with each row, ``float32[B, P]``.

    Args:
      rows: ``float32[P, D]`` vectors of length 1.
      queries: ``float32[B, D]`` vectors of any length.

    Example:
      >>> cosines(jnp.eye(2), jnp.array([[3.0, 4.0]]))
      Array([[0.6, 0.8]], dtype=float32)
    """
    return jnp.matmul(unit(queries), rows.T, precision=jax.lax.Precision.HIGHEST)


def cosine_products(rows: jax.Array, queries: tuple[jax.Array, jax.Array]) -> jax.Array:
    """Compute the 3CosMul score of each query and each row, ``float32[B, P]``.

    Cosines are mapped from [-1, 1] to [0, 1]. The score is the product of the cosines
    with the positive vectors, divided by ``EPSILON`` plus the product of the cosines
    with the negative vectors. [1]

    [1] Levy and Goldberg, Linguistic Regularities in Sparse and Explicit Word
    Representations, CoNLL 2014, equation (4) and footnote 7.

    Args:
      rows: ``float32[P, D]`` vectors of length 1.
      queries: ``float32[B, M, D]`` and ``float32[B, N, D]``, M positive and N negative
        vectors. They are not normalized: for cosines they must have length 1.

    Example:
      >>> positive, negative = jnp.array([[[0.0, 1.0]]]), jnp.zeros((1, 0, 2))
      >>> cosine_products(jnp.eye(2), (positive, negative)).round(3)
      Array([[0.5, 1. ]], dtype=float32)
    """
    above, below = (
        jnp.prod((1 + _dots(rows, vectors)) / 2, axis=1) for vectors in queries
    )
    return above / (below + EPSILON)


def _dots(rows: jax.Array, vectors: jax.Array) -> jax.Array:
    highest = jax.lax.Precision.HIGHEST
    return jnp.einsum("bpd,rd->bpr", vectors, rows, precision=highest)


def search(
    score: Score,
    known: jax.Array,
    queries: Queries,
    table: UnitTable,
    exclude: np.ndarray,
    n_best: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows with the highest scores for each query.

    All chunks of queries have the same shape, so that few programs are compiled.

    Args:
      score: scoring function; ``score(known, queries)`` returns ``float32[B, P]`` for a
        chunk of B queries.
      known: array that all queries share: the rows of the table, or computed from them.
      queries: arrays with a first axis N.
      table: R words in P rows.
      exclude: ``int32[N, E]``, rows to leave out for each query, padded with
        ``NO_ROW``.
      n_best: K, number of rows for each query, at most R.

    Returns:
      ``float32[N, K]`` scores in descending order, and ``int32[N, K]`` rows. Equal
      scores are in the order of their rows. Zero rows come last, with a score of 0.
      If fewer than K rows remain, the missing scores are ``-inf``.

    Example:
      >>> from jaxembed import geometry, vectors
      >>> matrix = np.array([[1, 1], [1, 0], [0, 1]], np.float32)
      >>> words = vectors.WordVectors(["both", "x", "y"], matrix)
      >>> table = geometry.unit_table(words)
      >>> search(cosines, table.rows, np.ones((1, 2)), table, np.array([[0]]), 1)
      (array([[0.70710677]], dtype=float32), array([[1]], dtype=int32))
    """
    leaves = jax.tree.leaves(queries)
    n_queries = len(exclude)
    n_scores = len(table.rows) * max(
        np.prod(leaf.shape[1:-1], dtype=int) for leaf in leaves
    )
    size = min(MAX_QUERIES, power_of_two(n_queries), max(1, MAX_SCORES // n_scores))
    found: list[tuple[jax.Array, jax.Array]] = []
    for start in range(0, n_queries, size):
        # Pad the last chunk with the last query.
        places = np.minimum(np.arange(start, start + size), n_queries - 1)
        chunk = jax.tree.map(lambda leaf, places=places: leaf[places], queries)
        best = _best(
            score, len(table), n_best, known, chunk, table.zero_rows, exclude[places]
        )
        if found:  # wait for the previous chunk: at most two hold their scores
            found[-1] = jax.device_get(found[-1])
        found.append(best)
    scores, rows = zip(*jax.device_get(found), strict=True)
    return np.concatenate(scores)[:n_queries], np.concatenate(rows)[:n_queries]


@functools.partial(jax.jit, static_argnames=("score", "n_words", "n_best"))
def _best(
    score: Score,
    n_words: int,
    n_best: int,
    known: jax.Array,
    queries: Queries,
    zero_rows: jax.Array,
    exclude: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    scores = score(known, queries)
    last = jnp.finfo(scores.dtype).min
    scores = scores.at[:, n_words:].set(-jnp.inf).at[:, zero_rows].set(last)
    query = jnp.arange(len(scores))[:, None]
    scores = scores.at[query, exclude].set(-jnp.inf, mode="drop")
    scores, best = top(scores, n_best)
    return jnp.where(scores == last, 0, scores), best


def top(scores: jax.Array, n_best: int) -> tuple[jax.Array, jax.Array]:
    """Return the result of ``jax.lax.top_k``, computed block by block.

    The K highest scores lie in the K blocks with the highest maxima, so only these
    blocks are sorted.

    Args:
      scores: ``float32[B, P]``, where P is a multiple of ``BLOCK``.
      n_best: K, number of scores to return.

    Returns:
      ``float32[B, K]`` scores and ``int32[B, K]`` positions. Equal scores are in the
      order of their positions.

    Example:
      >>> top(jnp.arange(256.0)[None], 2)
      (Array([[255., 254.]], dtype=float32), Array([[255, 254]], dtype=int32))
    """
    blocks = scores.reshape(len(scores), -1, BLOCK)
    if 2 * n_best > blocks.shape[1]:
        return jax.lax.top_k(scores, n_best)
    _, chosen = jax.lax.top_k(jnp.max(blocks, axis=2), n_best)
    chosen = jnp.sort(chosen, axis=1)  # keeps equal scores in the order of positions
    among = jnp.take_along_axis(blocks, chosen[:, :, None], axis=1)
    best, places = jax.lax.top_k(among.reshape(len(scores), -1), n_best)
    block = jnp.take_along_axis(chosen, places // BLOCK, axis=1)
    return best, block * BLOCK + places % BLOCK


def power_of_two(n: int) -> int:
    """Return the smallest power of two that is at least n.

    Example:
      >>> [power_of_two(n) for n in (1, 2, 3, 512)]
      [1, 2, 4, 512]
    """
    return 1 << (n - 1).bit_length()
