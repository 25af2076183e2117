"""Labels: reviews of which few have labels, as n-grams and as frozen vectors."""

from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from experiments import _cli, _vectors, imdb_ngrams
from jaxembed import nn, text, train, vectors

# Chosen on the validation reviews of --block 0.
NGRAMS = imdb_ngrams.Config(
    orders=(1, 2), epochs=10, learning_rate=100.0, alpha=0.5, batch_size=32
)
DECAY, RATE, EPOCHS, BATCH_SIZE = 0.1, 0.05, 30, 50  # of the logistic regressions


class Ngrams(NamedTuple):
    """Reviews as bags of n-grams.

    Attributes:
      ids: Padded rows ``int32[N, L]``, of the training reviews, then the test reviews.
      rows: Rows of the n-grams of each training review.
      n_rows: Number of rows, V.
    """

    ids: np.ndarray
    rows: text.Ragged
    n_rows: int


class Features(NamedTuple):
    """Reviews as rows of a table.

    Attributes:
      ids: Number of each review, ``int32[N, 1]``.
      table: Vectors of the training reviews, then of the test reviews, ``float32[N,
        D]``.
    """

    ids: np.ndarray
    table: np.ndarray


Part = Ngrams | Features


def make_ngrams(tokens: text.TokenizedCorpus) -> Ngrams:
    """Return the rows of the words and pairs of each review.

    The n-grams are those of all training reviews, of which no label is read.
    """
    index = text.NgramIndex.fit(
        tokens.train, orders=NGRAMS.orders, min_count=NGRAMS.min_reviews
    )
    rows = index.encode(tokens.train, NGRAMS.length)
    both = text.Ragged.concatenate([rows, index.encode(tokens.test, NGRAMS.length)])
    return Ngrams(imdb_ngrams.pad(both, NGRAMS.length), rows, index.n_rows)


def make_vectors(
    tokens: text.TokenizedCorpus,
    config: _cli.Options,
    *,
    pretrained: _vectors.Pretrained,
    num_words: int,
) -> Features:
    """Return a table with the vector of each review.

    Args:
      tokens: Reviews and their tokenizer.
      config: Cache and seed.
      pretrained: Source of the vectors of words.
      num_words: Number of ids for padding and the most frequent words.
    """
    print(_vectors.describe(pretrained.vectors), flush=True)
    table, coverage = vectors.embedding_matrix(
        tokens.tokenizer.word_index,
        _vectors.load(pretrained, tokens, config.cache),
        num_words,
        "zeros",
        counts=tokens.tokenizer.word_counts,
        rng=np.random.default_rng(config.seed),
    )
    table[~coverage.found] = 0
    features = make_features(table, tokens)
    ids = np.arange(len(features), dtype=np.int32)[:, None]
    return Features(ids, features)


def make_features(table: np.ndarray, tokens: text.TokenizedCorpus) -> np.ndarray:
    """Return the vector of each review, ``float32[N, D]``.

    Each vector has the length 1 before the columns get the mean 0 and the deviation 1
    over the training reviews.
    """
    known = [
        text.distinct_ids(part.keep(part.values < len(table)))
        for part in (tokens.train, tokens.test)
    ]
    counts = np.bincount(known[0].values, minlength=len(table))
    weights = np.log(len(known[0]) / np.maximum(counts, 1)).astype(np.float32)
    both = text.Ragged.concatenate(known)
    sums = np.asarray(
        nn.embedding_bag(
            table,
            both.values,
            weights[both.values],
            combine="sum",
            offsets=both.offsets,
        )
    )
    sums = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    first = sums[: len(known[0])]
    return (sums - first.mean(0)) / np.maximum(first.std(0), 1e-12)


def train_draw(
    part: Part,
    labels: np.ndarray,
    draw: np.ndarray,
    *,
    measured: np.ndarray,
    key: jax.Array,
    number: int,
) -> np.ndarray:
    """Train on the labelled reviews of a draw; return the logits of the measured ones.

    Args:
      part: Reviews as the arm reads them.
      labels: ``int32[N]``.
      draw: Numbers of the labelled reviews, ``int32[n]``.
      measured: Numbers of the reviews to measure, ``int[M]``.
      key: Random key of the run; the number of the draw is folded in.
      number: Number of the draw.

    Returns:
      ``float32[M]``.
    """
    model, settings = make_training(part, labels, draw)
    state, _ = train.fit(
        model,
        (part.ids, labels),
        key=jax.random.fold_in(key, number),
        examples=draw,
        progress=False,
        **settings,
    )
    return np.asarray(train.predict(model, state.variables, part.ids[measured]))


def make_training(
    part: Part, labels: np.ndarray, draw: np.ndarray
) -> tuple[nn.TextClassifier, dict[str, Any]]:
    """Return the model of a draw, and the arguments of ``train.fit``."""
    n = len(draw)
    if isinstance(part, Features):
        embed = nn.Embed(*part.table.shape, frozen=True)
        rate = optax.linear_schedule(RATE, 0.0, EPOCHS * -(-n // BATCH_SIZE))
        return nn.TextClassifier(embed, nn.DenseHead()), {
            "params": {"embed": {"embedding": part.table}},
            "tx": optax.chain(optax.add_decayed_weights(DECAY), optax.sgd(rate)),
            "epochs": EPOCHS,
            "batch_size": min(BATCH_SIZE, n),
        }
    ratios = text.log_count_ratios(
        part.rows.take(draw), labels[draw], part.n_rows, alpha=NGRAMS.alpha
    )
    tx, table_tx = imdb_ngrams.make_optimizers(n, NGRAMS)
    return imdb_ngrams.make_model(part.n_rows, NGRAMS), {
        "params": imdb_ngrams.start_weights(ratios, NGRAMS),
        "tx": tx,
        "table_tx": table_tx,
        "epochs": NGRAMS.epochs,
        "batch_size": min(NGRAMS.batch_size, n),
    }
