"""Export of every head with symbolic shapes, for three platforms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from jaxembed import nn

V, D, L = 11, 3, 5
PLATFORMS = ("cpu", "cuda", "tpu")
HEADS = {
    "logits": nn.DenseHead(),
    "hidden, classes, dropout": nn.DenseHead((4,), classes=3, dropout=0.5),
}
SHAPES = {
    None: f"b, {L}",
    "mean": "b, l",
    "max": "b, l",
    "sqrtn": "b, l",
    "sum": "b, l",
}


def check(model, variables, shape):
    axes = export.symbolic_shape(shape)
    apply = jax.jit(lambda ids: model.apply(variables, ids))
    ids = jax.ShapeDtypeStruct(axes, jnp.int32)
    exported = export.export(apply, platforms=PLATFORMS)(ids)
    rng = np.random.default_rng(0)
    for n, length in ((1, L), (3, L), (70, 2 * L if "l" in shape else L)):
        known = rng.integers(0, V, (n, length)).astype(np.int32)
        np.testing.assert_allclose(exported.call(known), apply(known), atol=1e-6)


@pytest.mark.parametrize("pool", SHAPES)
@pytest.mark.parametrize("head", HEADS)
def test_a_symbolic_batch_and_length(head, pool):
    embed = nn.Embed(V, D, padding_idx=2)
    model = nn.TextClassifier(embed, HEADS[head], pool=pool)
    variables = model.init(jax.random.key(0), np.zeros((1, L), int))
    check(model, variables, SHAPES[pool])


POOLS = {
    "conv": nn.Conv1D(features=2, widths=(2, 3)),
    "attention": nn.Attention(query_init=jax.nn.initializers.normal(1.0)),
    "lstm": nn.Recurrent(2),
    "gru, both, mean": nn.Recurrent(2, "gru", bidirectional=True, pool="mean"),
    "gru, max": nn.Recurrent(2, "gru", pool="max"),
}


@pytest.mark.parametrize(
    "pool",
    [
        pytest.param(pool, marks=[] if pool == "attention" else pytest.mark.long)
        for pool in POOLS
    ],
)
def test_a_sequence_head_of_any_length(pool):
    embed = nn.Embed(V, D, padding_idx=2)
    model = nn.TextClassifier(embed, nn.DenseHead(), pool=POOLS[pool])
    variables = model.init(jax.random.key(0), np.zeros((1, L), int))
    check(model, variables, "b, l")


@pytest.mark.parametrize("pool", [None, "mean", "sqrtn"])
def test_weights_of_ids(pool):
    weights = nn.Embed(V, 1, embedding_init=jax.nn.initializers.normal(1.0))
    model = nn.TextClassifier(
        nn.Embed(V, D), nn.DenseHead(), pool=pool, id_weights=weights
    )
    variables = model.init(jax.random.key(0), np.zeros((1, L), int))
    check(model, variables, SHAPES[pool])


def test_a_bag_of_single_logits():
    model = nn.TextClassifier(nn.Embed(V, 1), nn.BiasHead(), pool="sum")
    check(model, model.init(jax.random.key(0), np.zeros((1, L), int)), "b, l")


@pytest.mark.parametrize("classes", [1, 3])
def test_a_folded_model(classes):
    head = nn.DenseHead(classes=classes)
    model = nn.TextClassifier(nn.Embed(V, D), head, pool="mean")
    variables = model.init(jax.random.key(0), np.zeros((1, L), int))
    check(*nn.fold(model, variables), "b, l")
