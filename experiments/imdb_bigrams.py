"""A bag of the words and word pairs of whole IMDB reviews, trained row by row.

Notebook:  beyond it: all words, in fastText's way (Joulin et al. 2016), with a table of
           two million rows of which a step reads and writes a few thousand.
Run:       python -m experiments.imdb_bigrams --data aclImdb_v1.tar.gz
Expect:    validation accuracy 0.91, test accuracy 0.905 (0.906 where no review is held
           out); on two CPU cores half a minute, of which the training takes 7 s
Writes:    runs/imdb_bigrams/{metrics.json,curves.png,checkpoint/}

Each word and pair counts once a review, and only if it is in some reviews. The held-out
reviews are drawn at random, and some are of the same films as those trained on: their
accuracy is a little above that of the test.
"""

import dataclasses
import time
from typing import Any, Literal

import jax
import numpy as np
import optax
from flax.linen import initializers

from experiments import _run
from jaxembed import nn, optim, text, train


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_run.Options):
    """The settings, chosen on validation reviews; every number is here."""

    num_words: int = 60_000
    """Ids of words, the most frequent first."""
    buckets: int = 2**21
    """Ids of hashed word pairs; with the words, the rows of the table."""
    length: int = 384
    """Ids read of each review: different ones, the most frequent first."""
    min_reviews: int = 5
    """Ids in fewer of the training reviews are left out."""
    dim: int = 10
    """Length of a row."""
    epochs: int = 5
    """How many times each review is seen."""
    batch_size: int = 32
    """Reviews in a step."""
    learning_rate: float = 0.1
    """Of Adagrad at the start; it falls linearly to 0."""
    layout: Literal["auto", "sparse", "dense"] = "auto"
    """Whether a step updates the rows of its batch or the whole table."""
    validation_fraction: float = 0.1
    """Share of the training reviews that is held out; 0 to train on all."""


def run(config: Config) -> dict[str, Any]:
    """Trains, saves, and tests what was saved."""
    check_sizes(config)
    # reviews -> words -> ids of words and pairs -> padded ids
    start = time.perf_counter()
    tokens = text.load_imdb_tokens(config.data, cache_dir=config.cache)
    bags = make_bags(tokens.train, config)
    rows, held_out = split(len(bags), config)
    n_ids = config.num_words + config.buckets
    counts = np.bincount(bags.take(rows).values, minlength=n_ids)
    ids, labels = pad(bags, counts, config), tokens.train_labels
    test = (pad(make_bags(tokens.test, config), counts, config), tokens.test_labels)
    seconds = {"load": time.perf_counter() - start}
    # padded ids -> the mean of rows of a table -> one logit
    model, key = make_model(config), jax.random.key(config.seed)
    print(nn.summary(model, jax.eval_shape(model.init, key, ids[:1]), ids[:1]))
    # batches -> state and history
    steps = config.epochs * -(-len(rows) // config.batch_size)
    rate = optax.linear_schedule(config.learning_rate, 0.0, steps)
    adagrad = {"initial_accumulator_value": 0.0, "eps": 1e-16}
    state, history = train.fit(
        model,
        (ids, labels),
        tx=optax.adagrad(rate, **adagrad),
        table_tx=optim.sparse_adagrad(rate, per_row=True, **adagrad),
        layout=config.layout,
        epochs=config.epochs,
        batch_size=config.batch_size,
        key=key,
        examples=rows,
        validation=(ids[held_out], labels[held_out]) if held_out.size else None,
        on_epoch=lambda history: _run.print_epoch(history, config.epochs),
    )
    print(f"the table was trained in the {history.layout} layout")
    kept = np.flatnonzero(counts >= config.min_reviews).tolist()
    extra = {"tokenizer": tokens.tokenizer.to_json(), "kept_ids": kept}
    result = _run.finish(
        config, tokens.description, model, (state, history), test, extra
    )
    result |= {"layout": history.layout, "n_kept_ids": len(kept)}
    return result | {"seconds": seconds | history.seconds}


def check_sizes(config: Config) -> None:
    """Refuses sizes for which id 0 would be a pair's, or a row have no numbers."""
    if config.dim < 1 or config.num_words < 1:
        raise ValueError(
            "--dim and --num-words must be at least 1, got "
            f"{config.dim} and {config.num_words}."
        )


def make_model(config: Config) -> nn.TextClassifier:
    """FastText's model with its initial weights; id 0 only fills up."""
    embed = nn.Embed(
        config.num_words + config.buckets,
        config.dim,
        padding_idx=0,
        embedding_init=nn.symmetric_uniform(1 / config.dim),
    )
    return nn.TextClassifier(embed, nn.PooledDense(kernel_init=initializers.zeros))


def make_bags(ranks: text.Ragged, config: Config) -> text.Ragged:
    """The different words of each review, and its different pairs behind them."""
    words = ranks.keep(ranks.values < config.num_words)
    pairs = text.hash_ngrams(ranks, 2, config.buckets)
    shifted = text.Ragged(pairs.values + config.num_words, pairs.offsets)
    return text.distinct_ids(words, shifted)


def pad(bags: text.Ragged, counts: np.ndarray, config: Config) -> np.ndarray:
    """``int32[N, L]`` of the ids that come most often, then zeros."""
    kept = text.most_frequent(
        bags, counts, length=config.length, min_count=config.min_reviews
    )
    return text.pad_sequences(
        kept, maxlen=config.length, padding="post", truncating="post"
    )


def split(n: int, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """The reviews to train on, and those to validate on, which may be none."""
    if config.validation_fraction == 0:
        return np.arange(n), np.arange(0)
    return _run.split(n, config.validation_fraction, config.seed)


if __name__ == "__main__":
    _run.main(Config, run)
