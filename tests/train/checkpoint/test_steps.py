"""Steps: the last saves are kept, and strays never make a folder unusable."""

import os
import shutil

import chex
import numpy as np
import pytest

from jaxembed import train


def save(path, value, **settings):
    train.save(path, {"a": np.full(5, value)}, {"n": value}, overwrite=True, **settings)


def restored(path):
    state, extra = train.restore(path)
    assert set(state["a"]) == {extra["n"]}
    return extra["n"]


def names(path):
    return sorted(entry.name for entry in path.iterdir())


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_last_saves_are_kept(tmp_path, keep):
    for value in range(5):
        save(tmp_path / "model", value, keep=keep)
        assert restored(tmp_path / "model") == value
    assert names(tmp_path / "model") == ["0", "1", "2", "3", "4"][-keep:]


def test_three_saves_are_kept_by_default(fit, tmp_path, save_each_epoch):
    for value in range(4):
        save(tmp_path / "model", value)
    fit(checkpoint=tmp_path / "run", epochs=4)
    assert names(tmp_path / "model") == names(tmp_path / "run") == ["1", "2", "3"]


def damage(step):
    """Flip a bit in each file of the numbers of a step."""
    for file in (step / "state").rglob("d/*"):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)


def test_the_step_before_replaces_a_damaged_one(tmp_path):
    path = tmp_path / "model"
    for value in range(3):
        save(path, value)
    damage(path / "2")
    message = f"checkpoint {path} is damaged in step 2: .* Step 1 is restored instead"
    with pytest.warns(UserWarning, match=message) as found:
        assert restored(path) == 1
    assert len(found) == 1 and "\n" not in str(found[0].message)
    damage(path / "1")
    with pytest.warns(UserWarning, match="step 2: .* Step 0 is restored instead"):
        assert restored(path) == 0
    damage(path / "0")
    with pytest.raises(
        ValueError, match="damaged in step 2, and no earlier step is wh"
    ):
        restored(path)
    save(path, 3)
    assert restored(path) == 3


@pytest.mark.parametrize("lost", ["meta", "state", "meta/metadata", "state/_METADATA"])
def test_an_incomplete_step_is_damaged(tmp_path, lost):
    path = tmp_path / "model"
    for value in range(2):
        save(path, value)
    target = path / "1" / lost
    target.unlink() if target.is_file() else shutil.rmtree(target)
    with pytest.warns(UserWarning, match="step 1: .* Step 0 is restored instead"):
        assert restored(path) == 0


@pytest.mark.parametrize("part", ["arrays", "meta"])
def test_a_damaged_run_is_resumed_from_the_step_before(
    fit, tmp_path, part, save_each_epoch
):
    whole, history = fit(epochs=4)
    fit(epochs=3, checkpoint=tmp_path / "run")
    if part == "arrays":
        damage(tmp_path / "run" / "2")
    else:
        (tmp_path / "run" / "2" / "meta" / "metadata").write_text("{}")
    with pytest.warns(UserWarning, match="step 2: .* Step 1 is restored") as found:
        resumed, again = fit(epochs=4, checkpoint=tmp_path / "run")
    assert len(found) == 1
    chex.assert_trees_all_equal(resumed, whole)
    assert again.metrics() == history.metrics()


def make_strays(path, step):
    """Put files and folders of a user into a checkpoint; return them."""
    (path / "9").write_text("mine")
    (path / "notes.txt").write_text("mine")
    (path / step / "notes.txt").write_text("mine")
    (path / "2019").mkdir()
    (path / "2019" / "photo.jpg").write_text("mine")
    os.symlink(path / step, path / "11")
    return [
        path / name
        for name in ("9", "notes.txt", f"{step}/notes.txt", "2019/photo.jpg")
    ]


def test_strays_are_neither_obstacles_nor_removed(tmp_path):
    path = tmp_path / "model"
    save(path, 0)
    strays = make_strays(path, "0")
    assert restored(path) == 0
    for value in range(1, 14):
        save(path, value)
        assert restored(path) == value
    assert [stray.read_text() for stray in strays] == ["mine"] * 4
    assert names(path / "0") == ["notes.txt"]
    assert names(path) == sorted(
        ["0", "11", "13", "14", "15", "2019", "9", "notes.txt"]
    )


def test_a_run_resumes_beside_strays(fit, tmp_path):
    whole, _ = fit(epochs=4)
    fit(epochs=2, checkpoint=tmp_path / "run")
    make_strays(tmp_path / "run", "1")
    chex.assert_trees_all_equal(fit(epochs=4, checkpoint=tmp_path / "run")[0], whole)


def test_an_empty_folder_is_a_lost_step(fit, tmp_path):
    """Restore the step before with a warning, and save above the empty folder."""
    path = tmp_path / "model"
    save(path, 0)
    (path / "7").mkdir()
    with pytest.warns(UserWarning, match="step 7: .* Step 0 is restored instead"):
        assert restored(path) == 0
    save(path, 1)
    assert restored(path) == 1 and names(path) == ["0", "7", "8"]


@pytest.mark.parametrize("entry", ["7/", "2019/photo.jpg", "9", "state/x", "notes.txt"])
def test_other_folders_are_not_overwritten(fit, tmp_path, entry):
    path = tmp_path / "mine"
    target = path / entry
    (target if entry.endswith("/") else target.parent).mkdir(parents=True)
    if not entry.endswith("/"):
        target.write_text("mine")
    before = sorted(path.rglob("*"))
    with pytest.raises(FileExistsError, match="exists and is not a checkpoint"):
        save(path, 0)
    with pytest.raises(FileExistsError, match="exists and is not a checkpoint"):
        fit(checkpoint=path)
    with pytest.raises(FileNotFoundError, match="no checkpoint found in"):
        train.restore(path)
    assert sorted(path.rglob("*")) == before


def test_the_folders_of_killed_writers_are_removed(tmp_path):
    path = tmp_path / "model"
    save(path, 0)
    for name in (
        "1.orbax-checkpoint-tmp",
        "0.removed.orbax-checkpoint-tmp",
        "3.orbax-checkpoint-tmp-1700000000",
    ):
        (path / name / "state").mkdir(parents=True)
    assert restored(path) == 0
    save(path, 1)
    assert names(path) == ["0", "1"] and restored(path) == 1
