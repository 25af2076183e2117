"""Leaves: the arrays of a tree by name, their form and their hash."""

import hashlib
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict

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
