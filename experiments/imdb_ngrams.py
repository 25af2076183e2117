"""N-grams of whole reviews, weighted as in Naive Bayes.

Notebook:  not in the notebook; the model is NB-SVM (Wang and Manning 2012) with a
           logistic loss, whose table has half a million rows, of which a step updates
           a few thousand
Run:       python -m experiments.imdb_ngrams --data aclImdb_v1.tar.gz
           python -m experiments.imdb_ngrams --orders 1 --learning-rate 30
Expect:    validation accuracy 0.915, test accuracy 0.918, or 0.920 with
           --validation-fraction 0; 18 s on two CPU cores, of which training takes 1 s
Writes:    runs/imdb_ngrams/{metrics.json, curves.png, test.csv, checkpoint/, ngrams/,
           finished/}

The bag of a review contains each of its words, pairs and triples once. N-grams in fewer
than --min-reviews training reviews are dropped. The table has one number for each
n-gram. The logit of a review is the sum of the numbers of its n-grams, each times the
log-count ratio of the n-gram, divided by the root of the sum of the squared ratios,
plus a bias. The validation reviews are a contiguous block of each class, since
neighbouring reviews may be of the same film.
"""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
import optax
from flax.linen import initializers

from experiments import _cli, _results, _resume, _reviews
from jaxembed import nn, optim, text, train

SIZES = ("min_reviews", "length", "epochs", "batch_size")
BIAS_RATE = 0.1  # initial learning rate of the bias


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_cli.Options):
    """Settings, chosen on validation reviews.

    Attributes:
      orders: Numbers of words of the n-grams.
      min_reviews: Minimum number of training reviews that contain an n-gram.
      length: Maximum number of distinct n-grams of a review. A longer review keeps
        those that occur in the most training reviews.
      weights: Weights of the n-grams in a bag: ratios for the log-count ratios of the
        training reviews, learned to train them too, ones for equal weights.
      alpha: Number of reviews added to each count of a log-count ratio.
      epochs: Number of passes over the reviews.
      batch_size: Number of reviews in a step.
      learning_rate: Initial learning rate of the table, which falls linearly to 0.
      validation_fraction: Share of the training reviews to validate on. With 0 all
        training reviews are used for training.
      block: Number of the contiguous block of reviews to validate on, from 0.
    """

    out: Path = Path("runs/imdb_ngrams")
    orders: tuple[int, ...] = (1, 2, 3)
    min_reviews: int = 3
    length: int = 1024
    weights: Literal["ratios", "learned", "ones"] = "ratios"
    alpha: float = 1.0
    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 100.0
    validation_fraction: float = 0.1
    block: int = 0


class Reviews(NamedTuple):
    """N-grams of the reviews.

    Attributes:
      ngrams: Rows of the n-grams of the reviews to train on.
      ratios: Log-count ratio of each row, ``float32[V]``.
      ids: Padded rows of all training reviews, ``int32[N, L]``.
      examples: Numbers of the reviews to train on.
      held_out: Padded rows and labels of the validation reviews, or None.
      test: Padded rows and labels of the test reviews.
    """

    ngrams: text.NgramIndex
    ratios: np.ndarray
    ids: np.ndarray
    examples: np.ndarray
    held_out: tuple[np.ndarray, np.ndarray] | None
    test: tuple[np.ndarray, np.ndarray]


def run(config: Config) -> None:
    """Train the model, save the weights, and test them."""
    train_and_test("imdb_ngrams", config)


def train_and_test(
    name: str,
    config: Config,
    mesh: jax.sharding.Mesh | None = None,
    *,
    describe: Callable[[text.NgramIndex], dict[str, Any]] | None = None,
) -> None:
    """Train the model, save the weights, and test them.

    Args:
      name: Name of the experiment.
      config: Settings.
      mesh: Mesh over which the rows of the tables are spread; None for one device.
      describe: Function of the rows of the n-grams that prints and returns further
        entries of ``metrics.json``.
    """
    config = dataclasses.replace(config, data=_reviews.choose_data(config.data))
    facts = f"{_reviews.describe(config.data)}, learned numbers, seed {config.seed}"
    _results.begin(name, facts, config.out)
    _cli.check_sizes(config, SIZES)
    # reviews -> words -> rows of n-grams -> padded rows
    start = time.perf_counter()
    tokens = text.load_imdb_tokens(config.data, cache_dir=config.cache)
    reviews = make_reviews(tokens, config)
    ids, index = reviews.ids, reviews.ngrams
    seconds = {"load": time.perf_counter() - start}
    # padded rows -> the weighted sum of their numbers -> one logit
    model, key = make_model(index.n_rows, config), jax.random.key(config.seed)
    print(nn.summary(model, jax.eval_shape(model.init, key, ids[:1]), ids[:1]))
    # batches -> state and history
    further = {} if describe is None else describe(index)
    save = _resume.save_path(config, name)
    tx, table_tx = make_optimizers(len(reviews.examples), config)
    state, history = _resume.fit(
        model,
        (ids, tokens.train_labels),
        save=save,
        tx=tx,
        table_tx=table_tx,
        epochs=config.epochs,
        batch_size=config.batch_size,
        key=key,
        params=start_weights(reviews.ratios, config),
        examples=reviews.examples,
        validation=reviews.held_out,
        mesh=mesh,
    )
    result = _results.save_and_test(
        model,
        state,
        history,
        config=config,
        command=name,
        title=_results.make_title(f"N-grams of the orders {config.orders}", config),
        held_out=reviews.held_out,
        test=reviews.test,
        extra={"tokenizer": tokens.tokenizer.to_json()},
        mesh=mesh,
    )
    train.save(config.out / "ngrams", index.to_arrays(), overwrite=True)
    copies = _reviews.find_copies(tokens.train, tokens.test)
    result |= _results.write_test(
        config.out, model, state.variables, reviews.test, copies, mesh=mesh
    )
    result |= {"data": tokens.description, "seconds": seconds | history.seconds}
    result |= {"n_rows": index.n_rows} | further
    _results.write_metrics(config.out, name, result)
    _resume.finish([save])


def make_reviews(tokens: text.TokenizedCorpus, config: Config) -> Reviews:
    """Return the rows of the n-grams of each review, padded."""
    labels = tokens.train_labels
    examples, held_out = _reviews.hold_out_block(
        labels, config.validation_fraction, config.block
    )
    if not held_out.size:
        tokens.check_test()
    index = text.NgramIndex.fit(
        tokens.train.take(examples),
        orders=config.orders,
        min_count=config.min_reviews,
    )
    rows = index.encode(tokens.train, config.length)
    ratios = text.log_count_ratios(
        rows.take(examples), labels[examples], index.n_rows, alpha=config.alpha
    )
    ids = pad(rows, config.length)
    test_ids = pad(index.encode(tokens.test, config.length), config.length)
    return Reviews(
        ngrams=index,
        ratios=ratios,
        ids=ids,
        examples=examples,
        held_out=(ids[held_out], labels[held_out]) if held_out.size else None,
        test=(test_ids, tokens.test_labels),
    )


def make_model(n_rows: int, config: Config) -> nn.TextClassifier:
    """Return a bag of n-grams with one number and one weight for each row."""
    table = {"features": 1, "padding_idx": 0}
    embed = nn.Embed(n_rows, embedding_init=initializers.zeros, **table)
    weights = None
    if config.weights != "ones":
        weights = nn.Embed(n_rows, frozen=config.weights == "ratios", **table)
    return nn.TextClassifier(embed, nn.BiasHead(), pool="sqrtn", id_weights=weights)


def start_weights(ratios: np.ndarray, config: Config) -> dict | None:
    """Return the log-count ratios as the weights of the rows, if the model has any."""
    if config.weights == "ones":
        return None
    return {"id_weights": {"embedding": ratios[:, None]}}


def make_optimizers(
    n_examples: int, config: Config
) -> tuple[optax.GradientTransformation, optim.SparseOptimizer]:
    """Return SGD of the bias and row-sparse SGD of the table, with falling rates."""
    steps = config.epochs * -(-n_examples // config.batch_size)
    rates = [
        optax.linear_schedule(rate, 0.0, steps)
        for rate in (BIAS_RATE, config.learning_rate)
    ]
    return optax.sgd(rates[0]), optim.sparse_sgd(rates[1])


def pad(rows: text.Ragged, length: int) -> np.ndarray:
    """Return rows ``int32[N, L]``, padded with 0."""
    return text.pad_sequences(rows, maxlen=length, padding="post", truncating="post")


if __name__ == "__main__":
    _cli.main(Config, run)
