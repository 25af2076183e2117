"""fit(mesh=): losses and weights are those of one device, and tables are spread."""

import re

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxembed import nn, optim, train
from jaxembed.nn._initializers import keras_uniform
from tests.train.sharded.conftest import (
    HELD_OUT,
    IDS,
    LABELS,
    MODEL,
    SPARSE,
    TABLE,
    TX,
    V,
    assert_close,
    leaves_of,
    make_mesh,
    run,
    table_of,
)

FLAT = nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead((5,), 2, 0.2))
FROZEN = nn.TextClassifier(nn.Embed(V, 4, frozen=True), nn.DenseHead((5,)))
GIVEN = {"embed": {"embedding": TABLE}}
IS_TRAINED = np.arange(V) % 3 > 0
ARMS = {
    "row-sparse": (MODEL, SPARSE | {"trainable_rows": IS_TRAINED, "params": GIVEN}),
    "row-sparse, unfrozen": (MODEL, SPARSE | {"unfreeze_after": 3, "params": GIVEN}),
    "row-sparse adagrad, flattened": (
        FLAT,
        {"table_tx": optim.sparse_adagrad(0.05, per_row=True)},
    ),
    "row-sparse, lengths": (MODEL, SPARSE | {"lengths": (3,)}),
    "learned": (
        FLAT,
        {"max_norm": 0.1, "trainable_rows": IS_TRAINED, "params": GIVEN},
    ),
    "learned, unfrozen": (FLAT, {"unfreeze_after": 3}),
    "frozen": (FROZEN, {"params": GIVEN}),
    "frozen, drawn": (FROZEN, {}),
    "weighted, best state": (
        MODEL,
        {
            "data": (IDS, LABELS, np.linspace(0, 2, len(IDS))),
            "stopping": train.Stopping(keep_best=True, patience=9),
        },
    ),
}
SHAPES = [(1, 4), (2, 2), (4, 1)]
QUICK = ("row-sparse", (2, 2))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        pytest.param(n, s, marks=[pytest.mark.long] * ((n, s) != QUICK))
        for n in ARMS
        for s in SHAPES
    ],
)
def test_a_mesh_gives_the_losses_and_weights_of_one_device(name, shape):
    model, changed = ARMS[name]
    given = dict(changed)
    if "lengths" in given:
        texts = np.where(
            np.arange(6) < 3 + 3 * (np.arange(len(IDS)) % 2)[:, None], IDS, 0
        )
        given["data"] = texts, LABELS
    given["validation"] = HELD_OUT
    one = run(model, **given)
    spread = run(model, **given, mesh=make_mesh(*shape))
    assert_close(spread, one)
    is_sparse = "table_tx" in given
    assert len(jax.tree.leaves(spread[0].tables)) == is_sparse
    if "trainable_rows" in given:
        same = (table_of(spread[0]) == TABLE).all(1)
        assert same[~IS_TRAINED].all() and not same[np.unique(IDS)].all()
    check_parts(spread[0], shape[1])


def check_parts(state, n_shards):
    """Check that each device has its part of all arrays with a row for each word."""
    n_stored = state.shards.rules.pad(V)
    by_row = [leaf for leaf in jax.tree.leaves(state) if leaf.shape[:1] == (n_stored,)]
    # The table, and the moments of rmsprop, with last and slot if it is row-sparse.
    assert len(by_row) >= 1 + (not state.frozen) + bool(state.tables)
    for leaf in by_row:
        sizes = {shard.data.shape[0] for shard in leaf.addressable_shards}
        assert sizes == {n_stored // n_shards} and len(leaf.addressable_shards) == 4


@pytest.mark.parametrize(
    "form", ["sparse", pytest.param("dense", marks=pytest.mark.long)]
)
def test_no_table_is_gathered(form):
    n_words, dim, mesh = 40_003, 3, make_mesh(1, 4)
    model = nn.TextClassifier(nn.Embed(n_words, dim), nn.DenseHead(), pool="mean")
    settings = {"table_tx": optim.sparse_rmsprop(0.01), "max_norm": 1.0}
    settings = settings if form == "sparse" else {"max_norm": 1.0}
    ids = jnp.asarray(IDS)
    plan, _ = train.make_plan(model, TX, ids[:8], mesh=mesh, **settings)
    state = train.create_state(plan, ids[:8], key=jax.random.key(0))
    assert bool(state.tables) == (form == "sparse")
    places = jax.tree.map(lambda leaf: leaf.sharding, state)
    whole = plan.rules.whole
    data = jax.device_put((ids, jnp.asarray(LABELS)), whole)
    rest = jax.device_put((jnp.arange(len(ids)), jax.random.key(0)), whole)
    epoch = jax.jit(
        train.run_epoch,
        static_argnums=0,
        static_argnames="batch_size",
        out_shardings=(places, None, None),
    )
    text = (
        epoch.lower(plan, state, {}, data, *rest, 0, batch_size=8).compile().as_text()
    )
    assert "all-to-all" in text and "[10001,3]" in text
    sizes = [
        np.prod([int(n) for n in size.split(",") if n], dtype=int)
        for size in re.findall(r"\[([\d,]*)\][^\n=]*all-(?:gather|reduce)\(", text)
    ]
    assert sizes and max(sizes) <= IDS.size  # ids and gradients of the head
    assert f"[{n_words}" not in text and "[40004" not in text


@pytest.mark.parametrize("most", [5_000_000, pytest.param(0, marks=pytest.mark.long)])
def test_initial_weights_are_those_of_one_device(most, monkeypatch):
    # Up to this number of weights, one device draws all of them.
    monkeypatch.setattr("jaxembed.train._state.MANY", most)
    for init in (keras_uniform, jax.nn.initializers.lecun_normal()):
        embed = nn.Embed(V, 4, padding_idx=7, embedding_init=init)
        plan, spread = (
            train.make_plan(nn.TextClassifier(embed, nn.DenseHead()), TX, IDS, mesh=m)[
                0
            ]
            for m in (None, make_mesh(2, 2))
        )
        one, other = (
            leaves_of(train.create_state(p, IDS, key=jax.random.key(2)))
            for p in (plan, spread)
        )
        assert one.keys() == other.keys()
        for name, leaf in one.items():
            is_exact = most or init is keras_uniform
            np.testing.assert_allclose(other[name], leaf, atol=0 if is_exact else 1e-8)


def test_a_state_of_another_form_is_refused():
    # Its state has the rows of a table as the second axis.
    def init(params):
        return jax.tree.map(jnp.transpose, params)

    tx = optax.GradientTransformation(init, lambda grads, state, _: (grads, state))
    with pytest.raises(ValueError, match=r"first axis, got opt_state\..* \[4, 301\]"):
        run(tx=tx, mesh=make_mesh(1, 4))


def test_a_batch_must_divide():
    with pytest.raises(ValueError, match=r"the 4 devices .* got 6: give 4 or 8, or a"):
        run(batch_size=6, mesh=make_mesh(2, 2))
    with pytest.raises(ValueError, match=r"the 4 devices .* got 2: give 4, or a mesh"):
        run(batch_size=2, mesh=make_mesh(2, 2))


def test_a_mesh_needs_its_axes():
    with pytest.raises(ValueError, match=r"axes 'data' and 'vocab', got \('x',\)"):
        run(mesh=jax.make_mesh((4,), ("x",)))
    with pytest.raises(TypeError, match=r"must be a jax.sharding.Mesh, .* got int"):
        run(mesh=4)


def test_an_explicit_mesh_must_not_be_set():
    mesh = jax.make_mesh((1, 4), ("data", "vocab"))
    with (
        jax.set_mesh(mesh),
        pytest.raises(ValueError, match=r"outside of it, or set a"),
    ):
        train.make_plan(MODEL, TX, IDS, mesh=mesh)


class Nested(flax.linen.Module):
    """Model with a table at a path that ends like the path of the other."""

    embed: nn.Embed
    encoder: nn.TextClassifier

    def __call__(self, ids, train=False):
        return self.encoder(ids) + self.embed(ids).mean((1, 2))


def test_the_rows_of_a_table_are_not_those_of_a_shorter_path():
    encoder = nn.TextClassifier(nn.Embed(V + 1, 4), nn.DenseHead())
    plan, _ = train.make_plan(
        Nested(nn.Embed(V, 4), encoder), TX, IDS, mesh=make_mesh(1, 4)
    )
    paths = ("embed", "embedding"), ("encoder", "embed", "embedding")
    assert plan.rules.pad(V) == plan.rules.pad(V + 1) == 304
    for path, n_words in zip(paths, (V, V + 1), strict=True):
        assert plan.shards.count(path, (304, 4)) == n_words
        assert plan.shards.count(("opt_state", "0", *path), (304, 4)) == n_words


class OwnTable(nn.TextClassifier):
    """Model that has an Embed, and makes another one itself."""

    def setup(self):
        self.other = nn.Embed(V, 4)

    def __call__(self, ids, train=False):
        return self.head(self.embed(ids) + self.other(ids), train=train)


def test_a_model_that_makes_its_table_is_refused():
    mesh = make_mesh(1, 4)
    with pytest.raises(ValueError, match=r"rows of other.embedding .* as a field"):
        run(OwnTable(nn.Embed(V, 4), nn.DenseHead()), mesh=mesh)
