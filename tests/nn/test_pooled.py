"""Pooled models: logits, padding, gradients, and memory smaller than the rows."""

import chex
import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn

V, D, B, L = 23, 5, 4, 7
IDS = np.random.default_rng(0).integers(0, V, (B, L)).astype(np.int32)


def make(combine="mean", padding_idx=None, **head):
    embed = nn.Embed(V, D, padding_idx=padding_idx)
    model = nn.TextClassifier(embed, nn.DenseHead(**head), pool=combine)
    return model, model.init(jax.random.key(0), IDS)


def pool(rows, is_word, combine):
    """Pool by NumPy, one text at a time; a text without words is zeros."""
    bags = np.zeros((len(rows), rows.shape[2]), np.float32)
    for i, (text, kept) in enumerate(zip(rows, is_word, strict=True)):
        if kept.any():
            words = text[kept].astype(np.float64)
            bags[i] = words.max(0) if combine == "max" else words.sum(0)
            bags[i] /= {"mean": kept.sum(), "sqrtn": kept.sum() ** 0.5}.get(combine, 1)
    return bags


@pytest.mark.parametrize("padding_idx", [None, 3])
@pytest.mark.parametrize("combine", ["mean", "sum", "sqrtn", "max"])
def test_logits_are_those_of_pooled_rows(combine, padding_idx):
    ids = IDS.copy()
    ids[0], ids[1, 2:] = 3, 3
    model, variables = make(combine, padding_idx, hidden=[6], classes=3)
    params = variables["params"]
    table = np.asarray(params["embed"]["embedding"])
    is_word = np.ones_like(ids, bool) if padding_idx is None else ids != padding_idx
    bags = pool(table[ids], is_word, combine)
    found = model.apply(
        variables, ids, method=lambda m, i: m.embed.bag(i, combine=combine)
    )
    np.testing.assert_allclose(found, bags, rtol=1e-5, atol=1e-6)
    hidden, last = params["head"]["hidden_0"], params["head"]["logits"]
    x = np.maximum(
        bags @ np.asarray(hidden["kernel"]) + np.asarray(hidden["bias"])[None], 0
    )
    expected = x @ np.asarray(last["kernel"]) + np.asarray(last["bias"])[None]
    np.testing.assert_allclose(model.apply(variables, ids), expected, atol=1e-5)


def test_one_class_is_one_logit_and_dropout_needs_training():
    model, variables = make(dropout=0.5)
    chex.assert_shape(model.apply(variables, IDS), (B,))
    rngs = {"dropout": jax.random.key(1)}
    trained = model.apply(variables, IDS, train=True, rngs=rngs)
    assert (np.asarray(trained) != np.asarray(model.apply(variables, IDS))).any()


@pytest.mark.long
def test_a_padding_row_is_in_no_bag_and_has_no_gradient():
    model, variables = make(padding_idx=3)
    ids = np.array([[5, 3, 3], [6, 7, 3]], np.int32)
    broken = jax.tree.map(lambda x: x, variables)
    table = broken["params"]["embed"]["embedding"]
    broken["params"]["embed"]["embedding"] = table.at[3].set(jnp.nan)
    expected = [model.apply(variables, row[row != 3][None])[0] for row in ids]
    np.testing.assert_allclose(model.apply(broken, ids), expected, rtol=1e-6)
    grads = jax.grad(lambda v: model.apply(v, ids).sum())(broken)
    moved = np.asarray(grads["params"]["embed"]["embedding"])
    assert np.flatnonzero(moved.any(1)).tolist() == [5, 6, 7]


def test_weights_and_masks_of_ones_own():
    embed = nn.Embed(V, D, padding_idx=3)
    variables = embed.init(jax.random.key(0), IDS)
    weights = np.random.default_rng(1).normal(size=(B, L)).astype(np.float32)
    mask = IDS % 2 == 0
    found = embed.apply(variables, IDS, weights, mask, "sum", method="bag")
    kept = np.where(mask & (IDS != 3), weights, 0)
    table = np.asarray(variables["params"]["embedding"])
    expected = np.einsum("bl,bld->bd", kept, table[IDS])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_frozen_table_has_no_gradient_through_bags():
    model = nn.TextClassifier(nn.Embed(V, D, frozen=True), nn.DenseHead(), pool="mean")
    variables = model.init(jax.random.key(0), IDS)
    grads = jax.grad(lambda v: model.apply(v, IDS).sum())(variables)["params"]
    assert not np.any(grads["embed"]["embedding"])
    assert np.any(grads["head"]["logits"]["kernel"])


def test_low_precision_bags_are_cast_after_they_are_summed():
    embed = nn.Embed(V, D, param_dtype=jnp.bfloat16, dtype=jnp.float32)
    variables = embed.init(jax.random.key(0), IDS)
    bags = embed.apply(variables, IDS, method="bag")
    chex.assert_type(bags, jnp.float32)


def test_nothing_of_the_size_of_the_rows_is_in_memory():
    batch, length, dim = 64, 50, 64
    embed = nn.Embed(3_000, dim)
    model = nn.TextClassifier(embed, nn.DenseHead(), pool="mean")
    ids = jax.ShapeDtypeStruct((batch, length), jnp.int32)
    variables = jax.eval_shape(model.init, jax.random.key(0), ids)

    def temporary(apply):
        memory = jax.jit(apply).lower(variables, ids).compile().memory_analysis()
        return memory.temp_size_in_bytes

    def by_rows(variables, ids):
        rows = embed.apply({"params": variables["params"]["embed"]}, ids)
        return rows.mean(1)

    rows_bytes = 4 * batch * length * dim
    assert temporary(model.apply) < rows_bytes / 4
    assert temporary(by_rows) >= rows_bytes  # so that the test can fail


def test_summary_shows_the_bag():
    model, variables = make()
    lines = str(nn.summary(model, variables, IDS)).splitlines()
    assert f"[batch, {D}]" in next(line for line in lines if "embed" in line)


def test_refusals():
    head = nn.DenseHead()
    with pytest.raises(ValueError, match=r"axes \[B, L, D\] or \[B, D\].*got \[3\]"):
        head.init(jax.random.key(0), jnp.zeros(3))
    with pytest.raises(ValueError, match="pool must be one of"):
        make("median")
    with pytest.raises(ValueError, match="limit must be positive"):
        nn.symmetric_uniform(0.0)
    other = nn.TextClassifier(flax.linen.Embed(V, D), head, pool="mean")
    with pytest.raises(AttributeError, match="bag"):
        other.init(jax.random.key(0), IDS)


def test_equal_initializers_make_equal_models():
    a, b = (nn.Embed(V, D, embedding_init=nn.symmetric_uniform(0.1)) for _ in range(2))
    assert a == b and hash(a) == hash(b)
    table = nn.symmetric_uniform(0.1)(jax.random.key(0), (500, 4))
    assert -0.1 <= table.min() < -0.09 and 0.09 < table.max() <= 0.1
