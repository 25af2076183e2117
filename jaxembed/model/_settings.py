"""Settings: ``settings.json`` of a model, and checks that its weights fit to it."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from jaxembed.model._tasks import LOSSES, Task

FORMAT, VERSION = "jaxembed.TextModel", 2
WEIGHTS, SETTINGS = "weights.safetensors", "settings.json"
MOST_ROWS = 2**24  # read of a text
MOST_BYTES = 2**26  # of settings.json, whose size no other file tells

Arrays = dict[str, np.ndarray]


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings of a model, checked by their own digest."""
    file = path / SETTINGS
    if not file.is_file():
        raise FileNotFoundError(
            f"{path} does not contain a TextModel: {SETTINGS} is missing. Give a "
            "folder that TextModel.save wrote."
        )
    if file.stat().st_size > MOST_BYTES:
        raise damaged(path, SETTINGS, f"has more than {MOST_BYTES} bytes")
    try:
        settings = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise damaged(path, SETTINGS, f"is not JSON: {error}") from error
    if not isinstance(settings, dict) or settings.get("format") != FORMAT:
        raise ValueError(f"{file} is not of a TextModel: its format is not {FORMAT}.")
    if settings.get("sha256") != hash_settings(settings):
        raise damaged(path, SETTINGS, "has another SHA-256 than when it was saved")
    return settings


def find_entry(path: Path, settings: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the size and digest of a file in the settings."""
    try:
        entry = settings["files"][name]
        return {"bytes": int(entry["bytes"]), "sha256": str(entry["sha256"])}
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, SETTINGS, f"lacks the size of {name}") from error


def check_parts(path: Path, arrays: Arrays, settings: dict[str, Any]) -> None:
    """Raise unless weights and settings fit together: digests can be forged too."""
    labels, length = settings.get("labels"), settings.get("length")
    known = labels if isinstance(labels, list) else []
    kind = _check_task(path, settings)
    least = 0 if kind == "regression" else 2
    is_known = {str, int} >= set(map(type, known))
    if not is_known or not least <= len(set(known)) == len(known):
        raise damaged(path, SETTINGS, f"has the labels {labels!r:.80}")
    if type(length) is not int or not 0 < length <= MOST_ROWS:
        raise damaged(path, SETTINGS, f"has the length {length!r:.80}")
    if not isinstance(settings.get("settings"), dict):
        raise damaged(path, SETTINGS, "lacks the settings of the training")
    n_logits = read_task(settings).n_logits
    table = arrays.get("table")
    if table is None or table.ndim != 2:
        raise damaged(path, WEIGHTS, f"has the arrays {sorted(arrays)}")
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
            raise damaged(path, WEIGHTS, f"has {name}={found}, not {list(shape)}")


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
        raise damaged(path, SETTINGS, f"has the task {given!r:.80}")
    return kind


def damaged(path: Path, name: str, words: str) -> ValueError:
    """Return the error about a damaged file of a model."""
    return ValueError(
        f"the TextModel {path} is damaged: {name} {words}. Train again, or take a copy."
    )


def hash_settings(settings: dict[str, Any]) -> str:
    """Return the SHA-256 of all settings but the digest itself."""
    rest = {name: value for name, value in settings.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
