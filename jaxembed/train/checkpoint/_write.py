"""Write: one step of a checkpoint, whole and on the disk, or not at all."""

import json
import shutil
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
from jaxembed.train.checkpoint._orbax import Leaves, write_leaves
from jaxembed.train.checkpoint._steps import (
    UNFINISHED,
    list_files,
    next_step,
    remove_old,
    remove_unfinished,
)
from jaxembed.train.checkpoint._versions import find_versions

Extra = dict[str, Any]  # JSON
N_THREADS = 16
REMEDY = "The earlier saves are unchanged. Free some space, or give another path."


def write(path: Path, state: object, extra: Extra, *, keep: int) -> int:
    """Write the next step of a checkpoint. Call it within the lock only.

    The files are on the disk before the step gets its name, so that a loss of power
    leaves the earlier steps or the new step.

    Args:
      path: the folder of the checkpoint, which must exist.
      state: a tree of arrays.
      extra: other data to store as JSON.
      keep: number of steps to keep, the new step included.

    Returns:
      The number of the step.

    Raises:
      OSError: if the step cannot be written, with the number ``ENOSPC`` if the disk is
        full. The earlier steps are unchanged.
      TypeError: if a leaf of ``state`` is not an array of numbers.
      ValueError: if ``state`` has no arrays, an array without elements, or a name with
        a dot.
    """
    leaves = {name: np.asarray(leaf) for name, leaf in savable_leaves(state).items()}
    meta = {
        "arrays": {".".join(name): hash_array(leaf) for name, leaf in leaves.items()},
        "extra": extra,
        "states": _find_states(state),
        "versions": find_versions(),
    }
    remove_unfinished(path)
    step = next_step(path)
    unfinished = path / f"{step}.{UNFINISHED}"
    size = sum(leaf.nbytes for leaf in leaves.values()) + len(json.dumps(meta))
    try:
        with _io.explain_disk(path, size, remedy=REMEDY):
            _write_files(unfinished, leaves, meta)
            # In parallel, since a disk flushes several files at once.
            with ThreadPoolExecutor(N_THREADS) as pool:
                list(pool.map(_io.sync, [unfinished, *unfinished.rglob("*")]))
            unfinished.rename(path / str(step))
            _io.sync(path)
            with suppress(PermissionError):  # a parent that cannot be listed
                _io.sync(path.parent)  # the folder itself may be new
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    remove_old(path, keep)
    return step


def _write_files(folder: Path, leaves: Leaves, meta: dict[str, Any]) -> None:
    """Write the arrays, then the JSON with the SHA-256 of each file of the arrays."""
    (folder / "state").mkdir(parents=True)
    (folder / "meta").mkdir()
    write_leaves(folder / "state", leaves)
    files = {name: hash_file(path) for name, path in list_files(folder).items()}
    text = json.dumps(meta | {"files": files})
    content = json.dumps({"sha256": hash_text(text), "text": text})
    (folder / "meta" / "metadata").write_text(content)


def _find_states(tree: object) -> list[list[str]]:
    """Return the path of each TrainState in a tree, as a list of names."""
    leaves = jax.tree_util.tree_leaves_with_path(
        tree, is_leaf=lambda node: isinstance(node, TrainState)
    )
    paths = [path for path, leaf in leaves if isinstance(leaf, TrainState)]
    return [[jax.tree_util.keystr((x,), simple=True) for x in path] for path in paths]
