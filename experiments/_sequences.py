"""Sequences: padded whole reviews, and the tables of their words."""

import dataclasses
from typing import NamedTuple

import numpy as np

from experiments import _cli, _reviews, _vectors
from jaxembed import text, vectors


class Reviews(NamedTuple):
    """Reviews to train on, and reviews to measure.

    Attributes:
      ids: Padded ids of the training reviews, ``int32[N, L]``.
      labels: ``int32[N]``.
      examples: Numbers of the reviews to train on.
      measured: Ids and labels of the test or validation reviews.
    """

    ids: np.ndarray
    labels: np.ndarray
    examples: np.ndarray
    measured: tuple[np.ndarray, np.ndarray]


def make_reviews(
    tokens: text.TokenizedCorpus,
    *,
    num_words: int,
    length: int,
    fraction: float,
    block: int,
) -> Reviews:
    """Return the padded reviews, split into training and measurement.

    Args:
      tokens: All reviews.
      num_words: Number of ids for padding and the most frequent words.
      length: Number of words of a review, of which its last known words are kept.
      fraction: Share of the training reviews to measure; 0 to measure the test reviews.
      block: Number of the contiguous block of reviews to measure, from 0.
    """

    def pad(ranks: text.Ragged) -> np.ndarray:
        known = ranks.keep(ranks.values < num_words)
        return text.pad_sequences(known, maxlen=length, padding="post")

    ids, labels = pad(tokens.train), tokens.train_labels
    examples, held_out = _reviews.hold_out_block(labels, fraction, block)
    if held_out.size:
        return Reviews(ids, labels, examples, (ids[held_out], labels[held_out]))
    tokens.check_test()
    return Reviews(ids, labels, examples, (pad(tokens.test), tokens.test_labels))


def make_table(
    start: str,
    tokens: text.TokenizedCorpus,
    config: _cli.Options,
    *,
    pretrained: _vectors.Pretrained,
    n_rows: int,
) -> np.ndarray | None:
    """Return the pre-trained table ``float32[V, D]``, or None for learned vectors.

    Args:
      start: Kind of word vectors, see ``_heads.Start``.
      tokens: Reviews and their tokenizer.
      config: Source of the reviews, cache and seed.
      pretrained: Vectors to use, unless they are made from the reviews.
      n_rows: Number of rows, V.
    """
    if start == "learned":
        return None
    name = "ppmi" if start == "reviews-trained" else pretrained.vectors
    name = _vectors.choose_vectors(name, config.data)
    pretrained = dataclasses.replace(pretrained, vectors=name)
    print(_vectors.describe(name), flush=True)
    table, coverage = vectors.embedding_matrix(
        tokens.tokenizer.word_index,
        _vectors.load(pretrained, tokens, config.cache),
        n_rows,
        "normal",
        counts=tokens.tokenizer.word_counts,
        rng=np.random.default_rng(config.seed),
    )
    print(coverage, flush=True)
    return standardize(table, coverage.found) if start == "glove-frozen" else table


def standardize(table: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return a table whose rows of known words have mean 0 and deviation 1.

    Args:
      table: ``float32[V, D]``.
      found: ``bool[V]``, True at the words with a vector; other rows become zeros.
    """
    rows = table[found]
    scaled = np.zeros_like(table)
    scaled[found] = (rows - rows.mean(0)) / rows.std(0)
    return scaled
