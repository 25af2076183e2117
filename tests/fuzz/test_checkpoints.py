"""Checkpoints under random damage, and with forged contents."""

import json
import warnings

import numpy as np
import pytest

from jaxembed import train
from jaxembed.train.checkpoint._arrays import hash_text
from tests.fuzz._mutations import mutate
from tests.train.sharded.conftest import TABLE, make_state


def make_tree(value):
    rng = np.random.default_rng(value)
    return {"a": rng.random((40, 8)), "b": {"c": np.full(3, value, np.float32)}}


def assert_right(restored):
    """Compare with the arrays of the save whose number ``extra`` has."""
    tree, extra = restored
    expected = make_tree(extra["n"])
    np.testing.assert_array_equal(tree["a"], expected["a"])
    np.testing.assert_array_equal(tree["b"]["c"], expected["b"]["c"])
    return extra["n"]


@pytest.mark.parametrize("n_saves", [1, 3])
def test_a_damaged_file(rounds, tmp_path, n_saves):
    """Refuse a single save; restore the second of three, with one warning."""
    path = tmp_path / "model"
    for value in range(n_saves):
        train.save(path, make_tree(value), {"n": value}, overwrite=True)
    newest = path / str(n_saves - 1)
    files = sorted(file for file in newest.rglob("*") if file.is_file())
    for rng in rounds(seed=50 + n_saves):
        file = files[rng.integers(len(files))]
        whole = file.read_bytes()
        file.write_bytes(mutate(whole, rng))
        with (
            rounds.refusals(ValueError),
            warnings.catch_warnings(record=True) as caught,
        ):
            warnings.simplefilter("always")
            value = assert_right(train.restore(path))
            assert value == n_saves - 1 - len(caught)
        file.write_bytes(whole)
    assert (rounds.n_refused == 0) == (n_saves == 3)


def test_a_damaged_file_of_a_mesh(rounds, tmp_path):
    """Restore the first of two saves in parts, onto the mesh and on one device."""
    path = tmp_path / "model"
    for value in range(2):
        state = make_state(TABLE + np.float32(value), 1, 4)
        train.save(path, state, {"n": value}, overwrite=True)
    files = sorted(file for file in (path / "1").rglob("*") if file.is_file())
    like = make_state(TABLE, 1, 3)
    for rng in rounds(seed=55):
        file = files[rng.integers(len(files))]
        whole = file.read_bytes()
        file.write_bytes(mutate(whole, rng))
        is_changed = file.read_bytes() != whole
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            (state, extra), _ = train.restore(path), train.restore(path, like=like)
        assert extra["n"] == (not is_changed) and len(caught) == 2 * is_changed
        table = state.params["embed"]["embedding"]
        np.testing.assert_array_equal(table, TABLE + np.float32(extra["n"]))
        file.write_bytes(whole)


def test_forged_contents(rounds, tmp_path):
    """Give the JSON of a save other values and a right digest."""
    path = tmp_path / "model"
    parts = make_state(TABLE, 1, 4).replace(opt_state=make_tree(0))
    train.save(path, parts, {"n": 0})
    file = path / "0" / "meta" / "metadata"
    whole = json.loads(json.loads(file.read_text())["text"])
    others = [None, [], {}, "x", -1, 10**20, [["a"]], [["x", "y"]], {"a": "b"}, [1]]
    for rng in rounds(seed=54):
        names = sorted(whole)
        forged = whole | {names[rng.integers(len(names))]: others[rng.integers(10)]}
        text = json.dumps(forged)
        file.write_text(json.dumps({"sha256": hash_text(text), "text": text}))
        with rounds.refusals(ValueError):
            state, _ = train.restore(path)
            assert forged["arrays"] == whole["arrays"]
            tree = state if isinstance(state, dict) else vars(state)  # forged states
            np.testing.assert_array_equal(tree["params"]["embed"]["embedding"], TABLE)
            np.testing.assert_array_equal(tree["opt_state"]["a"], make_tree(0)["a"])
