"""save and restore: the same bits, or an error that names the damage."""

import shutil

import chex
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest

from jaxembed import nn, optim, train
from tests.train.conftest import V


@pytest.fixture
def state(fit):
    return fit(tx=optax.adam(0.01), epochs=1)[0]


def test_the_same_bits_come_back(state, tmp_path):
    train.save(tmp_path / "model", state, {"words": ["a", "ü"], "n": [1, 0.1]})
    restored, extra = train.restore(tmp_path / "model", like=state)
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    for ours, theirs in zip(*map(jax.tree.leaves, (restored, state)), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert extra == {"words": ["a", "ü"], "n": [1, 0.1]}


MODELS = {
    "learned": ({}, {}),
    "frozen": ({"frozen": True}, {}),
    "row-sparse": ({}, {"table_tx": optim.sparse_rmsprop(), "batch_size": 1}),
    "not yet unfrozen": ({}, {"unfreeze_after": 5}),
}


@pytest.mark.parametrize("kind", MODELS)
def test_one_recipe_restores_every_model(fit, tmp_path, examples, kind):
    """Follow the README: restore, then predict with state.variables."""
    embed, settings = MODELS[kind]
    model = nn.TextClassifier(nn.Embed(V, 4, **embed), nn.DenseHead())
    state, _ = fit(model, epochs=1, **settings)
    assert bool(state.tables) == (kind == "row-sparse")
    train.save(tmp_path / "model", state, {"length": 6})
    restored, extra = train.restore(tmp_path / "model")
    assert extra == {"length": 6}
    chex.assert_trees_all_equal(restored.variables, state.variables)
    metrics = train.evaluate(model, restored.variables, *examples)
    assert metrics == train.evaluate(model, state.variables, *examples)
    # The folder that fit writes holds the state too.
    fit(model, epochs=1, **settings, checkpoint=tmp_path / "run")
    run, _ = train.restore(tmp_path / "run")
    chex.assert_trees_all_equal(run["state"].variables, state.variables)


def test_other_trees_are_dicts_without_a_likeness(tmp_path):
    train.save(tmp_path / "x", {"a": {"b": np.ones(2)}, "c": (np.zeros(1),)})
    tree, extra = train.restore(tmp_path / "x")
    assert extra == {} and list(tree["c"]) == ["0"]
    np.testing.assert_array_equal(tree["a"]["b"], np.ones(2))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8", "bool", "float64"])
def test_dtypes_are_kept(tmp_path, dtype):
    dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    tree = {"a": np.arange(6).reshape(2, 3).astype(dtype), "b": np.zeros((), dtype)}
    train.save(tmp_path / "x", tree)
    restored, _ = train.restore(tmp_path / "x")
    assert restored["a"].dtype == restored["b"].dtype == dtype
    np.testing.assert_array_equal(restored["a"], tree["a"])


def test_nothing_is_overwritten_unasked(tmp_path):
    path = tmp_path / "model"
    train.save(path, {"a": np.zeros(2)})
    with pytest.raises(FileExistsError, match=f"{path} exists already: give another"):
        train.save(path, {"a": np.ones(2)})
    np.testing.assert_array_equal(train.restore(path)[0]["a"], 0)
    train.save(path, {"a": np.ones(2)}, overwrite=True)
    np.testing.assert_array_equal(train.restore(path)[0]["a"], 1)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match="file exists and is not a checkpoint"):
        train.save(tmp_path / "file", {"a": np.ones(2)}, overwrite=True)


def test_a_failed_save_leaves_the_old_one(tmp_path, monkeypatch):
    import orbax.checkpoint as ocp

    path = tmp_path / "model"
    train.save(path, {"a": np.zeros(2)})

    def fail(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(ocp.PyTreeCheckpointHandler, "finalize", fail)
    with pytest.raises(KeyboardInterrupt):
        train.save(path, {"a": np.ones(2)}, overwrite=True)
    monkeypatch.undo()
    np.testing.assert_array_equal(train.restore(path)[0]["a"], 0)
    train.save(path, {"a": np.full(2, 7)}, overwrite=True)
    np.testing.assert_array_equal(train.restore(path)[0]["a"], 7)
    assert sorted(entry.name for entry in path.iterdir()) == ["0", "1"]


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_damage_is_found(tmp_path, damage):
    """Damage each file in turn."""
    saved = tmp_path / "saved"
    train.save(saved, {"a": np.random.default_rng(0).random((50, 8))}, {"n": 1})
    files = sorted(file for file in saved.rglob("*") if file.is_file())
    assert len(files) > 5
    for number, file in enumerate(files):
        path = tmp_path / f"model{number}"
        shutil.copytree(saved, path)
        copy, data = path / file.relative_to(saved), bytearray(file.read_bytes())
        if damage == "gone":
            copy.unlink()
        elif damage == "cut":
            copy.write_bytes(data[: len(data) // 2])
        else:
            data[len(data) // 2] ^= 4
            copy.write_bytes(data)
        with pytest.raises(ValueError, match=f"the checkpoint {path} is damaged in st"):
            train.restore(path)


def test_no_checkpoint_is_an_error_that_says_so(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileNotFoundError, match=f"no checkpoint found in {path}"):
            train.restore(path)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("like", "message"),
    [
        (
            {"a": jnp.zeros((2, 4))},
            r"a must be float32\[2, 4\], got float32\[2, 3\]",
        ),
        (
            {"a": jnp.zeros((2, 3), jnp.int32)},
            r"a must be int32\[2, 3\], got float32\[2, 3\]",
        ),
        ({"b": jnp.zeros((2, 3))}, r"a must be absent, got float32\[2, 3\]"),
        (
            {"a": jnp.zeros((2, 3)), "b": jnp.zeros(1)},
            r"b must be float32\[1\], got nothing",
        ),
    ],
    ids=str,
)
def test_another_model_is_refused(tmp_path, like, message):
    train.save(tmp_path / "x", {"a": jnp.zeros((2, 3))})
    with pytest.raises(ValueError, match=f"to another model or optimizer: {message}"):
        train.restore(tmp_path / "x", like=like)


def test_nothing_of_the_users_is_deleted(tmp_path):
    photo = tmp_path / "2019" / "photo.jpg"
    photo.parent.mkdir()
    photo.write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="exists and is not a checkpoint"):
            train.save(tmp_path, {"a": np.zeros(2)}, overwrite=overwrite)
    assert photo.read_text() == "mine"


def test_reading_says_nothing(tmp_path, caplog, capfd):
    train.save(tmp_path / "model", {"a": np.zeros(2)})
    train.restore(tmp_path / "model")
    assert [r.message for r in caplog.records if r.levelname != "INFO"] == []
    assert capfd.readouterr().err == ""


def test_reading_leaves_an_unfinished_save_alone(tmp_path):
    path = tmp_path / "model"
    train.save(path, {"a": np.zeros(2)})
    unfinished = path / "1.orbax-checkpoint-tmp" / "state"
    unfinished.mkdir(parents=True)  # as another process would while saving
    train.restore(path)
    assert unfinished.exists()
    train.save(path, {"a": np.ones(2)}, overwrite=True)  # the next writer cleans up
    assert not unfinished.exists()


@pytest.mark.parametrize(
    ("state", "error", "message"),
    [
        (np.zeros(2), ValueError, r"names without dots, got \(\): .*into a dict"),
        ({"a.b": np.zeros(2)}, ValueError, "names without dots, got .'a.b',"),
        ({"a": jax.random.key(0)}, TypeError, "a must be an array of numbers, got key"),
        ({"a": "text"}, TypeError, "a must be an array of numbers, got <U4"),
        ({"a": object()}, TypeError, "a must be an array of numbers, got object"),
        ({}, ValueError, "the state to save must have at least one array, got none"),
        ({"a": {"b": ()}}, ValueError, "must have at least one array, got none"),
        (
            {"a": np.ones(2), "b": {"c": np.ones((0, 3), "f4")}},
            ValueError,
            r"b.c must have at least one element to be saved, got float32\[0, 3\]",
        ),
    ],
    ids=["array", "dot", "key", "text", "object", "empty", "nested", "no elements"],
)
def test_what_is_no_tree_of_arrays_is_refused(tmp_path, state, error, message):
    with pytest.raises(error, match=message):
        train.save(tmp_path / "x", state)
    assert not (tmp_path / "x").exists()


def test_numbers_of_python_are_arrays(tmp_path):
    train.save(tmp_path / "x", {"a": 1.5, "b": True})
    restored, _ = train.restore(tmp_path / "x")
    assert restored["a"] == 1.5 and restored["a"].dtype == np.float64
    assert restored["b"].dtype == bool and restored["b"]


@pytest.mark.parametrize(
    ("value", "narrow"),
    [(2**40 + 5, "int32"), (1e300, "float32"), (1 + 1e300j, "complex64")],
)
def test_no_array_is_narrowed(tmp_path, value, narrow):
    tree = {"b": {"a": np.array([value])}}
    train.save(tmp_path / "x", tree)
    assert train.restore(tmp_path / "x")[0]["b"]["a"] == value
    wide = tree["b"]["a"].dtype
    with pytest.raises(ValueError, match=f"has b.a as {wide}, .* narrow to {narrow}:"):
        train.restore(tmp_path / "x", like=tree)
    with jax.enable_x64(True):
        restored, _ = train.restore(tmp_path / "x", like=tree)
        assert restored["b"]["a"].dtype == wide and restored["b"]["a"][0] == value
