"""Freezing in the optimizer: whole parameters, and rows of a table."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxembed._checks import check_row_mask

Path = tuple[str, ...]


def freeze(
    tx: optax.GradientTransformation, frozen: Callable[[Path], bool]
) -> optax.GradientTransformation:
    """An optimizer that leaves some parameters alone, weight decay included.

    What is frozen has no state. ``optax.chain(optax.freeze(mask), tx)`` would still let
    ``tx`` decay it; here ``tx`` never sees it. The updates are -0.0, which leaves every
    number as it is but subnormal ones (below 1e-38), which XLA makes zero in any sum on
    a CPU: :func:`jaxembed.train.fit` adds nothing at all to what is frozen.

    Args:
      tx: the optimizer of the rest.
      frozen: called with the path of each parameter, such as
        ``("embed", "embedding")``.

    Returns:
      An Optax transformation.

    Example:
      >>> tx = freeze(optax.adamw(0.1), lambda path: path[0] == "embed")
      >>> params = {"embed": jnp.ones(2), "head": jnp.ones(2)}
      >>> updates, _ = tx.update(params, tx.init(params), params)
      >>> optax.apply_updates(params, updates)["embed"]
      Array([1., 1.], dtype=float32)
    """

    def label(params: Any) -> Any:
        def label_leaf(path: Any, _: Any) -> str:
            return "frozen" if frozen(_names(path)) else "trained"

        return jax.tree_util.tree_map_with_path(label_leaf, params)

    return optax.partition({"trained": tx, "frozen": _nothing()}, label)


def _nothing() -> optax.GradientTransformation:
    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        # Not 0.0, which would make -0.0 of a parameter 0.0.
        return jax.tree.map(lambda leaf: jnp.full_like(leaf, -0.0), updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def mask_rows(grads: Any, trainable_rows: Any) -> Any:
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


def apply_updates(params: Any, updates: Any, trainable_rows: Any) -> Any:
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


def _select(trainable_rows: Any, where_true: Any, where_false: Any) -> Any:
    """Rows of one tree where the mask says so, else of another; leaves without one."""
    masks = {
        _names(p): m for p, m in jax.tree_util.tree_leaves_with_path(trainable_rows)
    }

    def select(path: Any, yes: jax.Array, no: jax.Array) -> jax.Array:
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


def _names(path: Any) -> Path:
    return tuple(jax.tree_util.keystr((part,), simple=True) for part in path)
