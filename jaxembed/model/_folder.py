"""Folder: a model on disk, whole or not at all, and checked when it is read."""

import hashlib
import json
import math
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

import jaxembed
from jaxembed import _io
from jaxembed.model._tasks import LOSSES, Task
from jaxembed.text import NgramIndex

FORMAT, VERSION = "jaxembed.TextModel", 2
WEIGHTS, TOKENIZER, SETTINGS = "weights.safetensors", "tokenizer.json", "settings.json"
# Files of a model, and those that the command line adds.
NAMES = {WEIGHTS, TOKENIZER, SETTINGS}
ADDED = {"metrics.json", "history.png", "calibration.png"}
INDEX = "index."  # before the names of the arrays of the NgramIndex
MOST_ROWS = 2**24  # read of a text
MOST_BYTES = 2**26  # of settings.json, whose size no other file tells

Arrays = dict[str, np.ndarray]


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
    settings["sha256"] = _hash_settings(settings)
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
    settings = _read_settings(path)
    if settings.get("version") != VERSION:
        raise ValueError(
            f"{path} has a TextModel of version {settings.get('version')}, and this "
            f"jaxembed reads version {VERSION}: load it with the jaxembed that wrote "
            f"it, {settings.get('versions')}."
        )
    contents = {}
    for name in (WEIGHTS, TOKENIZER):
        expected = _find_entry(path, settings, name)
        file = path / name
        if not file.is_file():
            raise FileNotFoundError(
                f"the TextModel {path} is incomplete: {name} is missing. Save it "
                "again, or take a copy."
            )
        if file.stat().st_size != expected["bytes"]:
            raise _damage(
                path,
                name,
                f"has {file.stat().st_size} bytes, and had "
                f"{expected['bytes']} when it was saved",
            )
        contents[name] = file.read_bytes()
        if hashlib.sha256(contents[name]).hexdigest() != expected["sha256"]:
            raise _damage(path, name, "has another SHA-256 than when it was saved")
    try:
        arrays = safetensors.load(contents[WEIGHTS])
    except SafetensorError as error:
        raise _damage(path, WEIGHTS, f"cannot be read: {error}") from error
    _check_parts(path, arrays, settings)
    return arrays, contents[TOKENIZER].decode("utf-8", "surrogatepass"), settings


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
        raise _damage(path, WEIGHTS, f"has no index of n-grams: {error}") from error
    if index.n_rows != len(arrays["table"]):
        raise _damage(
            path,
            WEIGHTS,
            f"has a table of {len(arrays['table'])} rows for an index of "
            f"{index.n_rows}",
        )
    return index


def _read_settings(path: Path) -> dict[str, Any]:
    """Return the settings of a model, checked by their own digest."""
    file = path / SETTINGS
    if not file.is_file():
        raise FileNotFoundError(
            f"{path} does not contain a TextModel: {SETTINGS} is missing. Give a "
            "folder that TextModel.save wrote."
        )
    if file.stat().st_size > MOST_BYTES:
        raise _damage(path, SETTINGS, f"has more than {MOST_BYTES} bytes")
    try:
        settings = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _damage(path, SETTINGS, f"is not JSON: {error}") from error
    if not isinstance(settings, dict) or settings.get("format") != FORMAT:
        raise ValueError(f"{file} is not of a TextModel: its format is not {FORMAT}.")
    if settings.get("sha256") != _hash_settings(settings):
        raise _damage(path, SETTINGS, "has another SHA-256 than when it was saved")
    return settings


def _find_entry(path: Path, settings: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the size and digest of a file in the settings."""
    try:
        entry = settings["files"][name]
        return {"bytes": int(entry["bytes"]), "sha256": str(entry["sha256"])}
    except (KeyError, TypeError, ValueError) as error:
        raise _damage(path, SETTINGS, f"lacks the size of {name}") from error


def _check_parts(path: Path, arrays: Arrays, settings: dict[str, Any]) -> None:
    """Raise unless weights and settings fit together: digests can be forged too."""
    labels, length = settings.get("labels"), settings.get("length")
    known = labels if isinstance(labels, list) else []
    kind = _check_task(path, settings)
    least = 0 if kind == "regression" else 2
    is_known = {str, int} >= set(map(type, known))
    if not is_known or not least <= len(set(known)) == len(known):
        raise _damage(path, SETTINGS, f"has the labels {labels!r:.80}")
    if type(length) is not int or not 0 < length <= MOST_ROWS:
        raise _damage(path, SETTINGS, f"has the length {length!r:.80}")
    if not isinstance(settings.get("settings"), dict):
        raise _damage(path, SETTINGS, "lacks the settings of the training")
    n_logits = read_task(settings).n_logits
    table = arrays.get("table")
    if table is None or table.ndim != 2:
        raise _damage(path, WEIGHTS, f"has the arrays {sorted(arrays)}")
    width = table.shape[1]
    shapes: dict[str, tuple[int, ...]] = {"table": table.shape}
    if (hidden := arrays.get("hidden_kernel")) is not None:
        n_units = hidden.shape[-1] if hidden.ndim == 2 else 0
        shapes |= {"hidden_kernel": (width, n_units), "hidden_bias": (n_units,)}
        width = n_units
    shapes |= {"kernel": (width, n_logits), "bias": (n_logits,)}
    for name, shape in shapes.items():
        array = arrays.get(name)
        if array is None or array.shape != shape or array.dtype != np.float32:
            found = None if array is None else f"{array.dtype}{list(array.shape)}"
            raise _damage(path, WEIGHTS, f"has {name}={found}, not {list(shape)}")


def read_task(settings: dict[str, Any]) -> Task:
    """Return the task of checked settings."""
    labels, given = tuple(settings["labels"]), settings["task"]
    numbers = {name: given[name] for name in ("center", "scale") if name in given}
    return Task(given["kind"], labels, **numbers)


def _check_task(path: Path, settings: dict[str, Any]) -> str:
    """Return the kind of the task, if it is known and its numbers are finite."""
    given = settings.get("task")
    task = given if isinstance(given, dict) else {}
    kind, numbers = task.get("kind"), [task.get(n, 1.0) for n in ("center", "scale")]
    are_numbers = all(type(x) in (int, float) and math.isfinite(x) for x in numbers)
    if kind not in LOSSES or not are_numbers:
        raise _damage(path, SETTINGS, f"has the task {given!r:.80}")
    return kind


def _damage(path: Path, name: str, words: str) -> ValueError:
    return ValueError(
        f"the TextModel {path} is damaged: {name} {words}. Train again, or take a copy."
    )


def _hash_settings(settings: dict[str, Any]) -> str:
    """Return the SHA-256 of all settings but the digest itself."""
    rest = {name: value for name, value in settings.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _find_versions() -> dict[str, str]:
    versions = {"jaxembed": jaxembed.__version__, "python": platform.python_version()}
    names = ("jax", "flax", "numpy", "safetensors")
    return versions | {name: metadata.version(name) for name in names}


def check_free(path: Path, overwrite: bool) -> None:
    """Raise unless a folder may be created or replaced."""
    if not path.exists():
        return
    if not path.is_dir():
        raise FileExistsError(f"{path} is a file: give a folder.")
    found = {entry.name for entry in path.iterdir()}
    is_ours = SETTINGS in found and found <= NAMES | ADDED
    if found and not (is_ours and _is_model(path)):
        raise FileExistsError(
            f"{path} exists and contains other files than a TextModel: give another "
            "path."
        )
    if found and not overwrite:
        raise FileExistsError(
            f"{path} already contains a TextModel: give another path, or "
            "overwrite=True."
        )


def _is_model(path: Path) -> bool:
    """Return whether the settings are those of a TextModel; check no other file."""
    try:
        return bool(_read_settings(path))
    except (OSError, ValueError):
        return False
