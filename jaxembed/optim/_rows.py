"""Row freezing: masks that keep rows of a table out of training."""

from typing import TypeVar

import jax
import jax.numpy as jnp
import optax
from jax.tree_util import KeyPath

from jaxembed._checks import check_row_mask

Path = tuple[str, ...]
Tree = TypeVar("Tree")


def mask_rows(grads: optax.Updates, trainable_rows: optax.Params) -> optax.Updates:
    """Set the gradients of rows that are not trained to zero.

    Call it before the optimizer, so that frozen rows do not count in norms and gather
    no moments. After the optimizer, :func:`apply_updates` keeps frozen rows unchanged.

    Args:
      grads: a tree of ``float[V, ...]`` and other arrays.
      trainable_rows: a tree of ``bool[V]`` for some of the arrays, at the same paths.
        A mask is data: another mask does not recompile.

    Returns:
      A tree like ``grads``.

    Raises:
      ValueError: if a mask has a path that ``grads`` lacks, or another length.

    Example:
      >>> grads = {"embed": jnp.ones((2, 1)), "head": jnp.ones(1)}
      >>> mask_rows(grads, {"embed": jnp.array([False, True])})["embed"].tolist()
      [[0.0], [1.0]]
    """
    zeros = jax.tree.map(lambda leaf: jnp.zeros((), leaf.dtype), grads)
    return _select(trainable_rows, grads, zeros)


def apply_updates(
    params: optax.Params, updates: optax.Updates, trainable_rows: optax.Params
) -> optax.Params:
    """Apply updates like Optax, except to rows that are not trained.

    Such rows keep every bit.

    Args:
      params: a tree of ``float[V, ...]`` and other arrays.
      updates: updates of an optimizer for the gradients of :func:`mask_rows`.
      trainable_rows: see :func:`mask_rows`.

    Returns:
      A tree like ``params``.

    Raises:
      ValueError: if a mask has a path that ``params`` lacks, or another length.

    Example:
      >>> params, decay = {"embed": jnp.ones((2, 1))}, {"embed": jnp.full((2, 1), -0.5)}
      >>> mask = {"embed": jnp.array([False, True])}
      >>> apply_updates(params, decay, mask)["embed"].tolist()
      [[1.0], [0.5]]
    """
    # Not by adding 0, which turns -0.0 and subnormal numbers into 0.0.
    return _select(trainable_rows, optax.apply_updates(params, updates), params)


def _select(trainable_rows: optax.Params, where_true: Tree, where_false: Tree) -> Tree:
    """Select rows of ``where_true`` or ``where_false`` by the mask of each leaf.

    A leaf without a mask is taken from ``where_true``.
    """
    masks = {
        _names(p): m for p, m in jax.tree_util.tree_leaves_with_path(trainable_rows)
    }

    def select(path: KeyPath, yes: jax.Array, no: jax.Array) -> jax.Array:
        mask = masks.pop(_names(path), None)
        if mask is None:
            return yes
        n_rows = yes.shape[0] if yes.ndim else 0
        check_row_mask(mask, n_rows, f"trainable_rows of {'.'.join(_names(path))}")
        return jnp.where(mask.reshape(-1, *[1] * (yes.ndim - 1)), yes, no)

    selected = jax.tree_util.tree_map_with_path(select, where_true, where_false)
    if masks:
        raise ValueError(
            f"trainable_rows has masks for {['.'.join(path) for path in masks]}, which "
            "are not trained parameters."
        )
    return selected


def _names(path: KeyPath) -> Path:
    return tuple(jax.tree_util.keystr((part,), simple=True) for part in path)
