"""Trees: parameters in nested dicts, merged and split by their paths."""

import jax
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxembed.optim._tables import Params, Path

Paths = frozenset[Path]


def merge(*trees: Params) -> Params:
    """Return the union of trees that do not share a leaf.

    Example:
      >>> merge({"head": {"kernel": 1}}, {"embed": {"embedding": 2}})
      {'head': {'kernel': 1}, 'embed': {'embedding': 2}}
    """
    leaves: dict[Path, jax.Array] = {}
    for tree in trees:
        leaves |= flatten_dict(tree)
    return unflatten_dict(leaves)


def split(params: Params, paths: Paths) -> tuple[Params, Params]:
    """Return the leaves that are not at ``paths``, and the leaves at ``paths``.

    Example:
      >>> split({"a": {"b": 1}, "c": 2}, frozenset([("a", "b")]))
      ({'c': 2}, {'a': {'b': 1}})
    """
    leaves = flatten_dict(params)
    apart = {path: leaf for path, leaf in leaves.items() if path in paths}
    rest = {path: leaf for path, leaf in leaves.items() if path not in paths}
    return unflatten_dict(rest), unflatten_dict(apart)
