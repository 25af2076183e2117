"""Whole: arrays that each device of a mesh has a copy of."""

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxembed._io import hash_arrays
from jaxembed.dist import Rules
from jaxembed.dist._processes import check_equal, is_joint
from jaxembed.train.sharded._shards import Shards

Tree = TypeVar("Tree")


def put_whole(tree: Tree, rules: Rules, *, copy: bool = False) -> Tree:
    """Return a tree of which each device of a mesh has a copy.

    Args:
      tree: arrays and random keys, equal in all processes.
      rules: placement on the mesh.
      copy: whether to copy the arrays that are on the mesh already.

    Example:
      >>> from jaxembed.dist import make_mesh
      >>> rules = Rules(make_mesh(devices=jax.devices()[:1]))
      >>> put_whole(np.ones(2), rules).sharding == rules.whole
      True
    """
    if not is_joint(rules):
        may_alias = False if copy else None
        return jax.device_put(tree, rules.whole, may_alias=may_alias)
    return jax.tree.map(lambda leaf: _put(leaf, rules, copy), tree)


def check_same_arrays(arrays: tuple, shards: Shards) -> None:
    """Raise in all processes if their arrays differ.

    Raises:
      ValueError: names the first process whose arrays differ.
    """
    if is_joint(shards.rules):
        named = {str(i): x for i, x in enumerate(arrays) if x is not None}
        remedy = (
            "give the same arrays to all processes. For a part in each process, give "
            "text.Batches(part=) or another iterable of batches."
        )
        check_equal("the SHA-256 of data and examples", hash_arrays(named), remedy)


def _put(leaf: Any, rules: Rules, copy: bool) -> jax.Array:
    """Put an array on the devices of several processes, without communication."""
    if isinstance(leaf, jax.Array):
        if not leaf.is_fully_addressable:  # of an earlier call
            return jnp.copy(leaf) if copy else leaf
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            data = _put(jax.random.key_data(leaf), rules, copy)
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    array = np.asarray(leaf)
    return jax.make_array_from_callback(
        array.shape, rules.whole, lambda index: array[index]
    )
