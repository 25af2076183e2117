"""Folder of ids: its files, checked by their sizes and mapped into memory."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from jaxembed.text._ragged import Ragged

FORMAT, VERSION = "jaxembed.ids", 1
VALUES, OFFSETS, META = "values.int32", "offsets.int64", "meta.json"
MOST_BYTES = 2**16  # of meta.json


def open_ids(folder: str | Path) -> Ragged:
    """Return the ids that ``write_ids`` wrote, mapped into memory.

    The ids stay on the disk: the system reads the pages that are used, and can drop
    them when memory is needed.

    Args:
      folder: the folder.

    Raises:
      FileNotFoundError: if the folder or one of its files does not exist.
      ValueError: if it is not of ids, damaged, or of another version.

    Example:
      >>> import tempfile
      >>> from jaxembed.text import Tokenizer, write_ids
      >>> with tempfile.TemporaryDirectory() as parent:
      ...     tokenizer = Tokenizer().fit(["a joy"])
      ...     _ = write_ids(["a joy"], tokenizer, parent + "/ids", processes=0)
      ...     open_ids(parent + "/ids").tolist()
      [[1, 2]]
    """
    path = Path(folder)
    meta = _read_meta(path)
    sizes = {VALUES: 4 * meta["n_ids"], OFFSETS: 8 * (meta["n_texts"] + 1)}
    for name, size in sizes.items():
        if not (path / name).is_file():
            raise FileNotFoundError(f"{path} is incomplete: {name} is missing.")
        if (found := (path / name).stat().st_size) != size:
            raise ValueError(
                f"{path} is damaged: {name} has {found} bytes, and had {size} when it "
                "was written. Write the ids again."
            )
    offsets = np.fromfile(path / OFFSETS, "<i8")
    if not meta["n_ids"]:
        return Ragged(np.zeros(0, np.int32), offsets)
    return Ragged(np.memmap(path / VALUES, "<i4", mode="r"), offsets)


def _read_meta(path: Path) -> dict[str, Any]:
    file = path / META
    if not file.is_file():
        raise FileNotFoundError(
            f"{path} does not contain ids: {META} is missing. Write them with "
            "text.write_ids."
        )
    if file.stat().st_size > MOST_BYTES:
        raise ValueError(
            f"{file} is damaged: it has more than {MOST_BYTES} bytes. Write the ids "
            "again."
        )
    try:
        meta = json.loads(file.read_bytes())
        numbers = [meta[name] for name in ("n_texts", "n_ids")]
        is_good = meta["format"] == FORMAT and min(numbers) >= 0
        is_good &= all(type(n) is int for n in numbers)
    except (ValueError, KeyError, TypeError, RecursionError):
        is_good = False
    if not is_good:
        raise ValueError(
            f"{file} is damaged, or not of text.write_ids: write the ids again."
        )
    if meta.get("version") != VERSION:
        raise ValueError(
            f"{path} has ids of version {meta.get('version')}, and this jaxembed reads "
            f"version {VERSION}."
        )
    return meta


def is_folder_of_ids(path: Path) -> bool:
    """Return whether a folder has the files of ids, and no others."""
    found = {entry.name for entry in path.iterdir()}
    return META in found and found <= {VALUES, OFFSETS, META}
