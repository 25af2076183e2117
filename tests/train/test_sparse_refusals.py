"""Models whose tables cannot be trained row by row: refused, and never wrongly."""

import functools

import chex
import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn, optim

from .conftest import L, V

TX = optim.sparse_sgd(0.3)


def make(body, **embed):
    """A model whose ``body(ids)`` gives vectors."""

    class Model(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, ids, train=False):
            return flax.linen.Dense(1)(body(ids))[:, 0]

    return Model()


def embed(name="e", **settings):
    return nn.Embed(V, 3, name=name, **settings)


class Overridden(nn.Embed):
    def read_rows(self, table, ids):
        return 2 * super().read_rows(table, ids)


class Tied(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, ids, train=False):
        e = embed()
        return e(ids).mean(1) @ e.embedding[:2].T


class OnlyWhenTested(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, ids, train=False):
        e, rows = embed(), embed("f")(ids)
        return (rows if train else rows + e(ids)).mean((1, 2))


def within_vmap(ids):
    e = embed()
    return jax.vmap(lambda row: e(row))(ids).mean(1)


REFUSED = {
    "another lookup": (
        make(lambda i: embed(lookup_fn=lambda t, i: 8 * nn.lookup(t, i))(i).mean(1)),
        "e.embedding row by row, for which its lookup_fn must be",
    ),
    "a lookup that clips": (
        make(
            lambda i: embed(lookup_fn=functools.partial(nn.lookup, mode="clip"))(
                i
            ).mean(1)
        ),
        "its lookup_fn must be .*mode='clip'",
    ),
    "another bag": (
        make(lambda i: embed(bag_fn=lambda *a, **k: nn.embedding_bag(*a)).bag(i)),
        "its bag_fn must be",
    ),
    "another method": (
        make(lambda i: Overridden(V, 3, name="e")(i).mean(1)),
        "its read_rows must be",
    ),
    "tied weights": (Tied(), "e.embedding by the rows.*in another way.*with tx"),
    "only when tested": (OnlyWhenTested(), "e.embedding, which the model does not"),
    "remat": (
        make(lambda i: flax.linen.remat(nn.Embed)(V, 3, name="e")(i).mean(1)),
        "e.embedding by the rows.*within a transformation",
    ),
    "vmap": (make(within_vmap), "e.embedding by the rows.*within a transformation"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_and_trained_by_tx(fit, name):
    model, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        fit(model=model, table_tx=TX, epochs=1)
    assert np.isfinite(fit(model=model, epochs=1)[1].loss).all()


@pytest.mark.parametrize("name", ["a/b", "a b"])
def test_any_name_of_a_layer(fit, name):
    model = make(lambda i: embed(name)(i).mean(1))
    losses = [
        fit(model=model, table_tx=TX, layout=layout)[1].loss
        for layout in ("sparse", "dense")
    ]
    np.testing.assert_allclose(*losses, atol=1e-6)


def test_a_promise_is_kept(fit):
    lookup_fn = functools.partial(nn.lookup, mode="promise_in_bounds")
    models = [
        make(lambda i, s=settings: embed(**s)(i).mean(1))
        for settings in ({}, {"lookup_fn": lookup_fn})
    ]
    losses = [fit(model=m, table_tx=TX, layout="sparse")[1].loss for m in models]
    assert losses[0] == losses[1]


def test_an_id_past_32_bits_is_not_another_row(fit):
    def body(ids):
        e = embed()
        far = np.full((ids.shape[0], 1), 2**32 + 1)
        return e(ids).mean(1) + e(far).mean(1)

    with pytest.raises(FloatingPointError):  # a row of NaN, as in any layout
        fit(model=make(body), table_tx=TX, layout="sparse")


@pytest.mark.parametrize("layout", ["sparse", "dense"])
def test_nan_in_a_padding_row_is_no_failure(fit, layout):
    model = nn.TextClassifier(nn.Embed(V, 3, padding_idx=2), nn.PooledDense())
    params = model.init(jax.random.key(0), np.zeros((1, L), int))["params"]
    table = params["embed"]["embedding"]
    params["embed"]["embedding"] = table.at[2].set(jnp.nan)
    _, history = fit(model=model, params=params, table_tx=TX, layout=layout)
    assert np.isfinite(history.loss).all()


def test_a_table_of_16_bits_does_not_overflow_in_its_check(fit):
    ones = flax.linen.initializers.ones
    table = nn.Embed(70_000, 1, param_dtype=jnp.float16, embedding_init=ones)
    model = nn.TextClassifier(table, nn.PooledDense())
    assert np.isfinite(fit(model=model, table_tx=TX, epochs=1)[1].loss).all()


@pytest.mark.parametrize("bad", ["1", True, np.array([1.0]), None])
def test_norms_that_are_no_numbers(fit, bad):
    if bad is None:
        state, _ = fit(max_norm=jnp.array(0.1), table_tx=TX, layout="sparse")
        same, _ = fit(max_norm=0.1, table_tx=TX, layout="sparse")
        chex.assert_trees_all_equal(state.tables, same.tables)
        return
    with pytest.raises(TypeError, match="max_norm must be a number"):
        fit(max_norm=bad)


def test_constants_of_a_schedule_make_another_run(fit, tmp_path):
    def tx(first):
        rates = jnp.linspace(first, 0.5, 100)
        return optim.sparse_sgd(lambda count: rates[count])

    settings = {"layout": "sparse", "checkpoint": tmp_path / "run"}
    fit(table_tx=tx(0.1), epochs=1, **settings)
    with pytest.raises(ValueError, match="with other program"):
        fit(table_tx=tx(0.2), epochs=2, **settings)
    _, history = fit(table_tx=tx(0.1), epochs=2, **settings)
    assert len(history) == 2


def test_only_what_is_known_is_folded():
    class Tripled(nn.TextClassifier):
        def __call__(self, ids, train=False):
            return self.head(self.embed.bag(ids) * 3, train=train)

    model = Tripled(nn.Embed(V, 3), nn.PooledDense())
    variables = model.init(jax.random.key(0), np.zeros((1, L), int))
    with pytest.raises(TypeError, match="got a Tripled of Embed and PooledDense"):
        nn.fold(model, variables)
    clip = functools.partial(nn.embedding_bag, mode="clip")
    model = nn.TextClassifier(nn.Embed(V, 3, bag_fn=clip), nn.PooledDense())
    with pytest.raises(ValueError, match="whose bag_fn is embedding_bag"):
        nn.fold(model, variables)
