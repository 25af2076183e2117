"""Checkpoints in parts: their files, damage, memory, and other numbers of devices."""

import json
import os
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import train
from jaxembed.train.checkpoint import _files, _write
from jaxembed.train.checkpoint._arrays import hash_text
from jaxembed.train.sharded import _parts
from tests.train.sharded.conftest import (
    SPARSE,
    TABLE,
    V,
    leaves_of,
    make_mesh,
    make_state,
    run,
)

NAME = "state.params.embed.embedding"


def save(path, value, *shape):
    state = make_state(TABLE + np.float32(value), *shape)
    train.save(path, {"state": state}, {"n": value}, overwrite=True)


def check(path, value, *shape):
    """Restore onto a mesh or one device, and compare all numbers."""
    like = {"state": make_state(TABLE, *shape)}
    found, extra = train.restore(path, like=like)
    assert extra == {"n": value}
    table = leaves_of(found["state"])["params.embed.embedding"]
    np.testing.assert_array_equal(table, TABLE + np.float32(value))
    stored, expected = (x["state"].params["embed"]["embedding"] for x in (found, like))
    assert stored.sharding.is_equivalent_to(expected.sharding, 2)


def test_a_part_has_the_rows_of_a_shard(path):
    save(path, 0, 1, 4)
    for number in range(4):
        rows = np.fromfile(path / "0" / "parts" / f"0-{number}", np.float32)
        np.testing.assert_array_equal(rows.reshape(-1, 4), TABLE[number::4])
    text = json.loads((path / "0" / "meta" / "metadata").read_text())["text"]
    meta = json.loads(text)
    files = [f"parts/0-{number}" for number in range(4)]
    form = {"dtype": "float32", "shape": [V, 4], "files": files}
    assert meta["parts"] == {NAME: form} and NAME not in meta["arrays"]
    assert set(files) <= meta["files"].keys()
    state, _ = train.restore(path)
    assert isinstance(state["state"].params["embed"]["embedding"], np.ndarray)
    np.testing.assert_array_equal(state["state"].params["embed"]["embedding"], TABLE)


@pytest.mark.parametrize("first", [(), (1, 2), (1, 3), (1, 4), (2, 2), (4, 1)])
def test_any_mesh_restores_from_any(path, first):
    save(path, 1, *first)
    assert (path / "0" / "parts").exists() == (first not in ((), (4, 1)))
    for second in ((), (1, 2), (1, 3), (1, 4), (2, 2), (4, 1)):
        check(path, 1, *second)


@pytest.mark.parametrize("damage", ["flip", "cut", "longer", "gone", "exchanged"])
def test_a_damaged_part_is_found(path, damage):
    for value in range(2):
        save(path, value, 1, 4)
    file = path / "1" / "parts" / "0-2"
    content = file.read_bytes()
    changed = {
        "flip": bytes([content[0] ^ 1]) + content[1:],
        "cut": content[:-1],
        "longer": content + b"0",
        "exchanged": (path / "1" / "parts" / "0-3").read_bytes(),
    }
    file.unlink()
    if damage != "gone":
        file.write_bytes(changed[damage])
    for shape in ((), (1, 4), (1, 3)):
        with pytest.warns(UserWarning, match="0-2.* Step 0 is restored instead"):
            check(path, 0, *shape)
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    with pytest.warns(UserWarning, match="got a device or a named pipe. Step 0 is"):
        check(path, 0, 1, 4)


@pytest.mark.parametrize("place", ["parts", "files"])
def test_parts_of_one_list_only_are_refused(path, place):
    save(path, 0, 1, 4)
    file = path / "0" / "meta" / "metadata"
    meta = json.loads(json.loads(file.read_text())["text"])
    meta[place] = {n: x for n, x in meta[place].items() if n.startswith("state/")}
    text = json.dumps(meta)
    file.write_text(json.dumps({"sha256": hash_text(text), "text": text}))
    with pytest.raises(ValueError, match="only one list of meta/metadata names parts"):
        train.restore(path)


def test_a_part_that_nobody_wrote_ends_the_save(path, monkeypatch):
    save(path, 0, 1, 4)
    write = _write.write_parts

    def lose_one(folder, arrays):
        digests = write(folder, arrays)
        (folder / "parts" / "0-1").unlink()
        return digests

    monkeypatch.setattr(_write, "write_parts", lose_one)
    with pytest.raises(OSError, match="part parts/0-1 is not in .* all hosts share"):
        save(path, 1, 1, 4)
    check(path, 0, 1, 4)
    assert [entry.name for entry in path.iterdir()] == ["0"]


@pytest.mark.parametrize("shape", [(), (1, 2), (1, 4)])
def test_a_step_that_a_writer_removes_while_it_is_read(path, monkeypatch, shape):
    """The parts are read when the digests have been verified."""
    fill, values = _files.fill, iter([1, 2])

    def replace(*arguments):
        for value in values:  # once
            state = make_state(TABLE + np.float32(value), 1, 4)
            train.save(path, {"state": state}, {"n": value}, overwrite=True, keep=1)
        return fill(*arguments)

    save(path, 0, 1, 4)
    monkeypatch.setattr(_files, "fill", replace)
    check(path, 2, *shape)


def test_steps_that_are_replaced_for_ever(path, monkeypatch):
    def lose(*_):
        raise FileNotFoundError

    save(path, 0, 1, 4)
    monkeypatch.setattr(_files, "fill", lose)
    with pytest.raises(
        OSError, match="replaced faster than .* give save.keep=. a larg"
    ):
        check(path, 0, 1, 4)


def test_the_last_saves_in_parts_are_kept_beside_those_of_one_device(path):
    for value, shape in enumerate([(1, 4), (), (1, 2), (1, 4), ()]):
        save(path, value, *shape)
        check(path, value, 1, 4)
    assert sorted(entry.name for entry in path.iterdir()) == ["2", "3", "4"]


def test_no_table_is_whole_on_the_host(path, monkeypatch):
    """Trace the memory of a save, and the largest array of a restore."""
    n_words, n_bytes = 100_003, 100_003 * 64
    table = np.random.default_rng(0).normal(size=(n_words, 16)).astype(np.float32)
    state = make_state(table, 1, 4)
    like = jax.tree.map(jnp.zeros_like, state)
    train.save(path, state)  # imports Orbax
    monkeypatch.setattr(_parts, "BLOCK", 64_000)
    tracemalloc.start()
    try:
        train.save(path, state, overwrite=True)
        assert tracemalloc.get_traced_memory()[1] < n_bytes / 4
    finally:
        tracemalloc.stop()
    sizes = []
    for name in ("empty", "zeros"):
        record_sizes(monkeypatch, name, sizes)
    found, _ = train.restore(path, like=like)
    monkeypatch.undo()
    assert n_bytes / 4 <= max(sizes) < n_bytes / 3.9
    np.testing.assert_array_equal(leaves_of(found)["params.embed.embedding"], table)


def record_sizes(monkeypatch, name, sizes):
    make = getattr(np, name)

    def make_and_record(*arguments, **settings):
        array = make(*arguments, **settings)
        sizes.append(array.nbytes)
        return array

    monkeypatch.setattr(np, name, make_and_record)


@pytest.mark.long
def test_a_run_is_copied_and_named_without_a_whole_table(path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a table is read whole")

    monkeypatch.setattr("jaxembed.train.sharded._words.InWords.__array__", refuse)
    monkeypatch.setattr(_parts.Parts, "__array__", refuse)
    given = SPARSE | {"mesh": make_mesh(1, 4), "checkpoint": path}
    first, _ = run(**given, epochs=1)
    again, _ = run(**given, epochs=1)  # restored, and not trained
    for one, other in zip(*map(jax.tree.leaves, (first, again)), strict=True):
        np.testing.assert_array_equal(one, other)
