"""Arrays of a tree: names, checks of shapes and dtypes, and digests."""

import hashlib
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from flax.traverse_util import flatten_dict

from jaxembed import _io
from jaxembed.optim._formats import put
from jaxembed.optim._tables import Params
from jaxembed.train.sharded._words import in_words, restore_places

Leaves = dict[tuple[str, ...], Any]
Tree = TypeVar("Tree")


def fill(like: Tree, tree: Params, path: str | Path) -> Tree:
    """Return arrays in the structure of ``like``, on the default device.

    A state that is spread over a mesh is filled there, shard by shard.

    Args:
      like: a tree of the expected structure, whose arrays give shapes and dtypes.
      tree: nested dicts of arrays with the same names as in ``like``.
      path: path of the checkpoint, for the error.

    Returns:
      The arrays of ``tree`` in the structure of ``like``.

    Raises:
      ValueError: names the first array that is missing or unknown, whose shape or
        dtype differs, or whose dtype JAX would narrow.

    Example:
      >>> import jax.numpy as jnp
      >>> fill((jnp.zeros(2),), {"0": np.ones(2, np.float32)}, "model")
      (Array([1., 1.], dtype=float32),)
    """
    words = in_words(like)
    check_likeness(words, tree, f"the checkpoint {path}")
    for names, leaf in named_leaves(tree).items():
        narrow = jax.dtypes.canonicalize_dtype(leaf.dtype)
        if narrow != leaf.dtype:
            raise ValueError(
                f"the checkpoint {path} has {'.'.join(names)} as {leaf.dtype}, which "
                f"JAX would narrow to {narrow}: set jax_enable_x64, or restore NumPy "
                "arrays without like=."
            )
    return put(restore_places(like, refill(words, tree)))


def refill(like: Tree, tree: object) -> Tree:
    """Return the structure of ``like`` with the arrays of ``tree`` of equal names."""
    leaves = named_leaves(tree)
    arrays = [leaves[name] for name in named_leaves(like)]
    return jax.tree.unflatten(jax.tree.structure(like), arrays)


def check_likeness(like: object, tree: object, name: str) -> None:
    """Raise if two trees differ in names, shapes or dtypes.

    Args:
      like: the expected tree.
      tree: the tree to check.
      name: name of ``tree``, for the error.

    Raises:
      ValueError: names the first array that is missing or unknown, or whose shape or
        dtype differs.
    """
    wanted, found = (
        {names: describe(leaf) for names, leaf in leaves.items()}
        for leaves in (named_leaves(like), named_leaves(tree))
    )
    for names in sorted(wanted.keys() | found.keys()):
        sides = wanted.get(names, "absent"), found.get(names, "nothing")
        if sides[0] != sides[1]:
            raise ValueError(
                f"{name} belongs to another model or optimizer: {'.'.join(names)} must "
                f"be {sides[0]}, got {sides[1]}. Give the same model, tx, table_tx and "
                "unfreeze_after as before."
            )


def check_params(shapes: Params, params: Params | None) -> None:
    """Raise if initial values do not fit the parameters of the model.

    Args:
      shapes: shapes of all parameters of the model.
      params: initial values of some of them.

    Raises:
      ValueError: names the first parameter that is unknown or has the wrong shape.
    """
    expected = {path: leaf.shape for path, leaf in flatten_dict(shapes).items()}
    for path, leaf in sorted(flatten_dict(params or {}).items()):
        name = ".".join(path)
        if path not in expected:
            known = ", ".join(".".join(path) for path in expected)
            raise ValueError(
                f"params: {name} must be a parameter of the model, which has {known}."
            )
        if np.shape(leaf) != expected[path]:
            is_array = isinstance(leaf, jax.Array)
            is_array &= not isinstance(leaf, jax.core.Tracer)
            is_spread = is_array and not leaf.sharding.is_fully_replicated
            remedy = ", spread over devices: give mesh= too, or call dist.to_words"
            raise ValueError(
                f"params: {name} must have the shape {expected[path]} as in the model, "
                f"got {np.shape(leaf)}{remedy * is_spread}."
            )


def named_leaves(tree: object) -> Leaves:
    """Return the arrays of a tree by their paths, tuples of names.

    Raises:
      TypeError: if a leaf is not an array of numbers.
      ValueError: if a name has a dot, or if the tree is a single array.

    Example:
      >>> sorted(named_leaves({"a": np.ones(2), "b": {"c": np.ones(3)}}))
      [('a',), ('b', 'c')]
    """
    leaves = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        names = tuple(jax.tree_util.keystr((part,), simple=True) for part in path)
        if not names or any("." in name for name in names):
            raise ValueError(
                f"the arrays of a state must have names without dots, got {names}: "
                "rename the array, or put a single array into a dict."
            )
        leaf = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
        is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.extended)
        if is_key or leaf.dtype.kind in "OSU":
            raise TypeError(
                f"{'.'.join(names)} must be an array of numbers, got {leaf.dtype}: "
                "save jax.random.key_data(key) instead of a key, and text in extra."
            )
        leaves[names] = leaf
    return leaves


def savable_leaves(tree: object) -> Leaves:
    """Return the arrays of a tree by their paths, if all can be saved.

    Raises:
      TypeError: if a leaf is not an array of numbers.
      ValueError: if the tree has no arrays, an array without elements, or a name with a
        dot.

    Example:
      >>> list(savable_leaves({"a": np.ones(2)}))
      [('a',)]
    """
    leaves = named_leaves(tree)
    if not leaves:
        raise ValueError("the state to save must have at least one array, got none.")
    for names, leaf in leaves.items():
        if not leaf.size:
            raise ValueError(
                f"{'.'.join(names)} must have at least one element to be saved, got "
                f"{describe(leaf)}: leave it out, and make it anew after restoring."
            )
    return leaves


def describe(leaf: Any) -> str:
    """Return dtype and shape of an array as text.

    Example:
      >>> describe(np.zeros((2, 3), np.float32))
      'float32[2, 3]'
    """
    return f"{leaf.dtype}{list(leaf.shape)}"


def hash_tree(tree: object) -> str:
    """Return the SHA-256 of the names, dtypes, shapes and bits of a tree's arrays.

    Example:
      >>> hash_tree({"a": np.zeros(3)}) == hash_tree({"a": -np.zeros(3)})
      False
    """
    return _io.hash_arrays(
        {".".join(n): leaf for n, leaf in named_leaves(tree).items()}
    )


def hash_array(array: np.ndarray) -> str:
    """Return the SHA-256 of the dtype, shape and bits of an array."""
    return _io.hash_arrays({"": array})


def hash_text(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
