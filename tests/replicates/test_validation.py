"""Validation: the form by position equals the model, or is not used."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn, train
from jaxembed.replicates._validation import (
    ByPosition,
    embed_shared,
    make_validation,
    measure_validation,
)

V, L, N, LARGE = 12, 5, 60, 2**30
IDS = np.random.default_rng(0).integers(0, V, (N, L)).astype(np.int32)
LABELS = np.random.default_rng(1).integers(0, 2, N).astype(np.int32)
TABLE = np.random.default_rng(2).normal(size=(V, V)).astype(np.float32)


class Twice(nn.Embed):
    """Embed that doubles its rows."""

    def __call__(self, ids):
        return 2 * super().__call__(ids)


def make(embed=None, head=None, pool=None):
    embed = nn.Embed(V, V, frozen=True) if embed is None else embed
    return nn.TextClassifier(embed, head or nn.DenseHead((7,)), pool)


FAST = {
    "hidden": make(),
    "no hidden layer": make(head=nn.DenseHead()),
    "three classes, two layers": make(head=nn.DenseHead((7, 4), 3)),
    "padding": make(nn.Embed(V, V, frozen=True, padding_idx=3)),
    "dropout": make(head=nn.DenseHead((7,), dropout=0.5)),
}
SLOW = {
    "subclass": make(Twice(V, V, frozen=True)),
    "other dtype of rows": make(nn.Embed(V, V, frozen=True, dtype=jnp.bfloat16)),
    "other dtype of head": make(head=nn.DenseHead((7,), dtype=jnp.bfloat16)),
    "own lookup": make(
        nn.Embed(V, V, lookup_fn=functools.partial(nn.lookup, mode="clip"))
    ),
    "pooled": make(pool="mean"),
}


def measure(model, variables, held_out, known=None):
    sums = measure_validation(model, variables, held_out, known)
    return float(sums.loss / sums.n_examples), float(sums.correct / sums.n_examples)


@pytest.mark.parametrize("name", [*FAST, *SLOW, "integers"])
def test_equals_the_model(name):
    model = (FAST | SLOW).get(name, make())
    table = np.eye(V, dtype=np.int32) if name == "integers" else TABLE
    params = model.init(jax.random.key(0), IDS)["params"]
    params["embed"]["embedding"] = jnp.asarray(table)
    held_out = make_validation(model, (IDS, LABELS), LARGE)
    assert isinstance(held_out, ByPosition) == (name not in SLOW)
    expected = train.evaluate(model, {"params": params}, IDS, LABELS)
    known = embed_shared(model, {"embed": params["embed"]}, held_out)
    assert (known is None) == (name in SLOW)
    for rows in (None, known):
        loss, accuracy = measure(model, {"params": params}, held_out, rows)
        assert loss == pytest.approx(expected["loss"], rel=1e-6)
        assert accuracy == pytest.approx(expected["accuracy"])


def test_is_not_taken_where_it_saves_nothing():
    model = make()
    few = IDS[: V // 2], LABELS[: V // 2]
    assert not isinstance(make_validation(model, few, LARGE), ByPosition)
    assert not isinstance(make_validation(model, (IDS, LABELS), 4000), ByPosition)
