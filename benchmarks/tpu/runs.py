"""Runs: whole epochs as one program, with the models of the notebook and of n-grams."""

import functools
from typing import Any

import jax.numpy as jnp
import optax
from flax.linen import initializers

from benchmarks.tpu.case import KEY, Case, Maker, Size, shape_of
from benchmarks.tpu.steps import RATE, make_state
from jaxembed import nn, optim, train

# Sizes of the notebook's models, of the n-grams, and numbers of training texts.
FIRST, FIRST_TEXTS = Size(10_000, 8, 32, 20), 20_000
SECOND, SECOND_TEXTS = Size(10_000, 100, 32, 100), 200
NGRAMS, NGRAM_TEXTS = Size(1_000_000, 1, 32, 1024), 22_500


def make_first(size: Size) -> nn.TextClassifier:
    """Return the notebook's first model, a linear classifier of flattened rows."""
    return nn.TextClassifier(nn.Embed(size.rows, size.dim), nn.DenseHead())


def make_second(size: Size, *, frozen: bool = True) -> nn.TextClassifier:
    """Return the notebook's second model, a hidden layer on flattened rows."""
    embed = nn.Embed(size.rows, size.dim, frozen=frozen)
    return nn.TextClassifier(embed, nn.DenseHead((32,)))


def make_ngrams(size: Size) -> nn.TextClassifier:
    """Return a bag of n-grams with one number and one weight for each row."""
    embed = nn.Embed(
        size.rows, size.dim, padding_idx=0, embedding_init=initializers.zeros
    )
    weights = nn.Embed(size.rows, 1, padding_idx=0, frozen=True)
    return nn.TextClassifier(embed, nn.BiasHead(), pool="sqrtn", id_weights=weights)


def make_epoch(
    size: Size, model: nn.TextClassifier, n_texts: int, **optimizers: Any
) -> Case:
    """Return an epoch over all texts, as `train.fit` compiles it."""
    plan, state, frozen = make_state(size, model, **optimizers)
    ids = shape_of((n_texts, size.length), jnp.int32)
    labels = examples = shape_of((n_texts,), jnp.int32)
    epoch = shape_of((), jnp.int32)
    run = functools.partial(train.run_epoch, plan, batch_size=size.batch_size)
    arguments = state, frozen, (ids, labels), examples, KEY, epoch
    dense = bool(state.params.get("embed"))
    return Case(size, run, arguments, donate=(0,), dense=dense)


def _make_first_epoch(size: Size, *, is_dense: bool) -> Case:
    tx, table_tx = optim.rmsprop(RATE), optim.sparse_rmsprop(RATE)
    optimizers = {"tx": tx} if is_dense else {"tx": tx, "table_tx": table_tx}
    return make_epoch(size, make_first(size), FIRST_TEXTS, **optimizers)


def _make_second_epoch(size: Size, *, frozen: bool) -> Case:
    model = make_second(size, frozen=frozen)
    return make_epoch(size, model, SECOND_TEXTS, tx=optim.rmsprop(RATE))


def _make_ngram_epoch(size: Size) -> Case:
    tx, table_tx = optax.sgd(RATE), optim.sparse_sgd(RATE)
    return make_epoch(size, make_ngrams(size), NGRAM_TEXTS, tx=tx, table_tx=table_tx)


# By name, the sizes and the maker.
RUNS: dict[str, tuple[Size, Maker]] = {
    "epoch, first model, dense": (
        FIRST,
        functools.partial(_make_first_epoch, is_dense=True),
    ),
    "epoch, first model, row-sparse": (
        FIRST,
        functools.partial(_make_first_epoch, is_dense=False),
    ),
    "epoch, second model, frozen": (
        SECOND,
        functools.partial(_make_second_epoch, frozen=True),
    ),
    "epoch, second model, learned": (
        SECOND,
        functools.partial(_make_second_epoch, frozen=False),
    ),
    "epoch, n-grams": (NGRAMS, _make_ngram_epoch),
}
