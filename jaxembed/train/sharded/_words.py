"""Words: arrays in shard order read in word order, and back."""

from collections.abc import Iterator
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import KeyPath

from jaxembed.dist import to_shards, to_words
from jaxembed.dist._mesh import shard_size
from jaxembed.dist._order import iter_words
from jaxembed.train.sharded._parts import Parts, Share, find_share, split
from jaxembed.train.sharded._shards import Shards, name_path
from jaxembed.train.sharded._whole import put_whole

Tree = TypeVar("Tree")


class InWords:
    """View of an array in shard order, which NumPy reads in word order.

    Attributes:
      array: ``dtype[Vp, ...]``, spread over devices.
      shape: shape in word order, ``[V, ...]``.
      dtype: dtype of the array.
    """

    def __init__(self, array: jax.Array, n_words: int) -> None:
        self.array = array
        self.shape = (n_words, *array.shape[1:])
        self.dtype = array.dtype

    @property
    def size(self) -> int:
        """Number of elements in word order."""
        return int(np.prod(self.shape))

    def is_on(self, shards: Shards) -> bool:
        """Return whether the array is stored as the shards of a run need it."""
        sharding: Any = self.array.sharding
        return getattr(sharding, "mesh", None) == shards.rules.mesh

    def iter_words(self) -> Iterator[np.ndarray]:
        """Yield the rows in word order, in blocks; see :func:`dist.to_words`."""
        return iter_words(self.array, self.shape[0])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        words = to_words(self.array, self.shape[0])
        return words if dtype is None else words.astype(dtype, copy=False)


def view(tree: Tree, shards: Shards | None) -> Tree:
    """Return a tree with :class:`InWords` for each array in shard order.

    All other arrays are unchanged. With one shard both orders are equal. A table may be
    in the shard order of another mesh.
    """
    if shards is None:
        return tree
    tables, is_one = dict(shards.n_words), shards.rules.n_shards == 1

    def look(path: KeyPath, leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array) or not leaf.size or not leaf.ndim:
            return leaf
        names = name_path(path)
        if names in tables:  # perhaps of another mesh
            n = tables[names] if is_in_shards(leaf, tables[names]) else None
        else:
            n = None if is_one else shards.count(names, leaf.shape)
        return leaf if n is None else InWords(leaf, n)

    return jax.tree_util.tree_map_with_path(look, tree)


def is_in_shards(array: jax.Array, n_words: int) -> bool:
    """Return whether an array of ``n_words`` words is in several shards of any mesh."""
    if isinstance(array, jax.core.Tracer):  # its sharding is not known
        return False
    size = array.sharding.shard_shape(array.shape)[0]
    n_shards = len(array) // size
    return n_shards > 1 and shard_size(n_words, n_shards) == size


def in_words(tree: Tree) -> Tree:
    """Return a tree whose states are read in word order, see :func:`view`.

    A state knows by its field ``shards`` that it is in shard order.
    """

    def look(node: Any) -> Any:
        shards = getattr(node, "shards", None)
        return node if shards is None else view(node, shards)

    return jax.tree.map(look, tree, is_leaf=_is_state)


def to_parts(leaf: Any) -> Parts | None:
    """Return the parts of a view that this process must save; None for an array."""
    if isinstance(leaf, InWords):
        return split(leaf.array, leaf.shape[0])
    return leaf if isinstance(leaf, Parts) else None


def keep_views(tree: Tree) -> Tree:
    """Return a tree with None for all but the views of :func:`view`."""
    return jax.tree.map(lambda leaf: leaf if isinstance(leaf, InWords) else None, tree)


def has_views(tree: Any) -> bool:
    """Return whether a tree has a view of :func:`view`."""
    return any(isinstance(leaf, InWords) for leaf in jax.tree.leaves(tree))


def is_joint_tree(tree: Any) -> bool:
    """Return whether an array of a tree is on the devices of several processes."""
    arrays = map(find_source, jax.tree.leaves(tree))
    return any(isinstance(x, jax.Array) and not x.is_fully_addressable for x in arrays)


def find_source(leaf: Any) -> Any:
    """Return the array behind a view, or any other array itself."""
    return leaf.array if isinstance(leaf, InWords) else leaf


def to_shapes(tree: Tree) -> Tree:
    """Return the shapes of a tree in word order."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)


def spread(tree: Tree, shards: Shards, like: Any = None, *, copy: bool = False) -> Tree:
    """Return a tree on the mesh, with its tables in shard order.

    Arrays in word order are read shard by shard.

    Args:
      tree: arrays in word order, or :class:`InWords`.
      shards: the shards of the run.
      like: the same tree in shard order, or its shapes; None if the tree has parameters
        only.
      copy: whether to copy the arrays that are on the mesh already.
    """
    tables = dict(shards.n_words)

    def move(path: KeyPath, leaf: Any, stored: Any = None) -> jax.Array:
        names = name_path(path)
        if stored is None:
            is_table = names in tables
        else:
            is_table = shards.count(names, stored.shape) is not None
        if not is_table:
            return put_whole(leaf, shards.rules, copy=copy)
        if isinstance(leaf, InWords):
            if leaf.is_on(shards):
                return jnp.copy(leaf.array) if copy else leaf.array
            is_here = leaf.array.is_fully_addressable
            leaf = to_parts(leaf) if is_here else np.asarray(leaf)
        return to_shards(leaf, shards.rules)

    rest = () if like is None else (like,)
    return jax.tree_util.tree_map_with_path(move, tree, *rest)


def restore_places(like: Tree, tree: Tree) -> Tree:
    """Return a tree of arrays on the host with its states on the meshes of ``like``.

    Args:
      like: a tree with states in shard order, or with their shapes.
      tree: the same tree of NumPy arrays and :class:`Parts`.
    """

    def move(node: Any, words: Any) -> Any:
        shards = getattr(node, "shards", None)
        return join(words) if shards is None else spread(words, shards, node)

    return jax.tree.map(move, like, tree, is_leaf=_is_state)


def join(tree: Tree) -> Tree:
    """Return a tree with NumPy arrays in place of :class:`Parts`."""
    return jax.tree.map(
        lambda leaf: np.asarray(leaf) if isinstance(leaf, Parts) else leaf, tree
    )


def find_common_share(like: Any) -> Share | None:
    """Return the shards of this process, if all arrays of a tree are on one mesh."""
    shards = [
        getattr(node, "shards", None)
        for node in jax.tree.leaves(like, is_leaf=_is_state)
    ]
    rules = {None if x is None else x.rules for x in shards}
    return find_share(rules.pop()) if len(rules) == 1 else None


def _is_state(node: Any) -> bool:
    return hasattr(node, "shards")
