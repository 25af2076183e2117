"""PPMI: compute word vectors from texts by counting neighbouring words."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from jaxembed.text import Ragged, Tokenizer
from jaxembed.vectors._word_vectors import WordVectors

if TYPE_CHECKING:
    import scipy.sparse

TOKENS_AT_ONCE = 1 << 20
MAX_DENSE = 500  # most words for a dense SVD
SIZE = 0.4  # root mean square of the matrix, close to that of GloVe


def ppmi(
    texts: Iterable[str] | Ragged,
    tokenizer: Tokenizer,
    dim: int = 100,
    *,
    window: int = 5,
    smoothing: float = 0.75,
) -> WordVectors:
    """Compute word vectors from co-occurrences by PPMI and a truncated SVD.

    PPMI is the positive pointwise mutual information of two neighbouring words, with
    smoothed context counts [1]. The word vectors are the left singular vectors of the
    PPMI matrix, each scaled by the square root of its singular value. The same texts
    give the same vectors.

    Args:
      texts: texts, or their ids from ``tokenizer.encode``.
      tokenizer: fitted tokenizer. Words with an id below ``num_words`` get a vector if
        they have neighbours in the texts.
      dim: D, the length of a vector, below the number of words.
      window: largest distance between two neighbouring words.
      smoothing: exponent of the context counts.

    Returns:
      The :class:`WordVectors` in the order of the ids, with a root mean square of 0.4.

    Raises:
      ValueError: if ``tokenizer`` is not fitted, an argument or an id is out of range,
        or no two words are neighbours more often than by chance.

    Example:
      >>> texts = ["a good film", "a fine film", "a bad bore", "a dull bore"]
      >>> vectors = ppmi(texts, Tokenizer().fit(texts), dim=2)
      >>> vectors, vectors.words[:3]
      (WordVectors(7 words, 2 dimensions), ('a', 'film', 'bore'))

    [1] Levy, Goldberg, Dagan, Improving Distributional Similarity with Lessons Learned
    from Word Embeddings, TACL 2015.
    """
    import scipy.sparse

    if window < 1 or dim < 1:
        raise ValueError(
            f"window and dim must be at least 1, got window={window} and dim={dim}."
        )
    ids = texts if isinstance(texts, Ragged) else tokenizer.encode(texts)
    word_of = {i: word for word, i in tokenizer.word_index.items()}
    if not word_of:
        raise ValueError(
            "tokenizer must be fitted, got one without words: call fit(texts) first."
        )
    counts = _count_pairs(ids, max(word_of) + 1, window)
    totals = np.asarray(counts.sum(axis=1)).ravel()
    kept = np.flatnonzero(totals)
    kept = kept[kept > 0]  # 0 is padding
    if kept.size <= dim:
        raise ValueError(
            f"dim must be below the number of words with neighbours, got dim={dim} and "
            f"{kept.size} words in {len(ids)} texts: give more texts, or lower dim."
        )
    counts = counts[kept][:, kept].tocoo()
    totals, context = totals[kept], totals[kept] ** smoothing
    expected = totals[counts.row] * (context / context.sum())[counts.col]
    values = np.maximum(np.log(counts.data / expected), 0)
    shape = (kept.size, kept.size)
    matrix = scipy.sparse.csr_array((values, (counts.row, counts.col)), shape)
    words = [word_of[i] for i in kept.tolist()]
    return WordVectors(words, _decompose(matrix, dim))


def _decompose(matrix: "scipy.sparse.csr_array", dim: int) -> np.ndarray:
    """Return the scaled left singular vectors, ``float32[n, dim]``."""
    import scipy.sparse.linalg

    n = matrix.shape[0]
    if n <= MAX_DENSE:
        left, scales, _ = np.linalg.svd(matrix.toarray())
    else:
        # A fixed seed, so that results repeat. Random, since from a singular vector
        # ARPACK would restart with a vector that is not seeded.
        start = np.random.default_rng(0).normal(size=n)
        left, scales, _ = scipy.sparse.linalg.svds(matrix, dim, v0=start)
    order = np.argsort(-scales, kind="stable")[:dim]
    left, scales = left[:, order], scales[order]
    # Singular vectors past the rank are arbitrary: zeros make results repeat.
    scales = np.where(scales > 1e-6 * scales[0], scales, 0)
    vectors = left * np.sqrt(scales)
    size = np.sqrt(np.mean(vectors**2))
    if not size:
        raise ValueError(
            "texts must have words that are neighbours more often than by chance, got "
            "none: give more texts."
        )
    signs = np.sign(vectors[np.argmax(np.abs(vectors), axis=0), np.arange(dim)])
    return (vectors * signs * (SIZE / size)).astype(np.float32)


def _count_pairs(ids: Ragged, n_words: int, window: int) -> "scipy.sparse.csr_array":
    """Count neighbouring words, as a sparse ``float64[n_words, n_words]``."""
    import scipy.sparse

    if ids.values.size and not 0 <= ids.values.min() <= ids.values.max() < n_words:
        raise ValueError(
            f"ids must be from 0 to {n_words - 1}, the ids of the tokenizer, got "
            f"{ids.values.min()} to {ids.values.max()}: encode the texts with it."
        )
    text_of = np.repeat(np.arange(len(ids)), ids.lengths)
    counts = scipy.sparse.csr_array((n_words, n_words))
    for start in range(0, ids.values.size, TOKENS_AT_ONCE):
        stop = start + TOKENS_AT_ONCE
        left, right = [], []
        for shift in range(1, window + 1):
            words, neighbours = ids.values[start:stop], ids.values[start + shift :]
            n = min(words.size, neighbours.size)
            same = text_of[start : start + n] == text_of[start + shift :][:n]
            left.append(words[:n][same])
            right.append(neighbours[:n][same])
        pairs = np.concatenate(left), np.concatenate(right)
        ones = np.ones(pairs[0].size)
        counts += scipy.sparse.csr_array((ones, pairs), (n_words, n_words))
    return counts + counts.T
