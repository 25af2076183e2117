"""Checkpoint: a state on disk, whole or not at all, and checked when it is read."""

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

Leaves = dict[tuple[str, ...], Any]


def save(
    path: str | Path,
    state: Any,
    extra: dict[str, Any] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Writes a state as an Orbax checkpoint.

    It is written beside and renamed, so that a killed process leaves the old checkpoint
    or the new one, never half of one. The SHA-256 of each array is stored with it,
    since Orbax restores flipped bits without a word.

    Args:
      path: a folder, made if need be.
      state: a tree of arrays, such as a :class:`TrainState`.
      extra: what else belongs to it, as JSON: the tokenizer, the configuration.
      overwrite: whether a checkpoint that is there is replaced.

    Raises:
      FileExistsError: if there is a checkpoint, or anything else, and not
        ``overwrite``.

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
    if path.is_file() or (path.is_dir() and not overwrite and any(path.iterdir())):
        raise FileExistsError(
            f"{path} is there already: give another path, or, for a folder, "
            "overwrite=True."
        )
    leaves = {name: np.asarray(leaf) for name, leaf in _named_leaves(state).items()}
    text = json.dumps({} if extra is None else extra)
    digests = {".".join(name): hash_arrays(leaf) for name, leaf in leaves.items()}
    meta = {"sha256": digests, "extra_sha256": _hash_text(text), "extra": text}
    with _open(path) as manager:
        latest = manager.latest_step()
        manager.save(
            0 if latest is None else latest + 1,
            args=ocp.args.Composite(
                state=ocp.args.PyTreeSave(unflatten_dict(leaves)),
                meta=ocp.args.JsonSave(meta),
            ),
        )


def restore(path: str | Path, like: Any = None) -> tuple[Any, dict[str, Any]]:
    """Reads what :func:`save` wrote, and checks every bit of it.

    Args:
      path: the folder.
      like: a tree of the same form, whose arrays say which shapes and dtypes are
        wanted; only they count. None for nested dicts by the names of the fields.

    Returns:
      The state, in the form of ``like`` and on the default device, and ``extra``.

    Raises:
      FileNotFoundError: if there is no checkpoint.
      ValueError: if it is damaged, or not of the form of ``like``.

    Example:
      >>> restore("no/such/folder")  # doctest: +ELLIPSIS
      Traceback (most recent call last):
      FileNotFoundError: there is no checkpoint in ...no/such/folder.
    """
    path = Path(path).absolute()
    leaves, text, expected = _read(path)
    found = {".".join(name): hash_arrays(leaf) for name, leaf in leaves.items()}
    found["(extra)"] = _hash_text(text)
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            raise ValueError(
                f"the checkpoint {path} is damaged at {name}: its SHA-256 is not the "
                "one that was saved. Train again, or take a copy."
            )
    extra = json.loads(text)
    return unflatten_dict(leaves) if like is None else _fill(like, leaves, path), extra


def _open(path: Path) -> Any:
    import orbax.checkpoint as ocp

    options = ocp.CheckpointManagerOptions(
        max_to_keep=1, cleanup_tmp_directories=True, enable_async_checkpointing=False
    )
    handlers = {
        "state": ocp.PyTreeCheckpointHandler(),
        "meta": ocp.JsonCheckpointHandler(),
    }
    return ocp.CheckpointManager(path, options=options, item_handlers=handlers)


def _read(path: Path) -> tuple[Leaves, str, dict[str, str]]:
    """The arrays, the JSON beside them, and what the hashes of both should be."""
    import orbax.checkpoint as ocp

    # Asked before Orbax, which would make the folder.
    if not path.is_dir() or not any(entry.name.isdigit() for entry in path.iterdir()):
        raise FileNotFoundError(f"there is no checkpoint in {path}.")
    try:
        with _open(path) as manager:
            saved = manager.item_metadata(manager.latest_step())["state"]
            as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(np.ndarray), saved.tree)
            found = manager.restore(
                manager.latest_step(),
                args=ocp.args.Composite(
                    state=ocp.args.PyTreeRestore(restore_args=as_numpy),
                    meta=ocp.args.JsonRestore(),
                ),
            )
        meta = found["meta"]
        expected = meta["sha256"] | {"(extra)": meta["extra_sha256"]}
        return flatten_dict(found["state"]), meta["extra"], expected
    except Exception as error:  # Orbax and TensorStore raise all kinds of them
        raise ValueError(
            f"the checkpoint {path} is damaged: {type(error).__name__}: {error}"
        ) from error


def _fill(like: Any, leaves: Leaves, path: Path) -> Any:
    wanted = _named_leaves(like)
    for name in sorted(wanted.keys() | leaves.keys()):
        sides = [_describe(side.get(name)) for side in (wanted, leaves)]
        if sides[0] != sides[1]:
            raise ValueError(
                f"the checkpoint {path} is of another model or optimizer: "
                f"{'.'.join(name)} should be {sides[0]} and is {sides[1]}."
            )
    arrays = [jax.device_put(leaves[name]) for name in wanted]
    return jax.tree.unflatten(jax.tree.structure(like), arrays)


def _named_leaves(tree: Any) -> Leaves:
    paths = jax.tree_util.tree_leaves_with_path(tree)
    return {
        tuple(jax.tree_util.keystr((part,), simple=True) for part in path): leaf
        for path, leaf in paths
    }


def _describe(leaf: Any) -> str:
    return "missing" if leaf is None else f"{leaf.dtype}{list(leaf.shape)}"


def hash_arrays(tree: Any) -> str:
    """The SHA-256 of the dtypes, shapes and bits of all arrays in a tree.

    Example:
      >>> hash_arrays({"a": np.zeros(3)}) == hash_arrays([np.zeros(3)])
      True
      >>> hash_arrays(np.zeros(3)) == hash_arrays(-np.zeros(3))
      False
    """
    digest = hashlib.sha256()
    for leaf in map(np.asarray, jax.tree.leaves(tree)):
        digest.update(f"{leaf.dtype} {leaf.shape} ".encode())
        digest.update(leaf.tobytes())
    return digest.hexdigest()


def _hash_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
