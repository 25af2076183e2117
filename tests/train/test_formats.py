"""Memory formats: a state keeps those of its tables through fit and checkpoints.

A CPU stands for a TPU here: it takes tables in the format by columns.
"""

import contextlib

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.layout import Format, Layout

from jaxembed import nn, optim, train
from jaxembed.optim import _layout

from .conftest import L, V

KEY, D = jax.random.key(0), 4
KINDS = {
    "dense": ({}, {}),
    "row-sparse": ({}, {"table_tx": optim.sparse_rmsprop()}),
    "sgd": ({}, {"table_tx": optim.sparse_sgd(0.1)}),  # a state with None in it
    "frozen": ({"frozen": True}, {}),
    "unfrozen later": ({}, {"unfreeze_after": 1, "table_tx": optim.sparse_rmsprop()}),
}


@contextlib.contextmanager
def by_columns():
    """Give the tables on a CPU a format that is not the default."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_layout, "ROWS", Layout((1, 0)))
        patch.setattr(_layout, "is_by_row", lambda n_rows, dim: True)
        for module in ("jaxembed.optim._layout", "jaxembed.train._state"):
            patch.setattr(f"{module}.PLATFORMS", ("cpu",))
        yield
    jax.clear_caches()


def order_of(leaf):
    return leaf.format.layout.major_to_minor


def check_formats(state):
    """Assert that the arrays ``[V, D]`` are stored by columns, and no other array."""
    matrices = [leaf for leaf in jax.tree.leaves(state) if leaf.ndim == 2]
    for leaf in matrices:
        assert order_of(leaf) == ((1, 0) if leaf.shape == (V, D) else (0, 1))
    assert {leaf.shape for leaf in matrices} > {(V, D)}


def make_model(kind):
    return nn.TextClassifier(nn.Embed(V, D, **KINDS[kind][0]), nn.DenseHead((5,)))


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_keeps_the_formats_and_its_values(fit, examples, tmp_path, kind):
    settings = {"batch_size": 1, "validation": examples, **KINDS[kind][1]}
    settings |= {"model": make_model(kind), "stopping": train.Stopping(keep_best=True)}
    params = jax.jit(settings["model"].init)(KEY, examples[0][:1])["params"]
    settings |= {"checkpoint": tmp_path / "plain", "params": params}
    half, _ = fit(epochs=2, **settings)
    plain, history = fit(epochs=3, **settings)
    with by_columns():
        settings["checkpoint"] = tmp_path / "formats"
        begun, _ = fit(epochs=2, **settings)
        check_formats(begun)
        state, with_formats = fit(epochs=3, **settings)  # from the checkpoint
        check_formats(state)
        # The identity of a run does not depend on the format.
        settings["checkpoint"] = tmp_path / "plain"
        check_formats(fit(epochs=3, **settings)[0])
    chex.assert_trees_all_close((begun, state), (half, plain), atol=1e-6)
    np.testing.assert_allclose(with_formats.val_loss, history.val_loss, atol=1e-6)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[] if kind == "row-sparse" else pytest.mark.long)
        for kind in KINDS
    ],
)
def test_a_state_of_default_formats_is_continued(fit, kind):
    settings = {"batch_size": 1, "model": make_model(kind), **KINDS[kind][1]}
    whole, _ = fit(epochs=2, **settings)
    half, _ = fit(epochs=1, **settings)
    with by_columns():
        state, _ = fit(epochs=1, state=half, **settings)
        check_formats(state)
    chex.assert_trees_all_close(state, whole, atol=1e-6)


@pytest.mark.parametrize("kind", ["dense", "row-sparse", "sgd"])
def test_a_step_of_ones_own_updates_tables_in_place(kind):
    ids = jnp.ones((1, L), jnp.int32)
    with by_columns():
        plan, _ = train.make_plan(
            make_model(kind), optim.rmsprop(), ids, **KINDS[kind][1]
        )
        state = train.create_state(plan, ids, key=KEY)
        check_formats(state)
        formats = train.choose_formats(state)
        run = jax.jit(
            train.step,
            static_argnums=0,
            donate_argnums=1,
            out_shardings=(formats, None),
        )
        batch = train.Batch(ids, jnp.ones(1, jnp.int32), jnp.ones(1, bool))
        arguments = plan, state, state.frozen, batch, KEY
        memory = run.lower(*arguments).compile().memory_analysis()
        n_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        assert memory.alias_size_in_bytes == n_bytes
        before = jax.tree.leaves(state)
        check_formats(run(*arguments)[0])
        assert all(leaf.is_deleted() for leaf in before)


def test_a_restored_state_has_the_formats(tmp_path):
    ids = jnp.ones((1, L), jnp.int32)
    plan, _ = train.make_plan(make_model("dense"), optim.rmsprop(), ids)
    state = train.create_state(plan, ids, key=KEY)
    train.save(tmp_path / "state", state)
    with by_columns():
        restored, _ = train.restore(tmp_path / "state", like=state)
        check_formats(restored)
    chex.assert_trees_all_equal(restored, state)


def test_the_moments_have_the_format_of_their_table():
    table = jnp.arange(6.0).reshape(3, 2)
    by_column = jax.device_put(table, Format(Layout((1, 0)), table.sharding))
    tx = optim.sparse_rmsprop()
    assert order_of(tx.init(table).moments["nu"]) == (0, 1)
    assert order_of(tx.init(by_column).moments["nu"]) == (1, 0)


def test_shapes_have_formats_too_and_a_cpu_has_none():
    ids = jnp.ones((1, L), jnp.int32)
    plan, _ = train.make_plan(make_model("dense"), optim.rmsprop(), ids)

    def create(key):
        return train.create_state(plan, ids, key=key)

    shapes = jax.eval_shape(create, KEY)
    assert not jax.tree.leaves(train.choose_formats(shapes))
    device = jax.sharding.SingleDeviceSharding(jax.devices()[1])
    found = train.choose_formats(shapes, device)
    assert set(jax.tree.leaves(found)) == {device}
    with by_columns():
        found = train.choose_formats(shapes, device)
        formats = jax.tree.leaves(found.params["embed"])
        assert formats == [Format(Layout((1, 0)), device)]
        assert jax.tree.leaves(found.params["head"]) == [device] * 4
