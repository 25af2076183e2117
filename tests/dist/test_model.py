"""Sharded models: equal initial rows, results, gradients and taps; and errors."""

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from jaxembed import nn
from jaxembed.dist import Rules, make_mesh, shard_model, to_shards, to_words
from jaxembed.nn._hooks import check_embed
from jaxembed.nn._row_grads import apply_with_taps, make_taps
from tests.dist._cases import N_WORDS, make_ids, make_rules

KEY = jax.random.key(7)
IDS = make_ids("zipf")[:8, :5]
PATH = ("embed", "embedding")


LONG = pytest.mark.long


def make_ones(key, shape, dtype):
    return jnp.broadcast_to(jnp.ones(3, dtype), (N_WORDS, 3))


def make_model(pool="mean", **options):
    return nn.TextClassifier(nn.Embed(N_WORDS, 3, **options), nn.DenseHead(), pool=pool)


@pytest.mark.parametrize(
    ("init", "dtype"),
    [
        (nn.symmetric_uniform(0.1), jnp.float32),
        pytest.param(jax.nn.initializers.normal(0.1), jnp.bfloat16, marks=LONG),
        # depends on V
        pytest.param(jax.nn.initializers.lecun_normal(), jnp.float32, marks=LONG),
        pytest.param(make_ones, jnp.float32, marks=LONG),  # has one shape
    ],
    ids=["uniform", "normal", "lecun_normal", "ones"],
)
def test_initial_rows_are_those_of_one_device(init, dtype):
    embed = nn.Embed(N_WORDS, 3, padding_idx=6, embedding_init=init, param_dtype=dtype)
    rules = make_rules((2, 2))
    found = shard_model(embed, rules).init(KEY, IDS)["params"]["embedding"]
    wanted = np.asarray(embed.init(KEY, IDS)["params"]["embedding"])
    assert found.shape == (38, 3) and found.dtype == dtype
    assert found.sharding.is_equivalent_to(rules.table, 2)
    assert to_words(found, N_WORDS).tobytes() == wanted.tobytes()
    assert not np.asarray(found[-1]).any()  # belongs to no word


@LONG
def test_rows_of_other_generators_are_those_of_one_device():
    embed, rules = nn.Embed(N_WORDS, 3), make_rules((1, 4))
    for key in (jax.random.PRNGKey(1), jax.random.key(1, impl="rbg")):
        found = shard_model(embed, rules).init(key, IDS)["params"]["embedding"]
        wanted = embed.init(key, IDS)["params"]["embedding"]
        np.testing.assert_array_equal(to_words(found, N_WORDS), wanted)


def test_each_device_draws_its_own_shard():
    embed = shard_model(nn.Embed(40_000, 3), make_rules((1, 4)))
    text = jax.jit(lambda key: embed.init(key, IDS)).lower(KEY).compile().as_text()
    assert "[10001" in text and "[4000" not in text and "10001,4" not in text
    kinds = ("all-gather", "all-to-all", "collective-permute", "all-reduce")
    assert not any(kind in text for kind in kinds)


@pytest.mark.parametrize("pool", [pytest.param(None, marks=LONG), "max"])
def test_results_and_gradients_equal_those_of_one_device(pool):
    model, rules = make_model(pool, padding_idx=0), make_rules((2, 2))
    variables = model.init(KEY, IDS)

    def measure(model):
        return jax.jit(jax.value_and_grad(lambda v: (model.apply(v, IDS) ** 2).sum()))

    stored = jax.tree.map(jnp.copy, variables)
    table = to_shards(variables["params"]["embed"]["embedding"], rules)
    stored["params"]["embed"]["embedding"] = table
    value, grads = jax.block_until_ready(measure(shard_model(model, rules))(stored))
    wanted, wanted_grads = measure(model)(variables)
    np.testing.assert_allclose(value, wanted, rtol=1e-5)
    found = grads["params"]
    found["embed"]["embedding"] = to_words(found["embed"]["embedding"], N_WORDS)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
        found,
        wanted_grads["params"],
    )


@pytest.mark.parametrize(
    "pool", [pytest.param(None, marks=LONG), pytest.param("mean", marks=LONG), "max"]
)
def test_taps_receive_the_gradients_of_one_device(pool):
    rules, plain = make_rules((1, 4)), make_model(pool, padding_idx=0)
    variables = plain.init(KEY, IDS)
    found = []
    for model in (plain, shard_model(plain, rules)):
        given = jax.tree.map(jnp.copy, variables)
        if model is not plain:
            table = variables["params"]["embed"]["embedding"]
            given["params"]["embed"]["embedding"] = to_shards(table, rules)
        taps = make_taps(model, given, IDS, frozenset([PATH]))

        @jax.jit
        def run(taps, model=model, given=given):
            def loss(taps):
                logits, ids = apply_with_taps(model, given, IDS, taps, {})
                return (logits**2).sum(), ids

            return jax.grad(loss, has_aux=True)(taps)

        found.append(jax.block_until_ready(run(taps)))
    (ours, ids), (wanted, wanted_ids) = found[1], found[0]
    np.testing.assert_allclose(ours[PATH][0], wanted[PATH][0], atol=1e-6)
    is_word = np.asarray(wanted_ids[PATH][0]) < N_WORDS
    np.testing.assert_array_equal(np.asarray(ids[PATH][0]) < N_WORDS, is_word)
    words = np.asarray(ids[PATH][0])[is_word]
    np.testing.assert_array_equal(words, np.asarray(wanted_ids[PATH][0])[is_word])


@pytest.mark.parametrize(
    "kind", [pytest.param(AxisType.Auto, marks=LONG), AxisType.Explicit], ids=str
)
def test_products_with_all_rows_are_in_word_order(kind):
    mesh = jax.make_mesh((2, 2), ("data", "vocab"), axis_types=(kind, kind))
    embed, rules = nn.Embed(N_WORDS, 3, padding_idx=5), Rules(mesh)
    query = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    table = embed.init(KEY, IDS)["params"]["embedding"]
    wanted = np.asarray(query) @ np.asarray(table).T
    with jax.set_mesh(mesh):
        given = {"params": {"embedding": to_shards(table, rules)}}
        found = shard_model(embed, rules).apply(given, query, method="attend")
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert not np.asarray(found)[..., 5].any()


def test_a_frozen_table_gets_no_gradient():
    model, rules = make_model(frozen=True), make_rules((1, 4))
    sharded = shard_model(model, rules)
    variables = sharded.init(KEY, IDS)
    run = jax.jit(jax.grad(lambda v: sharded.apply(v, IDS).sum()))
    text = run.lower(variables).compile().as_text()
    grads = jax.block_until_ready(run(variables))["params"]
    assert not np.asarray(grads["embed"]["embedding"]).any()
    assert np.asarray(grads["head"]["logits"]["bias"]).any()
    assert text.count(" all-to-all(") == 2  # ids there and rows back, no gradients


@LONG
def test_the_model_on_an_explicit_mesh_has_equal_initial_rows():
    mesh = jax.make_mesh((2, 2), ("data", "vocab"), axis_types=(AxisType.Explicit,) * 2)
    model = make_model()
    with jax.set_mesh(mesh):
        params = shard_model(model, Rules(mesh)).init(KEY, IDS)["params"]
    found = params["embed"]["embedding"]
    wanted = model.init(KEY, IDS)["params"]["embed"]["embedding"]
    np.testing.assert_array_equal(to_words(found, N_WORDS), wanted)


class Pair(linen.Module):
    parts: tuple
    named: dict

    @linen.compact
    def __call__(self, ids):
        return sum(part(ids) for part in (*self.parts, *self.named.values()))


class Own(linen.Module):
    @linen.compact
    def __call__(self, ids):
        return nn.Embed(N_WORDS, 3)(ids)


class Scaled(nn.Embed):
    pass


def test_layers_in_lists_and_dicts_are_sharded_and_stay_shared():
    embed = nn.Embed(N_WORDS, 3)
    model = Pair(
        (embed, embed), {"other": nn.Embed(9, 3), "rest": linen.Embed(N_WORDS, 3)}
    )
    rules = make_rules((1, 4))
    sharded = shard_model(model, rules)
    shapes, plain = (
        jax.eval_shape(one.init, KEY, IDS % 9)["params"] for one in (sharded, model)
    )
    assert jax.tree.structure(shapes) == jax.tree.structure(plain)
    found = sorted(leaf.shape for leaf in jax.tree.leaves(shapes))
    assert found == [(12, 3), (37, 3), (40, 3)]
    assert sharded == shard_model(model, rules) and hash(sharded.parts[0])


def test_a_model_that_cannot_be_sharded_is_refused():
    rules = make_rules((1, 4))
    with pytest.raises(ValueError, match="got a Own without one: make the Embed outs"):
        shard_model(Own(), rules)
    with pytest.raises(ValueError, match="got a subclass, Scaled"):
        shard_model(Scaled(9, 2), rules)
    with pytest.raises(ValueError, match="has a lookup_fn of its own"):
        shard_model(nn.Embed(9, 2, lookup_fn=lambda table, ids: table[ids]), rules)
    with pytest.raises(ValueError, match="is sharded already"):
        shard_model(shard_model(nn.Embed(9, 2), rules), rules)


def test_a_sharded_layer_can_be_trained_row_by_row():
    # Its table has 8 rows, as has the table with which hooks are tried.
    check_embed(shard_model(nn.Embed(8, 2), Rules(make_mesh())), "embed")
