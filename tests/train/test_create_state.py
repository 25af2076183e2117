"""create_state: the same state under transformations; fit continues a state."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxembed import nn, optim, train

from .conftest import L, V

KEY = jax.random.key(0)
SHAPE = jax.ShapeDtypeStruct((1, L), jnp.int32)  # few ids, so that tables are sparse
KINDS = {
    "learned": ({}, {}),
    "frozen": ({"frozen": True}, {}),
    "row-sparse": ({}, {"table_tx": optim.sparse_rmsprop()}),
    "unfrozen later": ({}, {"unfreeze_after": 2}),
}


def make_plan(kind):
    embed, settings = KINDS[kind]
    model = nn.TextClassifier(nn.Embed(V, 4, **embed), nn.DenseHead((5,)))
    return train.make_plan(model, optim.rmsprop(), SHAPE, **settings)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_same_under_transformations(kind):
    plan = make_plan(kind)
    state = train.create_state(plan, SHAPE, key=KEY)
    assert bool(state.tables) == (kind == "row-sparse")
    assert bool(state.frozen) == (kind in ("frozen", "unfrozen later"))

    def create(key):
        return train.create_state(plan, SHAPE, key=key)

    shapes = jax.eval_shape(create, KEY)
    chex.assert_trees_all_equal_shapes_and_dtypes(shapes, state)
    # Eagerly, small states are drawn by code that XLA does not optimize.
    chex.assert_trees_all_close(jax.jit(create)(KEY), state, atol=1e-7)
    many = jax.vmap(create)(jax.random.split(KEY, 3))
    one = create(jax.random.split(KEY, 3)[1])
    chex.assert_trees_all_close(jax.tree.map(lambda x: x[1], many), one, atol=1e-7)


def test_initial_values_are_traced_too():
    plan = make_plan("learned")

    def create(table):
        params = {"embed": {"embedding": table}}
        return train.create_state(plan, SHAPE, key=KEY, params=params)

    table = jnp.ones((V, 4))
    chex.assert_trees_all_close(jax.jit(create)(table), create(table), atol=1e-7)


@pytest.mark.parametrize("kind", ["learned", "row-sparse"])
def test_a_table_is_made_sharded(kind):
    plan = make_plan(kind)
    mesh = Mesh(np.array(jax.devices()[:2]), ("vocab",))

    def create(key):
        return train.create_state(plan, SHAPE, key=key)

    def shard(leaf):
        by_rows = PartitionSpec("vocab") if leaf.shape[:1] == (V,) else PartitionSpec()
        return NamedSharding(mesh, by_rows)

    shardings = jax.tree.map(shard, jax.eval_shape(create, KEY))
    state = jax.jit(create, out_shardings=shardings)(KEY)
    table = state.variables["params"]["embed"]["embedding"]
    assert {s.data.shape for s in table.addressable_shards} == {(V // 2, 4)}
    chex.assert_trees_all_close(state, create(KEY), atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_is_continued(fit, examples, kind):
    """Train n epochs and then 4 - n more: the bits of four epochs."""
    embed, settings = KINDS[kind]
    model = nn.TextClassifier(nn.Embed(V, 4, **embed), nn.DenseHead((5,)))
    settings = {**settings, "model": model, "batch_size": 1, "validation": examples}
    whole, history = fit(epochs=4, **settings)
    for n in (1, 2, 3):
        half, first = fit(epochs=n, **settings)
        before = jax.tree.map(np.array, half)
        state, second = fit(epochs=4 - n, state=half, **settings)
        chex.assert_trees_all_equal(state, whole)
        chex.assert_trees_all_equal(half, before)  # copied
        assert first.val_loss + second.val_loss == history.val_loss
    assert int(whole.step) == 4 * 70


@pytest.mark.parametrize("n", [1, 2, 3])
def test_late_row_sparse_tables_are_continued(fit, n):
    settings = {"table_tx": optim.sparse_rmsprop(), "batch_size": 1}
    settings["unfreeze_after"] = 2
    whole, _ = fit(epochs=4, **settings)
    half, _ = fit(epochs=n, **settings)
    state, _ = fit(epochs=4 - n, state=half, **settings)
    assert whole.tables
    chex.assert_trees_all_equal(state, whole)


@pytest.mark.parametrize("kind", KINDS)
def test_a_restored_state_is_continued(fit, tmp_path, kind):
    embed, settings = KINDS[kind]
    model = nn.TextClassifier(nn.Embed(V, 4, **embed), nn.DenseHead())
    settings = {**settings, "model": model, "batch_size": 1, "tx": optax.adam(0.01)}
    whole, _ = fit(epochs=2, **settings)
    train.save(tmp_path / "half", fit(epochs=1, **settings)[0])
    restored, _ = train.restore(tmp_path / "half")
    state, _ = fit(epochs=1, state=restored, **settings)
    chex.assert_trees_all_equal(state, whole)


def test_other_steps_for_each_epoch_are_refused(fit):
    state, _ = fit(epochs=1)  # 9 steps
    with pytest.raises(
        ValueError, match="an epoch of 18 steps, got .* after 9 steps: give"
    ):
        fit(state=state, batch_size=4)


def test_the_best_state_from_before_the_unfreezing_is_continued(fit, examples):
    validation = (examples[0][:20], 1 - examples[1][:20])
    settings = {"unfreeze_after": 2, "validation": validation}
    stopping = train.Stopping(keep_best=True)
    best, history = fit(epochs=5, stopping=stopping, **settings)
    assert history.best_epoch() < 2
    state, _ = fit(epochs=3, state=best, **settings)
    assert int(state.step) == int(best.step) + 27


def test_an_optimizer_of_all_parameters_in_one_array_is_refused(fit):
    with pytest.raises(ValueError, match="unfreeze_after needs a tx that keeps a sep"):
        fit(tx=optax.flatten(optax.adam(0.01)), epochs=2, unfreeze_after=1)


def test_a_state_of_another_run_is_refused(fit):
    state, _ = fit(epochs=1)
    with pytest.raises(ValueError, match="state belongs to another model.*nu.*absent"):
        fit(tx=optax.sgd(0.1), state=state)
    with pytest.raises(ValueError, match="give either params or state, got both"):
        fit(state=state, params={})


def test_a_second_fit_compiles_nothing(fit, model, examples):
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: (
            compiled.append(event)
            if event == "/jax/core/compile/backend_compile_duration"
            else None
        )
    )
    settings = {"tx": optim.rmsprop(0.02), "validation": examples}
    fit(**settings)
    assert compiled  # so that the test can fail
    del compiled[:]
    fit(**settings)
    fit(model.clone(), **settings, key=jax.random.key(5))
    assert not compiled
