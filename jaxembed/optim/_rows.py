"""Freezing rows of a table, before and after an optimizer."""

from typing import TypeVar

import jax
import jax.numpy as jnp
import optax
from jax.tree_util import KeyPath

from jaxembed._checks import check_row_mask

Path = tuple[str, ...]
Tree = TypeVar("Tree")


def mask_rows(grads: optax.Updates, trainable_rows: optax.Params) -> optax.Updates:
    """Gradients that are zero in the rows that are not trained.

    To be called before an optimizer, so that frozen rows count in no norm and gather no
    moments; behind it, :func:`apply_updates` keeps them as they are.

    Args:
      grads: a tree of ``float[V, ...]`` and other arrays.
      trainable_rows: a tree of ``bool[V]`` for some of them, at the same paths. It is
        data: another mask does not retrace.

    Returns:
      A tree like ``grads``.

    Raises:
      ValueError: if a mask is at no path of ``grads``, or of another length.

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
    """``optax.apply_updates``, but rows that are not trained keep every bit.

    Args:
      params: a tree of ``float[V, ...]`` and other arrays.
      updates: what an optimizer made of the gradients of :func:`mask_rows`.
      trainable_rows: see :func:`mask_rows`.

    Returns:
      A tree like ``params``.

    Raises:
      ValueError: if a mask is at no path of ``params``, or of another length.

    Example:
      >>> params, decay = {"embed": jnp.ones((2, 1))}, {"embed": jnp.full((2, 1), -0.5)}
      >>> mask = {"embed": jnp.array([False, True])}
      >>> apply_updates(params, decay, mask)["embed"].tolist()
      [[1.0], [0.5]]
    """
    # Not by an update of zero: a sum makes -0.0 and subnormal numbers 0.0.
    return _select(trainable_rows, optax.apply_updates(params, updates), params)


def _select(trainable_rows: optax.Params, where_true: Tree, where_false: Tree) -> Tree:
    """Rows of one tree where the mask says so, else of another; leaves without one."""
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
            "are no parameters that are trained."
        )
    return selected


def _names(path: KeyPath) -> Path:
    return tuple(jax.tree_util.keystr((part,), simple=True) for part in path)
