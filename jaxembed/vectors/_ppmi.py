"""PPMI: word vectors from the texts at hand, by counting neighbours."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from jaxembed.text import Ragged, Tokenizer
from jaxembed.vectors._word_vectors import WordVectors

if TYPE_CHECKING:
    import scipy.sparse

TOKENS_AT_ONCE = 1 << 20
MAX_DENSE = 500  # words of which a dense matrix is made
SIZE = 0.4  # root of the mean square of the numbers, about that of GloVe's


def ppmi(
    texts: Iterable[str] | Ragged,
    tokenizer: Tokenizer,
    dim: int = 100,
    *,
    window: int = 5,
    smoothing: float = 0.75,
) -> WordVectors:
    """Word vectors from co-occurrence: PPMI, and a truncated SVD of it.

    The positive pointwise mutual information of each pair of words that stand near each
    other, with smoothed context counts [1]; the left singular vectors, each scaled by
    the root of its value, are the vectors. The same texts give the same vectors.

    Args:
      texts: texts, or what ``tokenizer.encode`` made of them.
      tokenizer: fitted; of its words those become vectors that occur and whose id is
        below ``num_words``.
      dim: D.
      window: how far apart two words may stand.
      smoothing: the power of the counts of contexts.

    Returns:
      :class:`WordVectors`, in the order of the ids; the root of the mean square of the
      numbers is 0.4.

    Raises:
      ValueError: if there are not more words than dimensions, or no pair of words.

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
        raise ValueError("the tokenizer knows no words yet: call fit(texts) first.")
    counts = _count_pairs(ids, max(word_of) + 1, window)
    totals = np.asarray(counts.sum(axis=1)).ravel()
    kept = np.flatnonzero(totals)
    kept = kept[kept > 0]  # 0 pads
    if kept.size <= dim:
        raise ValueError(
            f"there are {kept.size} words with neighbours in {len(ids)} texts, which "
            f"must be more than dim={dim}: give more texts, or a smaller dim."
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
    """``float32[n, dim]``, the scaled left singular vectors of a sparse matrix."""
    import scipy.sparse.linalg

    n = matrix.shape[0]
    if n <= MAX_DENSE:
        left, scales, _ = np.linalg.svd(matrix.toarray())
    else:
        # A fixed start, and none that may be a singular vector itself: from there
        # ARPACK would go on with a random one.
        start = np.random.default_rng(0).normal(size=n)
        left, scales, _ = scipy.sparse.linalg.svds(matrix, dim, v0=start)
    order = np.argsort(-scales, kind="stable")[:dim]
    left, scales = left[:, order], scales[order]
    # Past the rank of the matrix, any vectors would do: zeros are always the same.
    scales = np.where(scales > 1e-6 * scales[0], scales, 0)
    vectors = left * np.sqrt(scales)
    size = np.sqrt(np.mean(vectors**2))
    if not size:
        raise ValueError(
            "no two words stand near each other more often than by chance: give more "
            "texts."
        )
    signs = np.sign(vectors[np.argmax(np.abs(vectors), axis=0), np.arange(dim)])
    return (vectors * signs * (SIZE / size)).astype(np.float32)


def _count_pairs(ids: Ragged, n_words: int, window: int) -> "scipy.sparse.csr_array":
    """``float64[n_words, n_words]``, sparse: how often two words stand near."""
    import scipy.sparse

    if ids.values.size and not 0 <= ids.values.min() <= ids.values.max() < n_words:
        raise ValueError(
            f"ids must be from 0 to {n_words - 1}, those of the tokenizer, got "
            f"{ids.values.min()} to {ids.values.max()}: were they encoded by another?"
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
