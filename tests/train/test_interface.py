"""Interface: ids are checked against the tables that read them, in any model."""

import warnings

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn, optim, train
from jaxembed.train._setup import inspect_model

N, L, V = 16, 5, 10
IDS = np.random.default_rng(0).integers(0, V, (N, L)).astype(np.int32)
LABELS = np.arange(N) % 2
BAD = IDS.copy()
BAD[7, 2] = 13  # out of range


def make(body):
    class Model(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, ids, train=False):
            return flax.linen.Dense(1)(body(ids))[:, 0]

    return Model()


def embed(n_rows=V, name="e"):
    return nn.Embed(n_rows, 4, name=name)


class Block(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, ids):
        return embed()(ids).mean(1)


def by_place(ids):
    """Read the first two columns from one table, and the rest from another."""
    users, items = embed(2000, "users"), embed(V, "items")
    return users(ids[:, :2]).mean(1) + items(ids[:, 2:]).mean(1)


CHECKED = {
    "unchanged": lambda ids: embed()(ids).mean(1),
    "by keyword": lambda ids: embed()(ids=ids).mean(1),
    "flax's": lambda ids: flax.linen.Embed(V, 4)(ids).mean(1),
    "flax's by keyword": lambda ids: flax.linen.Embed(V, 4)(inputs=ids).mean(1),
    "flax's sliced": lambda ids: flax.linen.Embed(V, 4)(ids[:, :3]).mean(1),
    "sliced": lambda ids: embed()(ids[:, :3]).mean(1),
    "a bag": lambda ids: embed().bag(ids),
    "a bag of a slice": lambda ids: embed().bag(ids[:, 1:4], combine="max"),
    "two slices": lambda ids: sum(embed_twice(ids)),
    "reshaped": lambda ids: embed()(ids.reshape(-1)).reshape(len(ids), L, 4).mean(1),
    "reversed and stacked": lambda ids: embed()(jnp.stack([ids, ids[:, ::-1]])).mean(
        (0, 2)
    ),
    "cast": lambda ids: embed()(ids.astype(jnp.uint32)).mean(1),
    "where": lambda ids: embed()(jnp.where(ids > 0, ids, 0)).mean(1),
    "remat of the table": lambda ids: flax.linen.remat(nn.Embed)(V, 4)(ids).mean(1),
    "remat of a block": lambda ids: flax.linen.remat(Block)()(ids),
    "jit of a block": lambda ids: flax.linen.jit(Block)()(ids),
    "two tables": lambda ids: embed(2000, "f")(ids).mean(1) + embed()(ids).mean(1),
    "two tables by place": by_place,
}


def embed_twice(ids):
    table = embed()
    return table(ids[:, :2]).mean(1), table(ids[:, 2:]).mean(1)


@pytest.mark.parametrize("name", CHECKED)
def test_a_bad_id_is_named(name):
    model = make(CHECKED[name])
    variables = model.init(jax.random.key(0), IDS)
    settings = {"tx": optim.rmsprop(), "epochs": 1, "batch_size": 4}
    settings["key"] = jax.random.key(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train.fit(model, (IDS, LABELS), **settings)
    message = r"ids\[7, 2\] is 13, and the table has the rows 0 to 9"
    for call in (
        lambda: train.fit(model, (BAD, LABELS), **settings),
        lambda: train.fit(model, (IDS, LABELS), validation=(BAD, LABELS), **settings),
        lambda: train.predict(model, variables, BAD),
        lambda: train.evaluate(model, variables, BAD, LABELS),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_a_table_checks_only_what_it_reads():
    model = make(by_place)
    ids = IDS.copy()
    ids[:, :2] = 1999
    variables = model.init(jax.random.key(0), ids)
    assert np.isfinite(train.predict(model, variables, ids)).all()
    assert inspect_model(model, variables, ids).limits.tolist() == [2000] * 2 + [V] * 3


def computed(ids):
    return embed()(ids % V).mean(1)


def shifted(ids):
    return embed(V + 1)(ids + 1).mean(1)


def shifted_slice(ids):
    return embed(V + 1)(ids[:, :-1] + 1).mean(1)


def clipped(ids):
    return embed()(jnp.clip(ids, 0, V - 1)).mean(1)


def by_weights(ids):
    best = jnp.argmax(embed(2000, "f")(ids).sum(-1), -1)
    return embed()(best) + jnp.take_along_axis(ids, best[:, None], 1)


class Cell(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, total, ids):
        return total + embed()(ids), None


def in_scan(ids):
    cell = flax.linen.scan(
        Cell,
        variable_broadcast="params",
        split_rngs={"params": False},
        in_axes=1,
    )
    return cell()(jnp.zeros((len(ids), 4)), ids)[0]


def in_vmap(ids):
    table = embed()
    return jax.vmap(lambda row: table(row))(ids).mean(1)


def within(transform):
    def body(ids):
        table = embed()
        look_up = table if table.is_initializing() else transform(lambda i: table(i))
        return look_up(ids).mean(1)

    return body


class Either(flax.linen.Module):
    def setup(self):
        self.e, self.f = nn.Embed(V, 4), nn.Embed(2000, 4)

    def __call__(self, ids):
        if self.is_initializing():
            return (self.e(ids) + self.f(ids)).mean(1)
        rows = flax.linen.cond(
            ids[0, 0] > 5, lambda m, i: m.e(i), lambda m, i: m.f(i), self, ids
        )
        return rows.mean(1)


COMPUTED = {
    "computed": computed,
    "clipped": clipped,
    "shifted": shifted,
    "a shifted slice": shifted_slice,
    "by weights": by_weights,
    "in a scan": in_scan,
    "in a vmap": in_vmap,
    "in jax.jit": within(jax.jit),
    "in jax.checkpoint": within(jax.checkpoint),
    "in branches": lambda ids: Either()(ids),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_ids_that_cannot_be_checked_are_said_once(name):
    settings = {"tx": optim.rmsprop(), "epochs": 2, "batch_size": 4}
    settings["key"] = jax.random.key(0)
    with pytest.warns(
        UserWarning, match=r"ids were not checked .*e.embedding"
    ) as found:
        train.fit(
            make(COMPUTED[name]),
            (BAD % V, LABELS),
            validation=(IDS, LABELS),
            **settings,
        )
    assert len(found) == 1


def test_a_negative_id_is_named():
    model = make(CHECKED["unchanged"])
    with pytest.raises(ValueError, match=r"ids\[7, 2\] is -1, .* 0 to 9: give ids fr"):
        settings = {"tx": optim.rmsprop(), "epochs": 1, "batch_size": 4}
        ids = np.where(BAD == 13, -1, BAD)
        train.fit(model, (ids, LABELS), key=jax.random.key(0), **settings)


def test_a_frozen_table_that_is_only_attended_is_frozen():
    class Attends(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, ids, train=False):
            query = embed()(ids).mean(1)
            return nn.Embed(V, 4, frozen=True, name="f").attend(query).sum(1)

    variables = jax.eval_shape(Attends().init, jax.random.key(0), IDS)
    assert inspect_model(Attends(), variables, IDS).frozen == {("f", "embedding")}


def test_a_table_of_positions_reads_no_ids():
    def body(ids):
        places = embed(L, "p")(jnp.arange(L)).mean(0)
        return embed()(ids).mean(1) + places[None]

    model = make(body)
    variables = jax.eval_shape(model.init, jax.random.key(0), IDS)
    interface = inspect_model(model, variables, IDS)
    assert not interface.unchecked
    assert interface.limits.tolist() == [V] * L


def test_probing_needs_no_weights():
    """Inspect a table of 16 GB by its shape."""
    model = make(lambda ids: embed(10**9)(ids[:, ::-1]).mean(1))
    variables = jax.eval_shape(model.init, jax.random.key(0), IDS)
    assert inspect_model(model, variables, IDS).limits.tolist() == [10**9] * L
