"""Heads: every head of `nn` on a table, its logits and its dense gradient."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from benchmarks.tpu.case import KEY, Case, Maker, Size
from jaxembed import nn, train

CLASSES = 4


def make_logits(size: Size, *, head: Callable[[Size], nn.TextClassifier]) -> Case:
    """Return the logits of a batch."""
    model = head(size)
    variables = jax.eval_shape(model.init, KEY, size.ids)
    return Case(size, model.apply, (variables, size.ids))


def make_gradient(size: Size, *, head: Callable[[Size], nn.TextClassifier]) -> Case:
    """Return the gradient of all parameters for the mean loss of a batch."""
    model = head(size)
    variables = jax.eval_shape(model.init, KEY, size.ids)

    def mean_loss(variables: dict, ids: jax.Array, labels: jax.Array) -> jax.Array:
        logits = model.apply(variables, ids, train=True)
        return jnp.mean(train.example_losses(logits, labels))

    arguments = variables, size.ids, size.labels
    return Case(size, jax.grad(mean_loss), arguments, dense=True)


def _classify(size: Size, head: nn.DenseHead, pool: object) -> nn.TextClassifier:
    embed = nn.Embed(size.rows, size.dim, padding_idx=0)
    return nn.TextClassifier(embed, head, pool=pool)


def _make_folded(size: Size) -> nn.TextClassifier:
    """Return the model that `nn.fold` makes: a bag with one number for each class."""
    embed = nn.Embed(size.rows, CLASSES, padding_idx=0)
    return nn.TextClassifier(embed, nn.BiasHead(CLASSES), pool="mean")


def _make_weighted(size: Size) -> nn.TextClassifier:
    """Return a bag with a learned weight for each id."""
    embed, weights = nn.Embed(size.rows, size.dim), nn.Embed(size.rows, 1)
    return nn.TextClassifier(embed, nn.DenseHead(), pool="mean", id_weights=weights)


# Module or name of the pooling, and the head on it.
PARTS: dict[str, tuple[object, nn.DenseHead]] = {
    "flattened rows": (None, nn.DenseHead((32,))),
    "mean": ("mean", nn.DenseHead()),
    "mean, hidden, classes": ("mean", nn.DenseHead((32,), classes=CLASSES)),
    "max": ("max", nn.DenseHead()),
    "Conv1D": (nn.Conv1D(), nn.DenseHead()),
    "LSTM": (nn.Recurrent(), nn.DenseHead()),
    "GRU": (nn.Recurrent(cell="gru"), nn.DenseHead()),
    "LSTM, both directions": (nn.Recurrent(bidirectional=True), nn.DenseHead()),
    "attention": (nn.Attention(), nn.DenseHead()),
}
MODELS: dict[str, Callable[[Size], nn.TextClassifier]] = {
    **{
        name: functools.partial(_classify, head=head, pool=pool)
        for name, (pool, head) in PARTS.items()
    },
    "weights of ids": _make_weighted,
    "folded": _make_folded,
}
HEADS: dict[str, Maker] = {
    f"head {name}{part}": functools.partial(make, head=head)
    for name, head in MODELS.items()
    for part, make in {"": make_logits, ": gradient": make_gradient}.items()
}
