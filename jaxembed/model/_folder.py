"""Folder: a model on disk, whole or not at all, and checked when it is read."""

import hashlib
import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

import jaxembed
from jaxembed import _io
from jaxembed.model._settings import (
    FORMAT,
    SETTINGS,
    VERSION,
    WEIGHTS,
    Arrays,
    check_parts,
    damaged,
    find_entry,
    hash_settings,
    read_settings,
)
from jaxembed.text import NgramIndex

TOKENIZER = "tokenizer.json"
# Files of a model, and those that the command line adds.
NAMES = {WEIGHTS, TOKENIZER, SETTINGS}
ADDED = {"metrics.json", "history.png", "calibration.png"}
INDEX = "index."  # before the names of the arrays of the NgramIndex
Params = dict[str, Any]


def write_folder(
    folder: str | Path,
    arrays: Arrays,
    tokenizer: str,
    settings: dict[str, Any],
    *,
    overwrite: bool = False,
) -> None:
    """Write a model beside its folder, then rename it.

    Args:
      folder: the folder to create.
      arrays: weights by name.
      tokenizer: the tokenizer as JSON.
      settings: other data, for JSON.
      overwrite: whether to replace the folder of another model.

    Raises:
      FileExistsError: if ``folder`` is there, unless it is an empty folder, or that of
        a model and ``overwrite`` is True.
      OSError: if the folder cannot be written; with ``errno.ENOSPC`` on a full disk.
    """
    path = Path(folder).resolve()
    check_free(path, overwrite)
    contents = {
        WEIGHTS: safetensors.save(
            {n: np.ascontiguousarray(x) for n, x in arrays.items()}
        ),
        TOKENIZER: tokenizer.encode("utf-8", "surrogatepass"),
    }
    files = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in contents.items()
    }
    settings = {"format": FORMAT, "version": VERSION, **settings}
    settings |= {"versions": _find_versions(), "files": files}
    settings["sha256"] = hash_settings(settings)
    contents[SETTINGS] = json.dumps(settings, indent=2).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    n_bytes = sum(map(len, contents.values()))
    with _io.explain_disk(path, n_bytes), _io.temporary(path, folder=True) as beside:
        for name, data in contents.items():
            (beside / name).write_bytes(data)
            _io.sync(beside / name)
        _io.sync(beside)
        _io.replace_folder(beside, path)


def read_folder(folder: str | Path) -> tuple[Arrays, str, dict[str, Any]]:
    """Read a model, and check every byte of it.

    Returns:
      Weights, the tokenizer as JSON, and the settings.

    Raises:
      FileNotFoundError: if the folder or one of its files does not exist.
      ValueError: if it is damaged, or was written by a newer jaxembed.
    """
    path = Path(folder)
    settings = read_settings(path)
    if settings.get("version") != VERSION:
        raise ValueError(
            f"{path} has a TextModel of version {settings.get('version')}, and this "
            f"jaxembed reads version {VERSION}: load it with the jaxembed that wrote "
            f"it, {settings.get('versions')}."
        )
    contents = {}
    for name in (WEIGHTS, TOKENIZER):
        expected = find_entry(path, settings, name)
        file = path / name
        if not file.is_file():
            raise FileNotFoundError(
                f"the TextModel {path} is incomplete: {name} is missing. Save it "
                "again, or take a copy."
            )
        if file.stat().st_size != expected["bytes"]:
            raise damaged(
                path,
                name,
                f"has {file.stat().st_size} bytes, and had "
                f"{expected['bytes']} when it was saved",
            )
        contents[name] = file.read_bytes()
        if hashlib.sha256(contents[name]).hexdigest() != expected["sha256"]:
            raise damaged(path, name, "has another SHA-256 than when it was saved")
    try:
        arrays = safetensors.load(contents[WEIGHTS])
    except SafetensorError as error:
        raise damaged(path, WEIGHTS, f"cannot be read: {error}") from error
    check_parts(path, arrays, settings)
    return arrays, contents[TOKENIZER].decode("utf-8", "surrogatepass"), settings


def to_arrays(params: Params, index: NgramIndex) -> Arrays:
    """Return the arrays of a model by name, as :func:`write_folder` takes them."""
    head = params["head"]
    arrays = {"table": params["embed"]["embedding"], **head["logits"]}
    arrays |= {INDEX + name: array for name, array in index.to_arrays().items()}
    if "hidden_0" in head:
        layer = head["hidden_0"]
        arrays |= {"hidden_kernel": layer["kernel"], "hidden_bias": layer["bias"]}
    return arrays


def to_params(arrays: Arrays) -> Params:
    """Return the parameters of a model from arrays of :func:`to_arrays`."""
    head = {"logits": {"kernel": arrays["kernel"], "bias": arrays["bias"]}}
    if "hidden_kernel" in arrays:
        layer = {"kernel": arrays["hidden_kernel"], "bias": arrays["hidden_bias"]}
        head["hidden_0"] = layer
    return {"embed": {"embedding": arrays["table"]}, "head": head}


def read_index(folder: str | Path, arrays: Arrays) -> NgramIndex:
    """Return the index of n-grams whose arrays are among those of a model.

    Raises:
      ValueError: if the arrays do not fit together, or do not fit the table.
    """
    path = Path(folder)
    parts = {n[len(INDEX) :]: x for n, x in arrays.items() if n.startswith(INDEX)}
    try:
        index = NgramIndex.from_arrays(parts)
    except ValueError as error:
        raise damaged(path, WEIGHTS, f"has no index of n-grams: {error}") from error
    if index.n_rows != len(arrays["table"]):
        raise damaged(
            path,
            WEIGHTS,
            f"has a table of {len(arrays['table'])} rows for an index of "
            f"{index.n_rows}",
        )
    return index


def _find_versions() -> dict[str, str]:
    versions = {"jaxembed": jaxembed.__version__, "python": platform.python_version()}
    names = ("jax", "flax", "numpy", "safetensors")
    return versions | {name: metadata.version(name) for name in names}


def check_free(path: Path, overwrite: bool) -> None:
    """Raise unless a folder may be created, or replaced by another TextModel."""
    _io.check_free(path, "a TextModel", _is_ours, overwrite=overwrite)


def _is_ours(path: Path) -> bool:
    """Return whether a folder has the files of a TextModel, and no others."""
    found = {entry.name for entry in path.iterdir()}
    if SETTINGS not in found or not found <= NAMES | ADDED:
        return False
    try:
        return bool(read_settings(path))
    except (OSError, ValueError):
        return False
