"""Row-sparse training: equal to the dense form, with memory for the batch only."""

import chex
import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxembed import nn, optim, train
from jaxembed.train import _compilation

from .conftest import L, N, V, bits, start_of, table_of

SCHEDULE = optax.linear_schedule(0.1, 0.01, 20)
OPTIMIZERS = {
    "sgd": optim.sparse_sgd(SCHEDULE),
    "adagrad": optim.sparse_adagrad(0.1),
    "adagrad per row": optim.sparse_adagrad(SCHEDULE, per_row=True),
    "rmsprop": optim.sparse_rmsprop(0.01),
    "lazy adam": optim.lazy_adam(0.01),
}
HEADS = {
    "flatten": {"head": nn.DenseHead()},
    "mean": {"head": nn.DenseHead(), "pool": "mean"},
    "max": {"head": nn.DenseHead(hidden=(3,)), "pool": "max"},
}
LATER = [pytest.param(head, marks=pytest.mark.long) for head in ("mean", "max")]


class Twice(flax.linen.Module):
    """Model that reads one table twice, by different ids, and one by position."""

    embed: flax.linen.Module
    places: flax.linen.Module

    @flax.linen.compact
    def __call__(self, ids, train=False):
        rows = self.embed(ids) + self.places(jnp.arange(ids.shape[1])[None])
        both = jnp.concatenate([rows, self.embed(ids[:, ::-1] // 2)], -1)
        return flax.linen.Dense(1)(both.mean(1))[:, 0]


def assert_forms_agree(fit_form, **changed):
    """Compare losses and weights of both forms; return the sparse run."""
    runs = {form: fit_form(form, **changed) for form in ("dense", "sparse")}
    (dense, dense_history), (sparse, history) = runs["dense"], runs["sparse"]
    assert not dense.tables and sparse.tables
    np.testing.assert_allclose(history.loss, dense_history.loss, atol=1e-6)
    chex.assert_trees_all_close(sparse.variables, dense.variables, rtol=0, atol=1e-6)
    return runs["sparse"]


@pytest.mark.parametrize(
    ("name", "head"),
    [
        *(pytest.param(name, "flatten", marks=pytest.mark.long) for name in OPTIMIZERS),
        ("sgd", "mean"),
        pytest.param("rmsprop", "max", marks=pytest.mark.long),
        ("adagrad per row", "mean"),
        ("lazy adam", "mean"),
    ],
)
def test_both_forms_give_the_same_weights(fit_form, name, head):
    model = nn.TextClassifier(nn.Embed(V, 4), **HEADS[head])
    start = model.init(jax.random.key(9), np.zeros((1, L), int))
    state, _ = assert_forms_agree(
        fit_form, model=model, table_tx=OPTIMIZERS[name], params=start["params"]
    )
    assert np.abs(table_of(state) - start["params"]["embed"]["embedding"]).max() > 0.01


@pytest.mark.parametrize("head", ["flatten", *LATER])
def test_padding_masks_and_clipping(fit_form, examples, head):
    embed = nn.Embed(V, 4, padding_idx=7)
    model = nn.TextClassifier(embed, **HEADS[head])
    trainable = np.arange(V) % 3 > 0
    start = start_of(model, examples)  # rows 3 and 4 change if 0 is added
    trainable[4] = False
    state, _ = assert_forms_agree(
        fit_form,
        model=model,
        params=start,
        table_tx=optim.sparse_adagrad(0.1),
        trainable_rows=trainable,
        max_norm=0.02,
    )
    kept = ~trainable | (np.arange(V) == 7)
    before = np.asarray(start["embed"]["embedding"])
    np.testing.assert_array_equal(bits(table_of(state))[kept], bits(before)[kept])
    moved = (table_of(state)[~kept] != before[~kept]).any(1)
    assert moved.mean() > (0.2 if head == "max" else 0.99)


def test_the_norm_is_that_of_all_gradients(fit_form, model, examples):
    """Move all parameters by the clipped norm, in one step of SGD at rate 1."""
    batch = tuple(array[:8] for array in examples)
    for form in ("dense", "sparse"):
        start = model.init(jax.random.key(3), batch[0])
        state, _ = fit_form(
            form,
            data=batch,
            params=start["params"],
            tx=optax.sgd(1.0),
            table_tx=optim.sparse_sgd(1.0),
            max_norm=0.125,
            epochs=1,
        )
        moved = jax.tree.map(jnp.subtract, state.variables, start)
        np.testing.assert_allclose(optax.tree.norm(moved), 0.125, rtol=1e-5)


def test_it_is_the_plain_rmsprop(fit, fit_form):
    state, history = fit_form(
        "sparse", tx=optim.rmsprop(0.01), table_tx=optim.sparse_rmsprop(0.01)
    )
    plain, plain_history = fit(tx=optim.rmsprop(0.01))
    np.testing.assert_allclose(history.loss, plain_history.loss, atol=1e-6)
    chex.assert_trees_all_close(state.variables, plain.variables, rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore:ids were not checked")
@pytest.mark.long
def test_tables_that_are_read_twice_and_by_other_ids(fit_form):
    model = Twice(nn.Embed(V, 4), nn.Embed(L, 4))
    state, _ = assert_forms_agree(fit_form, model=model, table_tx=OPTIMIZERS["rmsprop"])
    assert set(state.tables) == {"embed", "places"}


@pytest.mark.parametrize("name", ["sgd", "rmsprop", "lazy adam"])
@pytest.mark.long
def test_tables_that_are_unfrozen_late(fit_form, model, examples, name):
    start = start_of(model, examples)
    changed = {"table_tx": OPTIMIZERS[name], "params": start, "unfreeze_after": 2}
    state, _ = assert_forms_agree(fit_form, epochs=4, **changed)
    frozen, _ = fit_form("sparse", epochs=2, **changed)
    before = bits(start["embed"]["embedding"])
    np.testing.assert_array_equal(bits(table_of(frozen)), before)
    assert (bits(table_of(state)) != before).any()


@pytest.mark.filterwarnings("ignore:ids were not checked")
def test_a_frozen_table_beside_a_sparse_one(fit_form):
    model = Twice(nn.Embed(V, 4), nn.Embed(L, 4, frozen=True))
    state, _ = assert_forms_agree(fit_form, model=model, table_tx=OPTIMIZERS["sgd"])
    assert set(state.tables) == {"embed"} and set(state.frozen) == {"places"}


def compile_epoch(n_rows, dim, head, form):
    ids = jax.ShapeDtypeStruct((64, L), jnp.int32)
    model = nn.TextClassifier(nn.Embed(n_rows, dim), **HEADS[head])
    table_tx = optim.sparse_rmsprop()
    first = jnp.zeros((1, L), jnp.int32)
    plan, _ = train.make_plan(model, optim.rmsprop(), first, table_tx=table_tx)
    sparse = plan.tables if form == "sparse" else frozenset()
    state = train.create_state(plan, first, key=jax.random.key(0), sparse=sparse)
    labels = jax.ShapeDtypeStruct((64,), jnp.int32)

    def run(state, ids, labels, masks):
        data, key = (ids, labels), jax.random.key(0)
        settings = {"batch_size": 16, "trainable_rows": masks}
        return train.run_epoch(
            plan, state, {}, data, jnp.arange(64), key, 0, **settings
        )

    masks = {"embed": {"embedding": jax.ShapeDtypeStruct((n_rows,), bool)}}
    lowered = jax.jit(run, donate_argnums=0).lower(state, ids, labels, masks)
    return lowered.compile().memory_analysis()


@pytest.mark.parametrize("head", ["flatten", "mean"])
@pytest.mark.long
def test_memory_does_not_grow_with_the_vocabulary(head):
    dim = 16
    found = {n: compile_epoch(n, dim, head, "sparse") for n in (4_000, 60_000)}
    temporary = {n: memory.temp_size_in_bytes for n, memory in found.items()}
    # One number for each row, once an epoch, for the check that weights are finite.
    assert temporary[60_000] - temporary[4_000] <= 56_000 * 4
    assert temporary[4_000] < 60_000 * dim
    assert found[60_000].alias_size_in_bytes >= 2 * 4 * 60_000 * dim  # in place
    dense = compile_epoch(60_000, dim, head, "dense").temp_size_in_bytes
    assert dense >= 4 * 60_000 * dim  # so that the test can fail


def test_equal_shapes_are_compiled_once(fit_form, model):
    settings = {"tx": optim.rmsprop(0.01), "table_tx": OPTIMIZERS["rmsprop"]}
    fit_form("sparse", model=model, **settings)
    epoch = _compilation._jit(None, (), False)
    before = epoch._cache_size()
    for seed in (1, 2):
        mask = np.arange(V) % (seed + 1) > 0
        changed = {"trainable_rows": mask, "key": jax.random.key(seed)}
        fit_form("sparse", model=model, **settings, **changed)
    # The first mask adds a program; a new mask does not.
    assert epoch._cache_size() <= before + 1
    assert N % 8  # the last batch is padded


@pytest.mark.parametrize("batch_size", [1, 2])
def test_shapes_decide_the_form(fit, batch_size):
    """Train row by row if the table has more than three rows for each id."""
    state, _ = fit(table_tx=OPTIMIZERS["rmsprop"], batch_size=batch_size, epochs=1)
    assert bool(state.tables) == (3 * batch_size * L < V) == (batch_size == 1)


@pytest.mark.parametrize(("saved", "other"), [("dense", "sparse"), ("sparse", "dense")])
def test_a_checkpoint_keeps_its_form(fit_form, tmp_path, saved, other):
    """Keep the form of the checkpoint where the shapes would decide otherwise."""
    settings = {"table_tx": OPTIMIZERS["rmsprop"], "tx": optim.rmsprop(0.01)}
    path = tmp_path / "run"
    first, _ = fit_form(saved, epochs=1, checkpoint=path, **settings)
    state, history = fit_form(other, epochs=2, checkpoint=path, **settings)
    whole, expected = fit_form(saved, epochs=2, **settings)
    assert bool(first.tables) == bool(state.tables) == (saved == "sparse")
    chex.assert_trees_all_equal(state, whole)
    assert history.loss == expected.loss


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"tx": optim.sparse_sgd(0.1)}, TypeError, "give it as table_tx"),
        ({"table_tx": optim.rmsprop()}, TypeError, "must be a row-sparse optimizer"),
        ({"max_norm": 0.0}, ValueError, "max_norm must be a positive number"),
        ({"max_norm": float("nan")}, ValueError, "max_norm must be"),
        (
            {"model": nn.TextClassifier(flax.linen.Embed(V, 4), nn.DenseHead())},
            ValueError,
            "embed.embedding row by row.*jaxembed.nn.Embed",
        ),
        (
            {"model": nn.TextClassifier(nn.Embed(V, 4, frozen=True), **HEADS["mean"])},
            ValueError,
            "table_tx needs a trainable table",
        ),
    ],
    ids=range(6),
)
def test_what_cannot_be_trained_by_rows(fit, changed, error, message):
    with pytest.raises(error, match=message):
        fit(**({"table_tx": optim.sparse_rmsprop()} | changed))


def test_ids_beyond_the_table(fit, examples):
    ids = examples[0].copy()
    ids[3, 2] = V
    with pytest.raises(ValueError, match=rf"ids\[3, 2\] is {V}.*num_words={V}"):
        fit(data=(ids, examples[1]), table_tx=optim.sparse_rmsprop())
