"""Row gradients: equal to the dense gradient in many forms of model."""

import functools

import chex
import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn, optim, train
from jaxembed.nn._row_grads import make_taps

from .conftest import L, V

TX = optim.sparse_sgd(0.3)
LISTED = {"row_grads": 0, "row_ids": 0}


def make(body):
    """Return a classifier of the vectors that ``body(ids)`` returns."""

    class Model(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, ids, train=False):
            return flax.linen.Dense(1)(body(ids))[:, 0]

    return Model()


def embed(name="e", **settings):
    return nn.Embed(V, 3, name=name, **settings)


class Cell(flax.linen.Module):
    """Step of a scan that adds the row of one word of each text."""

    @flax.linen.compact
    def __call__(self, total, ids):
        return total + embed()(ids), None


def scan(ids, **axes):
    cell = flax.linen.scan(
        Cell,
        variable_axes=axes,
        variable_broadcast="params",
        split_rngs={"params": False},
        in_axes=1,
    )
    return cell(name="cell")(jnp.zeros((len(ids), 3)), ids)[0]


def vmap(ids, **axes):
    mapped = flax.linen.vmap(
        nn.Embed, variable_axes={"params": None, **axes}, split_rngs={"params": False}
    )
    return mapped(V, 3, name="e")(ids).mean(1)


class Block(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, ids):
        return jnp.tanh(flax.linen.Dense(3)(embed()(ids))).mean(1)


class Doubled(nn.Embed):
    def __call__(self, ids):
        return 2 * super().__call__(ids)


class Weighted(flax.linen.Module):
    """Bag with learned weights of the words."""

    @flax.linen.compact
    def __call__(self, ids):
        weights = self.param("weights", flax.linen.initializers.ones, (V,))
        return embed().bag(ids, weights[ids], ids != 3)


def twice(ids):
    table = embed()
    return table(ids).mean(1) + table(ids[:, :2] // 2).mean(1)


TRAINED = {
    "plain": make(lambda ids: embed()(ids).mean(1)),
    "padding": make(lambda ids: embed(padding_idx=2)(ids).mean(1)),
    "sliced": make(lambda ids: embed()(ids[:, 1:3]).mean(1)),
    "by keyword": make(lambda ids: embed()(ids=ids).mean(1)),
    "one axis": make(lambda ids: embed()(ids[:, 0])),
    "three axes": make(lambda ids: embed()(ids.reshape(-1, 2, 3)).mean((1, 2))),
    "computed ids": make(lambda ids: embed()((ids * 7) % V).mean(1)),
    "twice": make(twice),
    "a bag": make(lambda ids: embed().bag(ids, None, ids > 4)),
    "a bag of maxima": make(lambda ids: embed().bag(ids, combine="max")),
    "a bag with learned weights": make(lambda ids: Weighted()(ids)),
    "a subclass": make(lambda ids: Doubled(V, 3, name="e")(ids).mean(1)),
    "a hook for rows": make(
        lambda ids: embed(lookup_fn=lambda t, i: jnp.take(t, i, axis=0))(ids).mean(1)
    ),
    "a hook for bags": make(
        lambda ids: embed(bag_fn=lambda t, i, *_: t[i].mean(1)).bag(ids)
    ),
    "remat of the table": make(
        lambda ids: flax.linen.remat(nn.Embed)(V, 3, name="e")(ids).mean(1)
    ),
    "remat of a block": make(lambda ids: flax.linen.remat(Block)()(ids)),
    "jit of a block": make(lambda ids: flax.linen.jit(Block)()(ids)),
    "scan": make(lambda ids: scan(ids, **LISTED)),
    "vmap": make(lambda ids: vmap(ids, **LISTED)),
}


# The others take long together.
QUICK = ("twice",)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in QUICK else pytest.mark.long)
        for name in TRAINED
    ],
)
@pytest.mark.filterwarnings("ignore:ids were not checked")
def test_the_rows_have_the_dense_gradient(fit_form, name):
    settings = {"model": TRAINED[name], "table_tx": TX, "epochs": 1}
    dense, _ = fit_form("dense", **settings)
    sparse, _ = fit_form("sparse", **settings)
    assert sparse.tables and not dense.tables
    chex.assert_trees_all_close(sparse.variables, dense.variables, atol=1e-6)
    before, _ = fit_form("sparse", **(settings | {"epochs": 0}))
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), sparse.tables, before.tables)
    assert all(change > 1e-4 for change in jax.tree.leaves(moved))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:ids were not checked")
def test_two_axes_may_be_another_than_the_first(fit_form):
    """Stack both collections along axis 1 of the scan."""
    model = make(lambda ids: scan(ids, row_grads=1, row_ids=1))
    losses = [
        fit_form(form, model=model, table_tx=TX)[1].loss for form in ("sparse", "dense")
    ]
    np.testing.assert_allclose(*losses, atol=1e-6)


def test_all_collections_mutable_is_no_step(examples):
    """Take the usual gradients under ``model.apply(..., mutable=True)``."""
    model, ids = make(twice), jnp.asarray(examples[0][:8])
    params = model.init(jax.random.key(0), ids)["params"]

    def loss(params, **settings):
        found = model.apply({"params": params}, ids, **settings)
        logits = found[0] if settings else found
        return (logits**2).sum()

    expected = jax.grad(loss)(params)
    found = jax.grad(lambda p: loss(p, mutable=True))(params)
    chex.assert_trees_all_close(found, expected, atol=1e-7)
    assert np.abs(expected["e"]["embedding"]).max() > 0


def test_taps_have_the_shape_of_each_lookup(model, examples):
    ids = examples[0][:8]
    variables = jax.eval_shape(model.init, jax.random.key(0), ids)
    taps = make_taps(model, variables, ids, frozenset([("embed", "embedding")]))
    chex.assert_shape(taps["embed", "embedding"], (8, L, 4))


@pytest.mark.parametrize("name", ["a/b", pytest.param("a b", marks=pytest.mark.long)])
def test_any_name_of_a_layer(fit_form, name):
    model = make(lambda ids: embed(name)(ids).mean(1))
    losses = [
        fit_form(form, model=model, table_tx=TX)[1].loss for form in ("sparse", "dense")
    ]
    np.testing.assert_allclose(*losses, atol=1e-6)


def test_a_promise_is_kept(fit_form):
    lookup_fn = functools.partial(nn.lookup, mode="promise_in_bounds")
    models = [
        make(lambda ids, s=settings: embed(**s)(ids).mean(1))
        for settings in ({}, {"lookup_fn": lookup_fn})
    ]
    losses = [fit_form("sparse", model=m, table_tx=TX)[1].loss for m in models]
    assert losses[0] == losses[1]


def test_an_id_past_32_bits_is_not_another_row(fit_form):
    def body(ids):
        e = embed()
        far = np.full((ids.shape[0], 1), 2**32 + 1)
        return e(ids).mean(1) + e(far).mean(1)

    # Reads a row of NaN, as the dense form. The id is clipped to 32 bits.
    with pytest.raises(ValueError, match="looks up the id 2147483647, which no pos"):
        fit_form("sparse", model=make(body), table_tx=TX)


@pytest.mark.parametrize("form", ["sparse", "dense"])
def test_nan_in_a_padding_row_is_no_failure(fit_form, form):
    table = nn.Embed(V, 3, padding_idx=2)
    model = nn.TextClassifier(table, nn.DenseHead(), pool="mean")
    params = model.init(jax.random.key(0), np.zeros((1, L), int))["params"]
    table = params["embed"]["embedding"]
    params["embed"]["embedding"] = table.at[2].set(jnp.nan)
    _, history = fit_form(form, model=model, params=params, table_tx=TX)
    assert np.isfinite(history.loss).all()


def test_a_table_of_16_bits_does_not_overflow_in_its_check(fit):
    ones = flax.linen.initializers.ones
    table = nn.Embed(70_000, 1, param_dtype=jnp.float16, embedding_init=ones)
    model = nn.TextClassifier(table, nn.DenseHead(), pool="mean")
    assert np.isfinite(fit(model=model, table_tx=TX, epochs=1)[1].loss).all()


@pytest.mark.parametrize("bad", ["1", True, np.array([1.0]), None])
def test_norms_that_are_no_numbers(fit, fit_form, bad):
    if bad is None:
        state, _ = fit_form("sparse", max_norm=jnp.array(0.1), table_tx=TX)
        same, _ = fit_form("sparse", max_norm=0.1, table_tx=TX)
        chex.assert_trees_all_equal(state.tables, same.tables)
        return
    with pytest.raises(TypeError, match="max_norm must be a number"):
        fit(max_norm=bad)


@pytest.mark.long
def test_constants_of_a_schedule_make_another_run(fit_form, tmp_path):
    def tx(first):
        rates = jnp.linspace(first, 0.5, 100)
        return optim.sparse_sgd(lambda count: rates[count])

    fit = functools.partial(fit_form, "sparse", checkpoint=tmp_path / "run")
    fit(table_tx=tx(0.1), epochs=1)
    with pytest.raises(ValueError, match="differs in program"):
        fit(table_tx=tx(0.2), epochs=2)
    _, history = fit(table_tx=tx(0.1), epochs=2)
    assert len(history) == 2


@pytest.mark.long
def test_the_step_traces_the_model_without_interception(monkeypatch, model, examples):
    ids = jnp.asarray(examples[0][:4])
    plan, _ = train.make_plan(model, optim.rmsprop(), ids, table_tx=TX)
    key = jax.random.key(0)
    state = train.create_state(plan, ids, key=key, sparse=plan.tables)
    batch = train.Batch(ids, jnp.asarray(examples[1][:4]), jnp.ones(4, bool))

    def refuse(*arguments):
        raise AssertionError("a method of the model was intercepted")

    monkeypatch.setattr(flax.linen, "intercept_methods", refuse)
    after, _ = train.step(plan, state, {}, batch, key)
    assert not np.array_equal(*(s.tables["embed"]["embedding"] for s in (state, after)))
