"""TextModel on disk: whole or not at all, checked, and never pickled."""

import errno
import hashlib
import json
import os

import chex
import numpy as np
import pytest
from safetensors import numpy as safetensors

from jaxembed import TextModel
from jaxembed.model import _folder, _settings
from tests._io.test_replace import largest_file
from tests.model.conftest import draw_texts

TEXTS, _ = draw_texts(50, seed=3)
NAMES = ["settings.json", "tokenizer.json", "weights.safetensors"]


@pytest.fixture
def folder(model, tmp_path):
    model.save(tmp_path / "deep" / "model")
    return tmp_path / "deep" / "model"


def test_a_loaded_model_predicts_the_same_bits(model, folder):
    loaded = TextModel.load(folder)
    np.testing.assert_array_equal(
        loaded.predict_proba(TEXTS), model.predict_proba(TEXTS)
    )
    assert loaded.labels == model.labels
    chex.assert_trees_all_equal(loaded.vectors.matrix, model.vectors.matrix)
    assert loaded.vectors.words == model.vectors.words
    assert sorted(os.listdir(folder)) == NAMES
    assert os.listdir(folder.parent) == ["model"]


def test_labels_keep_their_type(tmp_path):
    texts, words = draw_texts(60)
    trained = TextModel.fit(texts, [len(word) + (word == "pos") for word in words])
    trained.save(tmp_path / "model")
    loaded = TextModel.load(tmp_path / "model")
    assert loaded.labels == (3, 4) and type(loaded.labels[0]) is int


def test_a_model_of_three_classes_comes_back(of_three, tmp_path):
    of_three.save(tmp_path / "model")
    found = TextModel.load(tmp_path / "model").predict_proba(TEXTS)
    np.testing.assert_array_equal(found, of_three.predict_proba(TEXTS))


def test_settings_say_what_was_trained(folder):
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["labels"] == ["neg", "pos"]
    assert {"jaxembed", "jax", "python"} <= set(settings["versions"])
    assert settings["settings"]["epochs"] == 20
    assert set(settings["files"]) == {"weights.safetensors", "tokenizer.json"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damage_is_found(folder, name, damage):
    path = folder / name
    data = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
        with pytest.raises(FileNotFoundError, match=name):
            TextModel.load(folder)
        return
    if damage == "flip":
        place = data.index(b'"neg"') + 1 if name == "settings.json" else len(data) - 9
        data[place] ^= 1
    path.write_bytes(data if damage == "flip" else data[:-9])
    with pytest.raises(ValueError, match=f"is damaged: {name}"):
        TextModel.load(folder)


def test_other_folders_are_no_models(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not contain a TextModel"):
        TextModel.load(tmp_path)
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(ValueError, match="is not of a TextModel"):
        TextModel.load(tmp_path)


def test_a_newer_version_is_refused(folder):
    path = folder / "settings.json"
    settings = json.loads(path.read_text()) | {"version": 3}
    settings["sha256"] = _settings.hash_settings(settings)
    path.write_text(json.dumps(settings))
    with pytest.raises(
        ValueError, match="of version 3, and this jaxembed reads version 2"
    ):
        TextModel.load(folder)


def test_only_a_model_is_replaced(model, of_three, folder, tmp_path):
    with pytest.raises(FileExistsError, match="overwrite=True"):
        of_three.save(folder)
    of_three.save(folder, overwrite=True)
    assert TextModel.load(folder).labels == of_three.labels
    assert os.listdir(folder.parent) == ["model"]
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="contains other files than a TextModel"):
        model.save(folder, overwrite=True)
    assert (folder / "notes.txt").read_text() == "mine"
    other = tmp_path / "other"
    other.mkdir()
    (other / "settings.json").write_text("{}")
    with pytest.raises(FileExistsError, match="contains other files than a TextModel"):
        model.save(other, overwrite=True)
    with pytest.raises(FileExistsError, match="is a file"):
        model.save(other / "settings.json", overwrite=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    model.save(empty)
    assert TextModel.load(empty).labels == model.labels


@pytest.mark.parametrize("function", ["sync", "replace_folder"])
def test_an_interrupted_save_leaves_the_old_model(
    of_three, folder, monkeypatch, function
):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(_folder._io, function, fail)
    with pytest.raises(KeyboardInterrupt):
        of_three.save(folder, overwrite=True)
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert os.listdir(folder.parent) == ["model"]


def test_a_full_disk_is_explained_and_leaves_the_old_model(of_three, folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with largest_file(500), pytest.raises(OSError, match=f"{folder} needs") as caught:
        of_three.save(folder, overwrite=True)
    assert caught.value.errno == errno.EFBIG
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert os.listdir(folder.parent) == ["model"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ["a", "a"]}, r"has the labels \['a', 'a'\]"),
        ({"labels": ["a", 1.5]}, "has the labels"),
        ({"labels": ["a", "b", "c"]}, r"kernel=float32\[\d+, 1\], not \[\d+, 3\]"),
        ({"length": 0}, "has the length 0"),
        ({"length": None}, "has the length None"),
        ({"settings": []}, "lacks the settings"),
        ({"files": {}}, "lacks the size of weights.safetensors"),
    ],
)
def test_forged_settings_are_refused(folder, changes, message):
    """Settings with a right digest, since whoever forges them can write one."""
    path = folder / "settings.json"
    settings = json.loads(path.read_text()) | changes
    settings["sha256"] = _settings.hash_settings(settings)
    path.write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=f"is damaged: .*{message}"):
        TextModel.load(folder)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("index.counts", np.zeros(4, np.int64), "no index of n-grams"),
        ("index.rows_1", np.zeros(3, np.int32), "no index of n-grams"),
        ("table", np.zeros((4, 16), np.float32), "a table of 4 rows for an index of"),
        ("table", np.zeros(4, np.float32), "has the arrays"),
    ],
)
def test_forged_arrays_are_refused(folder, name, array, message):
    """Arrays with a right digest that do not fit the other arrays."""
    path = folder / "weights.safetensors"
    safetensors.save_file(safetensors.load_file(path) | {name: array}, path)
    data = path.read_bytes()
    file = folder / "settings.json"
    settings = json.loads(file.read_text())
    digest = hashlib.sha256(data).hexdigest()
    settings["files"][path.name] = {"bytes": len(data), "sha256": digest}
    settings["sha256"] = _settings.hash_settings(settings)
    file.write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=f"is damaged: .*{message}"):
        TextModel.load(folder)


def test_nothing_is_unpickled(folder, monkeypatch):
    import pickle

    def refuse(*_):
        raise AssertionError("unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    TextModel.load(folder)
