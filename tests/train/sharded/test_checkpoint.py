"""Checkpoints of a mesh: in word order, resumed bit by bit, and on other meshes."""

import subprocess
import sys
import textwrap

import jax
import numpy as np
import pytest

from jaxembed import dist, train
from jaxembed.train.sharded._words import spread, view
from tests.train.sharded.conftest import (
    EPOCHS,
    HELD_OUT,
    IDS,
    MODEL,
    SPARSE,
    TABLE,
    TABLE_TX,
    TX,
    Interrupted,
    V,
    assert_close,
    interrupt,
    leaves_of,
    make_mesh,
    run,
)


def make_state(mesh, **settings):
    plan, _ = train.make_plan(MODEL, TX, IDS[:8], mesh=mesh, **settings)
    return train.create_state(plan, IDS[:8], key=jax.random.key(0))


@pytest.mark.parametrize(
    "settings",
    [{"table_tx": TABLE_TX}, pytest.param({}, marks=pytest.mark.long)],
    ids=["row-sparse", "dense"],
)
def test_a_saved_state_is_that_of_one_device(settings, path):
    mesh = make_mesh(2, 2)
    one, spread = make_state(None, **settings), make_state(mesh, **settings)
    train.save(path, spread, {"words": 1})
    found, extra = train.restore(path)
    assert extra == {"words": 1} and found.shards is None
    saved, expected = leaves_of(found), leaves_of(one)
    assert saved.keys() == expected.keys()
    for name, leaf in expected.items():
        np.testing.assert_array_equal(saved[name], leaf, err_msg=name)
    # Onto the mesh again: all arrays, in their places.
    restored, _ = train.restore(path, like=spread)
    assert restored.shards == spread.shards
    for leaf, expected in zip(*map(jax.tree.leaves, (restored, spread)), strict=True):
        np.testing.assert_array_equal(leaf, expected)
        assert leaf.sharding.is_equivalent_to(expected.sharding, leaf.ndim)
    # And from one device onto the mesh, and back.
    onto, _ = train.restore(path, like=one)
    train.save(path, onto, overwrite=True)
    again, _ = train.restore(path, like=make_state(make_mesh(1, 4), **settings))
    assert leaves_of(again).keys() == leaves_of(spread).keys()
    for name, leaf in leaves_of(again).items():
        np.testing.assert_array_equal(leaf, leaves_of(spread)[name])


FORMS = {
    "row-sparse": SPARSE,
    "unfrozen": SPARSE | {"unfreeze_after": 3},
    "learned, within epochs, best": {
        "save_every": 4,
        "validation": HELD_OUT,
        "stopping": train.Stopping(keep_best=True, patience=9),
    },
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.long] * (n != "row-sparse")) for n in FORMS],
)
def test_a_run_resumes_bit_by_bit(name, path):
    given = FORMS[name] | {"mesh": make_mesh(2, 2)}
    whole = run(**given)
    with pytest.raises(Interrupted):
        run(**given, checkpoint=path, on_epoch=interrupt)
    found, _ = train.restore(path)
    assert found["state"].step == 2 * 9
    resumed = run(**given, checkpoint=path)
    assert resumed[1].metrics() == whole[1].metrics()
    before, after = leaves_of(whole[0]), leaves_of(resumed[0])
    for leaf, values in before.items():
        if "slot" not in leaf:  # scratch
            np.testing.assert_array_equal(after[leaf], values, err_msg=leaf)


@pytest.mark.long
@pytest.mark.parametrize(
    ("first", "second"),
    [((1, 4), None), ((1, 4), (1, 2)), ((1, 4), (1, 1)), ((2, 2), (4, 1)),
     (None, (1, 4))],
)  # fmt: skip
def test_a_run_resumes_on_another_mesh(first, second, path):
    first, second = (shape and make_mesh(*shape) for shape in (first, second))
    given = SPARSE | {"unfreeze_after": 1, "checkpoint": path}
    with pytest.raises(Interrupted):
        run(**given, mesh=first, on_epoch=interrupt)
    saved = train.restore(path)[0]["state"]
    # The same number of epochs trains nothing: the tables are those of the file.
    table = saved.tables["embed"]["embedding"]
    state, _ = run(**given, mesh=second, epochs=2)
    np.testing.assert_array_equal(leaves_of(state)["tables.embed.embedding"], table)
    resumed = run(**given, mesh=second)
    assert_close(resumed, run(**SPARSE, unfreeze_after=1))


EIGHT = """
    import jax
    jax.config.update("jax_num_cpu_devices", 8)
    jax.config.update("jax_numpy_rank_promotion", "raise")
    import numpy as np
    from jaxembed import train
    from tests.train.sharded.conftest import *
    path = {path!r}
    table = train.restore(path)[0]["state"].tables["embed"]["embedding"]
    for shape in ((1, 8), (2, 4)):
        mesh = make_mesh(*shape)
        state, _ = run(**SPARSE, mesh=mesh, checkpoint=path, epochs=2)
        np.testing.assert_array_equal(table_of(state), table)
        shards = state.tables["embed"]["embedding"].addressable_shards
        assert {{len(shard.data) for shard in shards}} == {{-(-302 // shape[1])}}
        for given in (SPARSE, {{"table_tx": None}}):
            assert_close(run(**given, mesh=mesh), run(**given))
    resumed = run(**SPARSE, mesh=make_mesh(1, 8), checkpoint=path)
    assert_close(resumed, run(**SPARSE))
    print("equal on", len(jax.devices()))
"""


@pytest.mark.long
def test_a_run_resumes_on_eight_devices(path):
    with pytest.raises(Interrupted):
        run(**SPARSE, mesh=make_mesh(1, 4), checkpoint=path, on_epoch=interrupt)
    code = textwrap.dedent(EIGHT.format(path=str(path)))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout == "equal on 8\n", done.stderr


@pytest.mark.long
def test_a_state_is_continued_on_another_mesh():
    whole = run(**SPARSE)
    four, one = make_mesh(1, 4), None
    for first, second in (
        (four, four),
        (four, one),
        (one, four),
        (four, make_mesh(2, 2)),
    ):
        state, before = run(**SPARSE, mesh=first, epochs=2)
        state, after = run(**SPARSE, mesh=second, epochs=EPOCHS - 2, state=state)
        losses = before.loss + after.loss
        np.testing.assert_allclose(losses, whole[1].loss, atol=1e-6)
        assert (state.shards is None) == (second is None)


def test_parameters_are_taken_in_both_orders():
    mesh, given = make_mesh(1, 4), {"epochs": 0}
    first, _ = run(mesh=mesh, **given, key=jax.random.key(3))
    params = first.variables["params"]
    in_shards, _ = run(mesh=mesh, **given, params=params)
    words = {"embed": {"embedding": leaves_of(first)["params.embed.embedding"]}}
    in_words, _ = run(mesh=make_mesh(2, 2), **given, params=words)
    for state in (in_shards, in_words):
        np.testing.assert_array_equal(
            leaves_of(state)["params.embed.embedding"],
            words["embed"]["embedding"],
        )
    with pytest.raises(
        ValueError, match=r"shape \(301, 4\) .* give mesh= too, or call"
    ):
        run(**given, params=params)


@pytest.mark.parametrize("shape", [(1, 4), (2, 2), (4, 1)])
def test_a_table_in_the_order_of_another_mesh_is_read(shape):
    plan, _ = train.make_plan(MODEL, TX, IDS, mesh=make_mesh(*shape))
    for other in ((1, 4), (2, 2)):
        stored = dist.to_shards(TABLE, dist.Rules(make_mesh(*other)))
        words = view({"embed": {"embedding": stored}}, plan.shards)
        moved = spread(words, plan.shards)["embed"]["embedding"]
        assert moved.sharding == plan.rules.table
        np.testing.assert_array_equal(dist.to_words(moved, V), TABLE)
