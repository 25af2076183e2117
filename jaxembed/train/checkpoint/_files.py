"""Checkpoint: save a state atomically, and verify its checksums when restoring."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxembed.train._state import Params, TrainState
from jaxembed.train.checkpoint._arrays import fill, hash_array, named_leaves

if TYPE_CHECKING:
    import orbax.checkpoint as ocp

Extra = dict[str, Any]  # JSON
# Files that Orbax writes into the folder of a step.
OURS = {"state", "meta", "_CHECKPOINT_METADATA", "commit_success.txt"}
UNFINISHED = "orbax-checkpoint-tmp"  # part of the name of an unfinished folder


def save(
    path: str | Path,
    state: object,
    extra: Extra | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write a state as an Orbax checkpoint, atomically.

    If the process is killed, either the old or the new checkpoint remains. The SHA-256
    of each array is stored too, since Orbax restores flipped bits without an error.

    Args:
      path: a folder, created if it does not exist.
      state: a tree of arrays, such as a :class:`TrainState`.
      extra: other data to store as JSON, such as the tokenizer and the configuration.
      overwrite: whether to replace an existing checkpoint.

    Raises:
      FileExistsError: if ``path`` holds a checkpoint and ``overwrite`` is False, or if
        it holds other files.
      TypeError: if a leaf of ``state`` is not an array of numbers.
      ValueError: if a name in ``state`` has a dot, or if ``state`` is a single array.

    Example:
      >>> import tempfile
      >>> folder = tempfile.TemporaryDirectory()
      >>> save(folder.name + "/model", {"table": np.ones((2, 3))}, {"words": ["a"]})
      >>> state, extra = restore(folder.name + "/model")
      >>> state["table"].shape, extra
      ((2, 3), {'words': ['a']})
      >>> folder.cleanup()
    """
    import orbax.checkpoint as ocp

    path = Path(path).absolute()
    leaves = {name: np.asarray(leaf) for name, leaf in named_leaves(state).items()}
    _check_free(path, overwrite)
    text = json.dumps({} if extra is None else extra)
    digests = {".".join(name): hash_array(leaf) for name, leaf in leaves.items()}
    meta = {
        "sha256": digests,
        "extra_sha256": _hash_text(text),
        "extra": text,
        "states": _find_states(state),
    }
    with _open(path, writing=True) as manager:
        latest = manager.latest_step()
        manager.save(
            0 if latest is None else latest + 1,
            args=ocp.args.Composite(
                state=ocp.args.PyTreeSave(unflatten_dict(leaves)),
                meta=ocp.args.JsonSave(meta),
            ),
        )


def restore(path: str | Path, like: object = None) -> tuple[Any, Extra]:
    """Restore a state that :func:`save` wrote, and verify its checksums.

    The same two lines predict with any saved state, learned, frozen or row-sparse:
    ``state, extra = restore(path)``, then ``predict(model, state.variables, ids)``. The
    folder of ``fit(checkpoint=...)`` holds a dict, whose ``["state"]`` is the state.

    Args:
      path: the folder of the checkpoint.
      like: a tree of the expected structure, shapes and dtypes; needed to continue with
        :func:`step`. None to restore TrainStates, with all other nodes as dicts.

    Returns:
      The state and ``extra``. The arrays of the state are on the default device if
      ``like`` is given, else they are NumPy arrays.

    Raises:
      FileNotFoundError: if ``path`` does not hold a checkpoint.
      ValueError: if the checkpoint is damaged, or does not match ``like``.

    Example:
      >>> restore("no/such/folder")  # doctest: +ELLIPSIS
      Traceback (most recent call last):
      FileNotFoundError: no checkpoint found in ...no/such/folder.
    """
    path = Path(path).absolute()
    tree, meta = _read(path)
    extra = json.loads(meta["extra"])
    if like is not None:
        return fill(like, tree, path), extra
    for names in meta["states"]:
        tree = _make_state(tree, names)
    return tree, extra


def restore_arrays(path: str | Path) -> tuple[Params, Extra]:
    """Return a checkpoint as nested dicts of NumPy arrays, and its ``extra``."""
    tree, meta = _read(Path(path).absolute())
    return tree, json.loads(meta["extra"])


def _find_states(tree: object) -> list[list[str]]:
    """Return the path of each TrainState in a tree, as a list of names."""
    leaves = jax.tree_util.tree_leaves_with_path(
        tree, is_leaf=lambda node: isinstance(node, TrainState)
    )
    paths = [path for path, leaf in leaves if isinstance(leaf, TrainState)]
    return [[jax.tree_util.keystr((x,), simple=True) for x in path] for path in paths]


def _make_state(tree: Params, names: list[str]) -> Any:
    """Return the tree with the dict at the path ``names`` made a TrainState."""
    if names:
        return {**tree, names[0]: _make_state(tree[names[0]], names[1:])}
    return TrainState(**{"params": {}, "opt_state": {}, **tree})


def read_extra(path: str | Path) -> Extra:
    """Return the ``extra`` of a checkpoint, without reading its arrays.

    Raises:
      FileNotFoundError: if ``path`` does not hold a checkpoint.
      ValueError: if the checkpoint is damaged.

    Example:
      >>> read_extra("no/such/folder")  # doctest: +ELLIPSIS
      Traceback (most recent call last):
      FileNotFoundError: no checkpoint found in ...no/such/folder.
    """
    import orbax.checkpoint as ocp

    path = Path(path).absolute()
    if not has_checkpoint(path):
        raise FileNotFoundError(f"no checkpoint found in {path}.")
    try:
        with _open(path, writing=False) as manager:
            wanted = ocp.args.Composite(meta=ocp.args.JsonRestore())
            meta = manager.restore(manager.latest_step(), args=wanted)["meta"]
        if _hash_text(meta["extra"]) != meta["extra_sha256"]:
            raise ValueError("the SHA-256 of extra differs from the saved one")
        return json.loads(meta["extra"])
    except Exception as error:  # Orbax and TensorStore raise errors of many types
        raise ValueError(
            f"the checkpoint {path} is damaged: {type(error).__name__}: {error}"
        ) from error


def has_checkpoint(path: Path) -> bool:
    """Return whether ``path`` holds a finished checkpoint.

    Example:
      >>> has_checkpoint(Path("no/such/folder"))
      False
    """
    return path.is_dir() and any(entry.name.isdigit() for entry in path.iterdir())


def _check_free(path: Path, overwrite: bool) -> None:
    entries = list(path.iterdir()) if path.is_dir() else []
    # Orbax would delete a user's folder that has the name of an older step.
    are_ours = all(
        UNFINISHED in entry.name
        or (entry.name.isdigit() and {e.name for e in entry.iterdir()} <= OURS)
        for entry in entries
    )
    if path.is_file() or not are_ours:
        raise FileExistsError(
            f"{path} exists and is not a checkpoint: give another path."
        )
    if entries and not overwrite:
        raise FileExistsError(
            f"{path} exists already: give another path, or overwrite=True."
        )


def _open(path: Path, writing: bool) -> "ocp.CheckpointManager":
    import orbax.checkpoint as ocp

    # A reader must not clean up: another process may be writing.
    options = ocp.CheckpointManagerOptions(
        enable_async_checkpointing=False,
        create=writing,
        cleanup_tmp_directories=writing,
        max_to_keep=1 if writing else None,
    )
    state, meta = ocp.PyTreeCheckpointHandler(), ocp.JsonCheckpointHandler()
    handlers = {"state": state, "meta": meta}
    return ocp.CheckpointManager(path, options=options, item_handlers=handlers)


def _read(path: Path) -> tuple[Params, Extra]:
    """Return the arrays and the JSON of a checkpoint, after verifying the SHA-256."""
    import orbax.checkpoint as ocp

    if not has_checkpoint(path):
        raise FileNotFoundError(f"no checkpoint found in {path}.")
    try:
        with _open(path, writing=False) as manager:
            saved = manager.item_metadata(manager.latest_step())["state"]
            as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(np.ndarray), saved.tree)
            wanted = ocp.args.Composite(
                state=ocp.args.PyTreeRestore(restore_args=as_numpy),
                meta=ocp.args.JsonRestore(),
            )
            restored = manager.restore(manager.latest_step(), args=wanted)
        meta = restored["meta"]
        expected = meta["sha256"] | {"(extra)": meta["extra_sha256"]}
        leaves = flatten_dict(restored["state"])
    except Exception as error:  # Orbax and TensorStore raise errors of many types
        raise ValueError(
            f"the checkpoint {path} is damaged: {type(error).__name__}: {error}"
        ) from error
    if "states" not in meta:
        raise ValueError(
            f"the checkpoint {path} was written by an older jaxembed, with other "
            "digests: train again, or restore it with that version."
        )
    found = {".".join(name): hash_array(leaf) for name, leaf in leaves.items()}
    found["(extra)"] = _hash_text(meta["extra"])
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            raise ValueError(
                f"the checkpoint {path} is damaged at {name}: its SHA-256 differs from "
                "the saved one. Train again, or restore a copy."
            )
    return unflatten_dict(leaves), meta


def _hash_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
