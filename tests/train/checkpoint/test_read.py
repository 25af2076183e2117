"""read: a reader beside a writer gets one whole step, and no error."""

import json
import multiprocessing
import os
import shutil

import numpy as np
import pytest

from jaxembed import train
from jaxembed.train.checkpoint import _files, _read
from jaxembed.train.checkpoint._arrays import hash_file, hash_text
from jaxembed.train.checkpoint._steps import list_files


def save(path, value, **settings):
    arrays = {name: np.full(2000, value) for name in "ab"}
    train.save(path, arrays, {"n": value}, overwrite=True, **settings)


def restored(path):
    state, extra = train.restore(path)
    values = {extra["n"], *state["a"].tolist(), *state["b"].tolist()}
    assert len(values) == 1
    return values.pop()


@pytest.mark.parametrize("part", ["meta", "state"])
@pytest.mark.parametrize("n_saves", [1, 3])
def test_a_step_that_is_replaced_while_it_is_read(tmp_path, monkeypatch, part, n_saves):
    """Replace the step before its JSON is read, or between its JSON and arrays."""
    path, read, looks = tmp_path / "model", _read.read_meta, []
    save(path, 0)

    def read_meta(folder):
        meta = read(folder) if part == "state" else None
        looks.append(folder.name)
        if len(looks) <= 2:
            for value in range(n_saves):
                save(path, len(looks) * 10 + value, keep=1)
        return read(folder) if meta is None else meta

    monkeypatch.setattr(_read, "read_meta", read_meta)
    assert restored(path) == 20 + n_saves - 1
    assert len(looks) == 3


def test_a_damaged_step_is_read_once(tmp_path, monkeypatch):
    path, read, looks = tmp_path / "model", _files.read_step, []
    save(path, 0)
    (path / "0" / "meta" / "metadata").write_text("{")

    def read_step(folder):
        looks.append(folder.name)
        return read(folder)

    monkeypatch.setattr(_files, "read_step", read_step)
    with pytest.raises(
        ValueError, match="step 0, and no earlier step is whole: Expecti"
    ):
        train.restore(path)
    assert looks == ["0"]


def test_no_damaged_file_reaches_orbax(tmp_path, monkeypatch):
    """Exchange the files of two saves of equal names, and flip a bit in each file."""

    def fail(*_):
        raise AssertionError("Orbax reads the files")

    path = tmp_path / "model"
    save(path, 0)
    save(tmp_path / "other", 1)
    monkeypatch.setattr(_read, "read_leaves", fail)
    files = [file for file in sorted(path.glob("0/state/**/*")) if file.is_file()]
    assert len(files) > 5
    for file in files:
        content = file.read_bytes()
        file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        name = file.relative_to(path / "0")
        with pytest.raises(ValueError, match=f"SHA-256 of {name} differs from the sav"):
            train.restore(path)
        file.write_bytes(content)
    shutil.rmtree(path / "0" / "state")
    (tmp_path / "other" / "0" / "state").rename(path / "0" / "state")
    with pytest.raises(
        ValueError, match="the SHA-256 of state/.* differs from the sav"
    ):
        train.restore(path)


def test_arrays_are_compared_too(tmp_path, monkeypatch):
    """Return other numbers from files that are whole, as another Orbax might."""
    path, read = tmp_path / "model", _read.read_leaves
    save(path, 0)

    def read_leaves(folder):
        leaves = read(folder)
        return leaves | {("b",): leaves[("b",)] + 1}

    monkeypatch.setattr(_read, "read_leaves", read_leaves)
    with pytest.raises(
        ValueError, match="step 0, .* the SHA-256 of b differs from the"
    ):
        train.restore(path)


def write_always(path, stop):
    value = 0
    while not stop.is_set():
        value += 1
        save(path, value)


@pytest.mark.long
def test_beside_another_process(tmp_path):
    """Read 200 times while another process saves without a pause."""
    path = tmp_path / "model"
    save(path, 0)
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    writer = context.Process(target=write_always, args=(path, stop))
    writer.start()
    try:
        seen = [restored(path) for _ in range(200)]
        while seen[-1] == 0:
            seen.append(restored(path))
    finally:
        stop.set()
        writer.join()
    assert seen == sorted(seen) and len(set(seen)) > 1 and writer.exitcode == 0


@pytest.mark.parametrize("name", ["meta/metadata", "state/manifest.ocdbt", "state/x"])
def test_devices_and_pipes_are_refused_at_once(tmp_path, name):
    path = tmp_path / "model"
    save(path, 0)
    file = path / "0" / name
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    with pytest.raises(ValueError, match=f"{name} must be a file, got a device or a n"):
        train.restore(path)


def test_a_forged_shape_allocates_no_memory(tmp_path):
    """Give an array 10**12 numbers and every file its right digest."""
    import tensorstore

    path = tmp_path / "model"
    save(path, 0)
    step, meta = path / "0", path / "0" / "meta" / "metadata"
    kvstore = {"driver": "ocdbt", "base": f"file://{step}/state/", "path": "a/"}
    layout = {"shape": [10**12], "chunks": [9], "dtype": "<f4"}
    spec = {"driver": "zarr", "kvstore": kvstore, "metadata": layout}
    tensorstore.open(spec, create=True, delete_existing=True).result()
    files = {name: hash_file(file) for name, file in list_files(step).items()}
    text = json.dumps(_read.read_meta(step) | {"files": files})
    meta.write_text(json.dumps({"sha256": hash_text(text), "text": text}))
    with pytest.raises(
        ValueError, match="its arrays have 40000000.* bytes by their sh"
    ):
        train.restore(path)
