"""Bag of words and word pairs, trained with row-sparse updates.

Notebook:  not in the notebook; the model is fastText's (Joulin et al. 2016), which
           reads all words of a review; its table has two million rows, and a step
           updates a few thousand rows
Run:       python -m experiments.imdb_bigrams --data aclImdb_v1.tar.gz
Expect:    validation accuracy 0.90, test accuracy 0.906; 30 s on two CPU cores, of
           which training takes 7 s
Writes:    runs/imdb_bigrams/{metrics.json, curves.png, checkpoint/}

The bag of a review contains each word and each word pair once. Words and pairs that
occur in fewer than --min-reviews training reviews are dropped. A step updates only the
rows of its batch. If a batch has at least as many ids as the table has rows, a step
updates all rows.
"""

import dataclasses
import time
from pathlib import Path

import jax
import numpy as np
import optax
from flax.linen import initializers

from experiments import _cli, _results, _resume, _reviews
from jaxembed import nn, optim, text


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_cli.Options):
    """Settings, chosen on validation reviews.

    Attributes:
      num_words: Number of ids for padding and the most frequent words.
      buckets: Number of hash buckets for word pairs. The table has one row for each
        word id and one row for each bucket.
      length: Maximum number of distinct ids of a review. A longer review keeps the ids
        that occur in the most training reviews.
      min_reviews: Minimum number of training reviews that contain an id. An id in fewer
        reviews is dropped.
      dim: Length of a word vector.
      epochs: Number of passes over the reviews.
      batch_size: Number of reviews in a step.
      learning_rate: Initial learning rate of Adagrad, which falls linearly to 0.
      validation_fraction: Share of the training reviews to validate on. With 0 all
        training reviews are used for training.
    """

    out: Path = Path("runs/imdb_bigrams")
    num_words: int = 60_000
    buckets: int = 2**21
    length: int = 384
    min_reviews: int = 5
    dim: int = 10
    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 0.1
    validation_fraction: float = 0.1


def run(config: Config) -> None:
    """Train the model, save the weights, and test them."""
    config = dataclasses.replace(config, data=_reviews.choose_data(config.data))
    facts = f"{_reviews.describe(config.data)}, learned vectors, seed {config.seed}"
    _results.begin("imdb_bigrams", facts, config.out)
    check_sizes(config)
    # reviews -> words -> ids of words and pairs -> padded ids
    start = time.perf_counter()
    tokens = text.load_imdb_tokens(config.data, cache_dir=config.cache)
    bags = make_bags(tokens.train, config)
    examples, held_out = split(len(bags), config)
    n_ids = config.num_words + config.buckets
    counts = np.bincount(bags.take(examples).values, minlength=n_ids)
    ids, labels = pad(bags, counts, config), tokens.train_labels
    validation = (ids[held_out], labels[held_out]) if held_out.size else None
    if validation is None:
        tokens.check_test()
    test = (pad(make_bags(tokens.test, config), counts, config), tokens.test_labels)
    seconds = {"load": time.perf_counter() - start}
    # padded ids -> the mean of rows of a table -> one logit
    model, key = make_model(config), jax.random.key(config.seed)
    print(nn.summary(model, jax.eval_shape(model.init, key, ids[:1]), ids[:1]))
    # batches -> state and history
    steps = config.epochs * -(-len(examples) // config.batch_size)
    rate = optax.linear_schedule(config.learning_rate, 0.0, steps)
    adagrad = {"initial_accumulator_value": 0.0, "eps": 1e-16}
    save = _resume.save_path(config, "imdb_bigrams")
    state, history = _resume.fit(
        model,
        (ids, labels),
        save=save,
        tx=optax.adagrad(rate, **adagrad),
        table_tx=optim.sparse_adagrad(rate, per_row=True, **adagrad),
        epochs=config.epochs,
        batch_size=config.batch_size,
        key=key,
        examples=examples,
        validation=validation,
    )
    kept = np.flatnonzero(counts >= config.min_reviews).tolist()
    result = _results.save_and_test(
        model,
        state,
        history,
        config=config,
        command="imdb_bigrams",
        title=_results.make_title("Bag of words and word pairs", config),
        held_out=validation,
        test=test,
        extra={"tokenizer": tokens.tokenizer.to_json(), "kept_ids": kept},
    )
    result |= {"data": tokens.description, "seconds": seconds | history.seconds}
    result["n_kept_ids"] = len(kept)
    _results.write_metrics(config.out, "imdb_bigrams", result)
    _resume.finish([save])


def check_sizes(config: Config) -> None:
    """Check that ``--dim`` and ``--num-words`` are at least 1; id 0 is padding."""
    if config.dim < 1 or config.num_words < 1:
        raise ValueError(
            "--dim and --num-words must be at least 1, got "
            f"{config.dim} and {config.num_words}."
        )


def make_model(config: Config) -> nn.TextClassifier:
    """Return fastText's model with its initializers; id 0 is padding."""
    embed = nn.Embed(
        config.num_words + config.buckets,
        config.dim,
        padding_idx=0,
        embedding_init=nn.symmetric_uniform(1 / config.dim),
    )
    return nn.TextClassifier(
        embed, nn.DenseHead(kernel_init=initializers.zeros), pool="mean"
    )


def make_bags(ranks: text.Ragged, config: Config) -> text.Ragged:
    """Return the ids of each review: distinct words, then distinct pairs of words."""
    words = ranks.keep(ranks.values < config.num_words)
    pairs = text.hash_ngrams(ranks, 2, config.buckets)
    shifted = text.Ragged(pairs.values + config.num_words, pairs.offsets)
    return text.distinct_ids(words, shifted)


def pad(bags: text.Ragged, counts: np.ndarray, config: Config) -> np.ndarray:
    """Return the most frequent ids of each review, ``int32[N, L]``, padded with 0."""
    kept = text.most_frequent(
        bags, counts, length=config.length, min_count=config.min_reviews
    )
    return text.pad_sequences(
        kept, maxlen=config.length, padding="post", truncating="post"
    )


def split(n: int, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Draw the reviews to train on and the reviews to validate on, if any."""
    if config.validation_fraction == 0:
        return np.arange(n), np.arange(0)
    return _reviews.hold_out(n, config.validation_fraction, config.seed)


if __name__ == "__main__":
    _cli.main(Config, run)
