"""Bags on a mesh: equal to those of one device, also their gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn
from jaxembed.dist import embedding_bag, to_shards, to_words
from tests.dist._cases import N_WORDS, SHAPES, choose_pairs, make_ids, make_rules

DIM = 3
# Mesh, kind of ids, combine, and whether there are weights and a mask.
QUICK = [
    ((1, 4), "bad", "max", False, True),
    ((2, 2), "one shard", "sqrtn", True, True),
]
REST = choose_pairs(
    (shape, kind, combine, has_weights, has_mask)
    for shape in SHAPES
    for kind in ("zipf", "bad", "equal")
    for combine in ("sum", "mean", "sqrtn", "max")
    for has_weights in ([False] if combine == "max" else [False, True])
    for has_mask in (False, True)
)


@functools.cache
def make_program(bag, combine):
    """Return compiled bags, with the gradients of the table and of the weights."""

    def run(table, weights, ids, mask, cotangents):
        def pool(table, weights):
            return bag(table, ids, weights, mask, combine)

        bags, pull = jax.vjp(pool, table, weights)
        return bags, *pull(cotangents)

    return jax.jit(run)


@functools.cache
def make_bag(shape):
    return functools.partial(embedding_bag, rules=make_rules(shape), n_rows=N_WORDS)


def check(shape, kind, combine, has_weights, has_mask):
    rng = np.random.default_rng(2)
    ids, bag = make_ids(kind), make_bag(shape)
    table = rng.normal(size=(N_WORDS, DIM)).astype(np.float32)
    weights = rng.normal(size=ids.shape).astype(np.float32) if has_weights else None
    mask = rng.random(ids.shape) < 0.7 if has_mask else None
    if has_mask:
        mask[3] = False  # an empty bag
        ids = np.where(mask, ids, -1)  # ignored
    given = weights, ids, mask, rng.normal(size=(len(ids), DIM)).astype(np.float32)
    stored = to_shards(table, bag.keywords["rules"])
    found = jax.block_until_ready(make_program(bag, combine)(stored, *given))
    wanted = make_program(nn.embedding_bag, combine)(table, *given)
    np.testing.assert_allclose(found[0], wanted[0], 1e-5, 1e-5)
    np.testing.assert_allclose(to_words(found[1], N_WORDS), wanted[1], 1e-5, 1e-4)
    if has_weights:
        np.testing.assert_allclose(found[2], wanted[2], 1e-5, 1e-5)
    assert np.isnan(found[0]).any() == (kind == "bad" and not has_mask) or has_mask


@pytest.mark.parametrize(
    ("shape", "kind", "combine", "has_weights", "has_mask"), QUICK, ids=str
)
def test_bags_equal_those_of_one_device(shape, kind, combine, has_weights, has_mask):
    check(shape, kind, combine, has_weights, has_mask)


@pytest.mark.long
@pytest.mark.parametrize(
    ("shape", "kind", "combine", "has_weights", "has_mask"), REST, ids=str
)
def test_all_bags_equal_those_of_one_device(
    shape, kind, combine, has_weights, has_mask
):
    check(shape, kind, combine, has_weights, has_mask)


@pytest.mark.long
def test_bags_of_bfloat16_are_summed_in_float32():
    bag, ids = make_bag((2, 2)), np.zeros((4, 400), np.int32)
    table = np.ones((N_WORDS, DIM), jnp.bfloat16)
    stored = to_shards(table, bag.keywords["rules"])
    run = jax.jit(jax.value_and_grad(lambda t: bag(t, ids, combine="sum").sum()))
    total, gradient = jax.block_until_ready(run(stored))
    assert total == 4 * 400 * DIM and gradient.dtype == jnp.bfloat16  # not 4 * 256 * D
    assert (to_words(gradient, N_WORDS)[0] == 4 * 400).all()


@pytest.mark.parametrize("shape", [(5, 4), (0, 4), (4, 0)])
def test_any_number_of_bags_is_pooled(shape):
    bag = make_bag((2, 2))
    table = np.random.default_rng(1).normal(size=(N_WORDS, DIM)).astype(np.float32)
    ids = np.random.default_rng(3).integers(0, N_WORDS, shape)
    bags = bag(to_shards(table, bag.keywords["rules"]), ids)
    wanted = table[ids].mean(1) if ids.size else np.zeros((len(ids), DIM))
    np.testing.assert_allclose(bags, wanted, atol=1e-6)


def test_wrong_arguments_are_refused_as_on_one_device():
    bag = make_bag((2, 2))
    with pytest.raises(ValueError, match="combine must be one of"):
        bag(jnp.zeros((38, 2)), np.zeros((2, 2), int), combine="median")
    with pytest.raises(ValueError, match="weights must have the shape of ids"):
        bag(jnp.zeros((38, 2)), np.zeros((2, 2), int), np.ones((2, 3)))
    with pytest.raises(ValueError, match="37 words in 2 shards must have 38 rows"):
        bag(jnp.zeros((37, 2)), np.zeros((2, 2), int))
