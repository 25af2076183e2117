"""Files: save a state as a checkpoint, and restore it with its digests verified."""

import functools
import json
from pathlib import Path
from typing import Any

import jax

from jaxembed._checks import check_count
from jaxembed.dist._processes import gather, share_error
from jaxembed.optim._tables import Params
from jaxembed.train._state import TrainState
from jaxembed.train.checkpoint._arrays import fill, savable_leaves
from jaxembed.train.checkpoint._joint import CommonSave, claim, name_run
from jaxembed.train.checkpoint._read import N_LOOKS, read_newest, read_step
from jaxembed.train.checkpoint._steps import check_free
from jaxembed.train.checkpoint._write import Extra, write
from jaxembed.train.sharded._words import (
    find_common_share,
    has_views,
    in_words,
    is_joint_tree,
    join,
    keep_views,
)

KEEP = 3  # steps in the folder of a checkpoint


def save(
    path: str | Path,
    state: object,
    extra: Extra | None = None,
    *,
    overwrite: bool = False,
    keep: int = KEEP,
) -> None:
    """Write a state as an Orbax checkpoint, atomically.

    Each call writes a new step into the folder. If the process is killed, all earlier
    steps remain. The SHA-256 of each array is stored too, since Orbax restores flipped
    bits without an error. During the call, the disk holds ``keep + 1`` steps.

    Args:
      path: a folder, created if it does not exist.
      state: a tree of arrays, such as a :class:`TrainState`. One on a mesh is written
        in parts, one for each shard of a table. If its mesh has the devices of several
        processes, all of them must call this function. Each writes the parts of its
        own shards, and process 0 all else.
      extra: other data to store as JSON, such as the tokenizer and the configuration.
      overwrite: whether to write into a folder that holds a checkpoint.
      keep: number of steps to keep. :func:`restore` returns the newest, or the step
        before if the newest is damaged.

    Raises:
      BlockingIOError: if another process writes this checkpoint; names the process.
      FileExistsError: if ``path`` holds a checkpoint and ``overwrite`` is False, or if
        it holds other files and no checkpoint.
      OSError: if the files cannot be written, such as on a full disk. The earlier steps
        are unchanged.
      TypeError: if a leaf of ``state`` is not an array of numbers.
      ValueError: if a name in ``state`` has a dot, if ``state`` is a single array or
        has no arrays, if an array has no elements, or if ``keep`` is less than 1.

    Example:
      >>> import tempfile
      >>> import numpy as np
      >>> folder = tempfile.TemporaryDirectory()
      >>> save(folder.name + "/model", {"table": np.ones((2, 3))}, {"words": ["a"]})
      >>> state, extra = restore(folder.name + "/model")
      >>> state["table"].shape, extra
      ((2, 3), {'words': ['a']})
      >>> folder.cleanup()
    """
    path = Path(path).absolute()
    keep = check_count("keep", keep)
    extra = {} if extra is None else extra
    state = in_words(state)
    savable_leaves(state), json.dumps(extra)  # raise before the folder is created
    is_joint = is_joint_tree(state)
    check = functools.partial(check_free, path, overwrite=overwrite)
    with claim(path, check, is_joint=is_joint):
        if is_joint:
            _save_jointly(path, state, extra, keep)
        else:
            write(path, state, extra, keep=keep)


def _save_jointly(path: Path, state: object, extra: Extra, keep: int) -> None:
    """Write a state of several processes, all of which call this function."""
    is_parted, is_first = has_views(state), jax.process_index() == 0
    common = CommonSave(name_run(), 0) if is_parted else None
    error = None
    try:
        if is_first:
            write(path, state, extra, keep=keep, common=common)
        elif common is not None:
            write(path, keep_views(state), extra, keep=keep, common=common)
    except Exception as raised:
        error = raised
    share_error(error, "cannot write the checkpoint")


def restore(path: str | Path, like: object = None) -> tuple[Any, Extra]:
    """Restore a state that :func:`save` wrote, and verify its checksums.

    The same two lines predict with any saved state, learned, frozen or row-sparse:
    ``state, extra = restore(path)``, then ``predict(model, state.variables, ids)``. The
    folder of ``fit(checkpoint=...)`` holds a dict, whose ``["state"]`` is the state.

    Args:
      path: the folder of the checkpoint.
      like: a tree of the expected structure, shapes and dtypes; needed to continue with
        :func:`step`. None to restore TrainStates, with all other nodes as dicts. If
        its mesh has the devices of several processes, all of them must call this
        function. Each then reads only the rows of its own shards, if the state was
        saved on a mesh.

    Returns:
      The state and ``extra``. The arrays of the state are on the default device, or on
      the mesh of ``like``, if ``like`` is given, else they are NumPy arrays.

    Raises:
      FileNotFoundError: if ``path`` does not hold a checkpoint.
      OSError: if a writer replaces all steps faster than they are read.
      ValueError: if all steps of the checkpoint are damaged, if the checkpoint does not
        match ``like``, or if ``like`` is given and JAX would narrow an array.

    Warns:
      UserWarning: if the newest step is damaged, and an earlier step is restored.

    Example:
      >>> restore("no/such/folder")  # doctest: +ELLIPSIS
      Traceback (most recent call last):
      FileNotFoundError: no checkpoint found in ...no/such/folder: give a folder ...
    """
    path = Path(path).absolute()
    if like is not None:
        return _restore_like(path, like)
    return read_newest(path, _read_state)


def _restore_like(path: Path, like: object) -> tuple[Any, Extra]:
    """Return the newest state in the structure of ``like``, and ``extra``.

    Parts are read while ``like`` is filled. If a writer removes the step meanwhile, the
    newest step is read instead.
    """
    read = functools.partial(read_step, share=find_common_share(like))
    is_joint = is_joint_tree(in_words(like))
    for _ in range(N_LOOKS):
        tree, meta = read_newest(path, read, is_joint=is_joint)
        state = error = None
        try:
            state = fill(like, tree, path)
        except FileNotFoundError as raised:
            error = raised
        is_lost = error is not None
        if not (any(gather(is_lost)) if is_joint else is_lost):
            return state, meta["extra"]
    raise OSError(
        f"the steps of {path} are replaced faster than they are read: give save(keep=) "
        "a larger number, or restore when the writer has ended."
    ) from error


def _read_state(folder: Path) -> tuple[Any, Extra]:
    """Return the state of a step, with its TrainStates, and ``extra``."""
    state: Any
    state, meta = read_step(folder)
    state = join(state)
    for names in meta["states"]:
        state = _make_state(state, names)
    return state, meta["extra"]


def _make_state(tree: Params, names: list[str]) -> Any:
    """Return the tree with the dict at the path ``names`` made a TrainState."""
    if names:
        return {**tree, names[0]: _make_state(tree[names[0]], names[1:])}
    return TrainState(**{"params": {}, "opt_state": {}, **tree})
