"""Arrays of a tree: their names, their form and their digest."""

from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from jaxembed import _io
from jaxembed.optim._tables import Params

Leaves = dict[tuple[str, ...], Any]
Tree = TypeVar("Tree")


def fill(like: Tree, tree: Params, path: str | Path) -> Tree:
    """Return the arrays of nested dicts, on the default device, in another form.

    Args:
      like: a tree of the expected form, whose arrays give shapes and dtypes.
      tree: arrays in nested dicts, by the names that lead to them in ``like``.
      path: path of the checkpoint, for the error.

    Returns:
      A tree of the form of ``like``.

    Raises:
      ValueError: names the first array that is missing, unknown, or has another form.

    Example:
      >>> fill((np.zeros(2),), {"0": np.ones(2)}, "model")
      (Array([1., 1.], dtype=float32),)
    """
    check_likeness(like, tree, f"the checkpoint {path}")
    return refill(like, jax.tree.map(jax.device_put, tree))


def refill(like: Tree, tree: object) -> Tree:
    """Return the arrays of a tree in the form of another one of equal names."""
    leaves = named_leaves(tree)
    arrays = [leaves[name] for name in named_leaves(like)]
    return jax.tree.unflatten(jax.tree.structure(like), arrays)


def check_likeness(like: object, tree: object, name: str) -> None:
    """Raise if two trees have other names, shapes or dtypes.

    Args:
      like: a tree of the expected form.
      tree: a tree to compare.
      name: name of the tree, for the error.

    Raises:
      ValueError: names the first array that is missing, unknown, or has another form.
    """
    wanted, found = (
        {names: f"{leaf.dtype}{list(leaf.shape)}" for names, leaf in leaves.items()}
        for leaves in (named_leaves(like), named_leaves(tree))
    )
    for names in sorted(wanted.keys() | found.keys()):
        sides = wanted.get(names, "missing"), found.get(names, "missing")
        if sides[0] != sides[1]:
            raise ValueError(
                f"{name} is of another model or optimizer: {'.'.join(names)} should be "
                f"{sides[0]} and is {sides[1]}. Give the same model, tx, table_tx and "
                "unfreeze_after as before."
            )


def check_params(shapes: Params, params: Params | None) -> None:
    """Raise if initial values do not fit the parameters of the model.

    Args:
      shapes: shapes of all parameters.
      params: initial values of some of them.

    Raises:
      ValueError: names the first value that does not fit, and its expected shape.
    """
    expected = {path: leaf.shape for path, leaf in flatten_dict(shapes).items()}
    for path, leaf in sorted(flatten_dict(params or {}).items()):
        if jnp.shape(leaf) != expected.get(path):
            known = ", ".join(".".join(path) for path in expected)
            raise ValueError(
                f"params: {'.'.join(path)} must have the shape {expected.get(path)}, "
                f"as the model makes it, got {jnp.shape(leaf)}; the model has {known}."
            )


def named_leaves(tree: object) -> Leaves:
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
