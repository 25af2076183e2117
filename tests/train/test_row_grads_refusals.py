"""Row gradients: models that would lose them raise an error with the remedy."""

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn
from tests.train.conftest import V
from tests.train.test_row_grads import LISTED, TX, Cell, embed, make, scan, vmap


class Tied(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, ids, train=False):
        e = embed()
        return e.attend(e(ids).mean(1))[:, 0]


class OnlyWhenTested(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, ids, train=False):
        e, rows = embed(), embed("f")(ids)
        return (rows if train else rows + e(ids)).mean((1, 2))


class PastTheEmbed(nn.Embed):
    def __call__(self, ids):
        return self.embedding[ids]


def within(transform, ids):
    e = embed()
    look_up = e if e.is_initializing() else transform(lambda ids: e(ids))
    return look_up(ids).mean(1)


class Branches(flax.linen.Module):
    def setup(self):
        self.e, self.f = nn.Embed(V, 3), nn.Embed(V, 3)

    def __call__(self, ids):
        if self.is_initializing():
            return (self.e(ids) + self.f(ids)).mean(1)
        rows = flax.linen.cond(
            ids[0, 0] > 5, lambda m, i: m.e(i), lambda m, i: m.f(i), self, ids
        )
        return rows.mean(1)


class Mapped(flax.linen.Module):
    def setup(self):
        self.e = nn.Embed(V, 3)

    def __call__(self, ids):
        if self.is_initializing():
            return self.e(ids).mean(1)
        double = flax.linen.map_variables(
            lambda module, ids: module.e(ids),
            "params",
            trans_in_fn=lambda params: jax.tree.map(lambda leaf: 2 * leaf, params),
        )
        return double(self, ids).mean(1)


def branches(ids):
    return Branches()(ids)


def within_vmap(ids):
    e = embed()
    return jax.vmap(lambda row: e(row))(ids).mean(1)


def half_listed(ids):
    return scan(ids, **LISTED) + scan_again(ids)


def scan_again(ids):
    cell = flax.linen.scan(
        Cell,
        variable_broadcast="params",
        split_rngs={"params": False},
        in_axes=1,
    )
    return cell(name="again")(jnp.zeros((len(ids), 3)), ids)[0]


def other_axes(row_grads, row_ids):
    return make(lambda ids: scan(ids, row_grads=row_grads, row_ids=row_ids))


REFUSED = {
    "a hook that scales rows": (
        make(lambda i: embed(lookup_fn=lambda t, i: 2 * nn.lookup(t, i))(i).mean(1)),
        "e.embedding .*lookup_fn does not return the rows",
    ),
    "a hook that scales bags": (
        make(lambda i: embed(bag_fn=lambda t, i, *_: 2 * t[i].mean(1)).bag(i)),
        "e.embedding .*bag_fn does not return the rows",
    ),
    "a table that is mapped": (
        make(lambda ids: Mapped()(ids)),
        "e.embedding.*computes the table from the parameter",
    ),
    "axes that differ": (other_axes(1, 0), "with axes that differ or are negative"),
    "axes that differ too": (other_axes(0, 1), "with axes that differ or are neg"),
    "negative axes": (other_axes(-1, -1), "with axes that differ or are negative"),
    "jit of JAX": (
        make(lambda ids: within(jax.jit, ids)),
        "e.embedding.*in a transformation of JAX",
    ),
    "checkpoint of JAX": (
        make(lambda ids: within(jax.checkpoint, ids)),
        "e.embedding.*in a transformation of JAX",
    ),
    "branches that differ": (
        make(lambda ids: branches(ids)),
        "e.embedding.*in branches that differ",
    ),
    "scan without the collections": (
        make(lambda ids: scan(ids)),
        r"cell.e.embedding.*nn.scan or nn.vmap, add variable_axes=.*row_grads.* there",
    ),
    "vmap without the collections": (
        make(lambda ids: vmap(ids)),
        "e.embedding.*in nn.scan or nn.vmap, add variable_axes=.*row_ids.* there",
    ),
    "one scan of two": (
        make(half_listed),
        "again.e.embedding.*add variable_axes=.* there",
    ),
    "vmap of JAX": (make(within_vmap), "e.embedding.*in a transformation of JAX"),
    "tied weights": (Tied(), "e.embedding by the rows.*in another way.*with tx"),
    "only when tested": (
        OnlyWhenTested(),
        "trains e.embedding by.*looks up no rows when",
    ),
    "a method past the lookup": (
        make(lambda ids: PastTheEmbed(V, 3, name="e")(ids).mean(1)),
        "e.embedding by the rows.*in another way",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore:ids were not checked")
def test_a_lost_gradient_is_refused_and_trained_by_tx(fit, name):
    model, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        fit(model=model, table_tx=TX, epochs=1)
    assert np.isfinite(fit(model=model, epochs=1)[1].loss).all()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:ids were not checked")
def test_a_table_for_each_element_is_refused(fit_form):
    mapped = flax.linen.vmap(
        nn.Embed,
        variable_axes={"params": 0, **LISTED},
        split_rngs={"params": True},
        in_axes=1,
        out_axes=1,
    )
    model = make(lambda ids: mapped(V, 3, name="e")(ids).mean(1))
    with pytest.raises(ValueError, match=r"table must have the axes \[V, D\]"):
        fit_form("sparse", model=model, table_tx=TX, epochs=1)
