"""Checkpoint: a state on disk, whole or not at all, and checked when it is read."""

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxembed import _io

Leaves = dict[tuple[str, ...], Any]


def fill(like: Any, tree: dict[str, Any], path: str | Path) -> Any:
    """The arrays of nested dicts, on the default device, in the form of ``like``.

    Args:
      like: a tree whose arrays say which shapes and dtypes are wanted.
      tree: what :func:`restore` gave without a likeness.
      path: of the checkpoint, for the error.

    Returns:
      A tree of the form of ``like``.

    Raises:
      ValueError: names the first leaf that is missing, too many, or another array.

    Example:
      >>> fill((np.zeros(2),), {"0": np.ones(2)}, "model")
      (Array([1., 1.], dtype=float32),)
    """
    wanted, leaves = named_leaves(like), flatten_dict(tree)
    for name in sorted(wanted.keys() | leaves.keys()):
        sides = [_describe(side.get(name)) for side in (wanted, leaves)]
        if sides[0] != sides[1]:
            raise ValueError(
                f"the checkpoint {path} is of another model or optimizer: "
                f"{'.'.join(name)} should be {sides[0]} and is {sides[1]}."
            )
    arrays = [jax.device_put(leaves[name]) for name in wanted]
    return jax.tree.unflatten(jax.tree.structure(like), arrays)


def named_leaves(tree: Any) -> Leaves:
    """The arrays of a tree by the names that lead to them.

    Raises:
      TypeError: if a leaf is no array of numbers.
      ValueError: if a name has a dot, or there is none.

    Example:
      >>> sorted(named_leaves({"a": np.ones(2), "b": {"c": np.ones(3)}}))
      [('a',), ('b', 'c')]
    """
    leaves = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        names = tuple(jax.tree_util.keystr((part,), simple=True) for part in path)
        if not names or any("." in name for name in names):
            raise ValueError(
                f"a checkpoint is a tree of names without dots, got {names}: put a "
                "single array into a dict."
            )
        leaf = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
        is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.extended)
        if is_key or leaf.dtype.kind in "OSU":
            raise TypeError(
                f"{'.'.join(names)} must be an array of numbers, got {leaf.dtype}: "
                "save the jax.random.key_data of a key, and texts in extra."
            )
        leaves[names] = leaf
    return leaves


def _describe(leaf: Any) -> str:
    return "missing" if leaf is None else f"{leaf.dtype}{list(leaf.shape)}"


def hash_tree(tree: Any) -> str:
    """Return the SHA-256 of the names, dtypes, shapes and bits of a tree's arrays.

    Example:
      >>> hash_tree({"a": np.zeros(3)}) == hash_tree({"a": -np.zeros(3)})
      False
    """
    return _io.hash_arrays(
        {".".join(n): leaf for n, leaf in named_leaves(tree).items()}
    )


def _hash_array(array: Any) -> str:
    return _io.hash_arrays({"": array})


# What Orbax puts into the folder of a step, and how it calls an unfinished one.
OURS = {"state", "meta", "_CHECKPOINT_METADATA", "commit_success.txt"}
UNFINISHED = "orbax-checkpoint-tmp"


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
      FileExistsError: if there is a checkpoint and not ``overwrite``, or if there is
        anything else.
      TypeError: if a leaf of ``state`` is no array.
      ValueError: if a name in it has a dot, or there is none.

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
    digests = {".".join(name): _hash_array(leaf) for name, leaf in leaves.items()}
    meta = {"sha256": digests, "extra_sha256": _hash_text(text), "extra": text}
    with _open(path, writing=True) as manager:
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
    found = {".".join(name): _hash_array(leaf) for name, leaf in leaves.items()}
    found["(extra)"] = _hash_text(text)
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            raise ValueError(
                f"the checkpoint {path} is damaged at {name}: its SHA-256 is not the "
                "one that was saved. Train again, or take a copy."
            )
    tree = unflatten_dict(leaves)
    return tree if like is None else fill(like, tree, path), json.loads(text)


def read_extra(path: str | Path) -> dict[str, Any]:
    """The ``extra`` of a checkpoint, without reading its arrays.

    Args:
      path: the folder.

    Returns:
      What :func:`save` was given.

    Raises:
      FileNotFoundError: if there is no checkpoint.
      ValueError: if it is damaged.

    Example:
      >>> read_extra("no/such/folder")  # doctest: +ELLIPSIS
      Traceback (most recent call last):
      FileNotFoundError: there is no checkpoint in ...no/such/folder.
    """
    import orbax.checkpoint as ocp

    path = Path(path).absolute()
    if not has_checkpoint(path):
        raise FileNotFoundError(f"there is no checkpoint in {path}.")
    try:
        with _open(path, writing=False) as manager:
            wanted = ocp.args.Composite(meta=ocp.args.JsonRestore())
            meta = manager.restore(manager.latest_step(), args=wanted)["meta"]
        if _hash_text(meta["extra"]) != meta["extra_sha256"]:
            raise ValueError("extra is not what was saved, by its SHA-256")
        return json.loads(meta["extra"])
    except Exception as error:  # Orbax and TensorStore raise all kinds of them
        raise ValueError(
            f"the checkpoint {path} is damaged: {type(error).__name__}: {error}"
        ) from error


def has_checkpoint(path: Path) -> bool:
    """Whether a finished checkpoint is there; one that was broken off is none.

    Example:
      >>> has_checkpoint(Path("no/such/folder"))
      False
    """
    return path.is_dir() and any(entry.name.isdigit() for entry in path.iterdir())


def _check_free(path: Path, overwrite: bool) -> None:
    entries = list(path.iterdir()) if path.is_dir() else []
    # Orbax deletes what is called like an older step, whosever it is.
    are_ours = all(
        UNFINISHED in entry.name
        or (entry.name.isdigit() and {e.name for e in entry.iterdir()} <= OURS)
        for entry in entries
    )
    if path.is_file() or not are_ours:
        raise FileExistsError(
            f"{path} is there already and is no checkpoint: give another path."
        )
    if entries and not overwrite:
        raise FileExistsError(
            f"{path} is there already: give another path, or overwrite=True."
        )


def _open(path: Path, writing: bool) -> Any:
    import orbax.checkpoint as ocp

    # Only a writer cleans up: what is unfinished may be at work in another process.
    options = ocp.CheckpointManagerOptions(
        enable_async_checkpointing=False,
        create=writing,
        cleanup_tmp_directories=writing,
        max_to_keep=1 if writing else None,
    )
    handlers = {
        "state": ocp.PyTreeCheckpointHandler(),
        "meta": ocp.JsonCheckpointHandler(),
    }
    return ocp.CheckpointManager(path, options=options, item_handlers=handlers)


def _read(path: Path) -> tuple[Leaves, str, dict[str, str]]:
    """The arrays, the JSON beside them, and what the hashes of both should be."""
    import orbax.checkpoint as ocp

    if not has_checkpoint(path):
        raise FileNotFoundError(f"there is no checkpoint in {path}.")
    try:
        with _open(path, writing=False) as manager:
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


def _hash_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
