"""Write: one step of a checkpoint, whole and on the disk, or not at all."""

import functools
import json
import math
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxembed import _io
from jaxembed.train._state import TrainState
from jaxembed.train.checkpoint._arrays import (
    hash_array,
    hash_file,
    hash_text,
    savable_leaves,
)
from jaxembed.train.checkpoint._joint import CommonSave
from jaxembed.train.checkpoint._orbax import write_leaves
from jaxembed.train.checkpoint._steps import (
    UNFINISHED,
    list_files,
    next_step,
    remove_old,
    remove_unfinished,
)
from jaxembed.train.checkpoint._versions import find_versions
from jaxembed.train.sharded._part_files import FOLDER, describe_parts, write_parts
from jaxembed.train.sharded._parts import Parts
from jaxembed.train.sharded._words import to_parts

Extra = dict[str, Any]  # JSON
N_THREADS = 16
REMEDY = "The earlier saves are unchanged. Free some space, or give another path."
explain = functools.partial(_io.explain_disk, remedy=REMEDY)


def write(
    path: Path,
    state: object,
    extra: Extra,
    *,
    keep: int,
    common: CommonSave | None = None,
) -> None:
    """Write the next step of a checkpoint. Call it within the lock only.

    The files are on the disk before the step gets its name, so that a loss of power
    leaves the earlier steps or the new step.

    Args:
      path: the folder of the checkpoint, which must exist.
      state: a tree of arrays. Views of arrays in shard order are written in parts.
      extra: other data to store as JSON.
      keep: number of steps to keep, the new step included.
      common: the save of several processes, all of which call this function. Each
        writes its parts of the arrays, and process 0 all else.

    Raises:
      OSError: if the step cannot be written, with the number ``ENOSPC`` if the disk is
        full. The earlier steps are unchanged.
      TypeError: if a leaf of ``state`` is not an array of numbers.
      ValueError: if ``state`` has no arrays, an array without elements, or a name with
        a dot.
    """
    leaves = {".".join(n): leaf for n, leaf in savable_leaves(state).items()}
    found = {name: to_parts(leaf) for name, leaf in leaves.items()}
    parts = {name: array for name, array in found.items() if array is not None}
    whole = {n: np.asarray(leaf) for n, leaf in leaves.items() if n not in parts}
    if common is not None and jax.process_index():
        unfinished = path / f"{common.name}.{UNFINISHED}"
        with common.contributing() as digests, explain(path, _count_bytes(parts)):
            digests |= write_parts(unfinished, parts)
        return
    meta = {
        "arrays": {name: hash_array(leaf) for name, leaf in whole.items()},
        **({"parts": describe_parts(parts)} if parts else {}),
        "extra": extra,
        "states": _find_states(state),
        "versions": find_versions(),
    }
    remove_unfinished(path, None if common is None else common.run)
    step = next_step(path)
    unfinished = path / f"{common.name if common else step}.{UNFINISHED}"
    size = sum(leaf.nbytes for leaf in whole.values()) + len(json.dumps(meta))
    try:
        with explain(path, size + _count_bytes(parts)):
            digests = _write_parts(unfinished, parts, common)
            _write_files(unfinished, whole, meta, digests)
            _name(unfinished, path / str(step))
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    remove_old(path, keep)


def _name(unfinished: Path, step: Path) -> None:
    """Give a step its name, after its files are on the disk."""
    entries = [unfinished, *unfinished.rglob("*")]
    # Parts are on the disk already. In parallel, since a disk flushes files at once.
    new = [entry for entry in entries if entry.parent.name != FOLDER]
    with ThreadPoolExecutor(N_THREADS) as pool:
        list(pool.map(_io.sync, new))
    unfinished.rename(step)
    _io.sync(step.parent)
    with suppress(PermissionError):  # a parent that cannot be listed
        _io.sync(step.parent.parent)  # the folder itself may be new


def _write_parts(
    folder: Path, parts: Mapping[str, Parts], common: CommonSave | None
) -> dict[str, str]:
    """Write the parts of process 0, and return the SHA-256 of the parts of all."""
    try:
        digests = write_parts(folder, parts) if parts else {}
    except Exception:
        if common is not None:
            with suppress(Exception):  # The others write into the folder until then.
                common.collect()
        raise
    return digests if common is None else digests | common.collect()


def _write_files(
    folder: Path,
    leaves: Mapping[str, np.ndarray],
    meta: dict[str, Any],
    parts: dict[str, str],
) -> None:
    """Write the arrays, then the JSON with the SHA-256 of each file of the arrays.

    Args:
      folder: the folder of the step.
      leaves: arrays by name.
      meta: the JSON.
      parts: the SHA-256 of each part that has been written.
    """
    for array in meta.get("parts", {}).values():
        for file in array["files"]:
            if file not in parts or not (folder / file).is_file():
                raise OSError(
                    f"the part {file} is not in {folder}: give a folder on a file "
                    "system that all hosts share."
                )
    (folder / "state").mkdir(parents=True)
    (folder / "meta").mkdir()
    write_leaves(
        folder / "state", {tuple(n.split(".")): leaf for n, leaf in leaves.items()}
    )
    found = list_files(folder).items()
    files = parts | {n: hash_file(path) for n, path in found if n not in parts}
    text = json.dumps(meta | {"files": files})
    content = json.dumps({"sha256": hash_text(text), "text": text})
    (folder / "meta" / "metadata").write_text(content)


def _count_bytes(arrays: Mapping[str, Parts]) -> int:
    """Return the number of bytes of the parts of this process."""
    return sum(
        math.prod(array.shape_of(number)) * array.dtype.itemsize
        for array in arrays.values()
        for number in array.sources
    )


def _find_states(tree: object) -> list[list[str]]:
    """Return the path of each TrainState in a tree, as a list of names."""
    leaves = jax.tree_util.tree_leaves_with_path(
        tree, is_leaf=lambda node: isinstance(node, TrainState)
    )
    paths = [path for path, leaf in leaves if isinstance(leaf, TrainState)]
    return [[jax.tree_util.keystr((x,), simple=True) for x in path] for path in paths]
