"""Checks of the arguments of row-sparse optimizers."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike

from jaxembed._checks import check_range, check_row_mask


def check_settings(**settings: optax.ScalarOrSchedule) -> None:
    """Raise if a setting is NaN, negative, or a decay of at least 1.

    Args:
      **settings: values by name. decay, b1 and b2 must be below 1. Schedules and traced
        numbers are not checked.

    Raises:
      TypeError: if a setting is not a number or a schedule.
      ValueError: if a setting is out of range.
    """
    for name, value in settings.items():
        if callable(value) or isinstance(value, jax.core.Tracer):
            continue
        dtype, kinds = np.asarray(value).dtype, (jnp.floating, jnp.integer)
        if np.ndim(value) or not any(jnp.issubdtype(dtype, kind) for kind in kinds):
            raise TypeError(f"{name} must be a number or a schedule, got {value!r}.")
        limit = 1.0 if name in ("decay", "b1", "b2") else float("inf")
        if not 0 <= value < limit:
            raise ValueError(f"{name} must be from 0 to below {limit}, got {value}.")


def check_caller(module: str) -> None:
    """Raise if a row-sparse optimizer is initialized by a combinator of Optax.

    ``optax.chain`` and other combinators take any object with ``init`` and ``update``,
    and call ``update`` with the arguments of Optax's own transformations.

    Args:
      module: name of the module that called ``init``.

    Raises:
      TypeError: if it is a module of Optax.
    """
    if module.split(".")[0] == "optax":
        raise TypeError(
            "a row-sparse optimizer cannot be part of optax.chain, MultiSteps, "
            "inject_hyperparams or another wrapper of Optax: its update takes the rows "
            "of a batch. Give it to fit as table_tx, or call its update yourself."
        )


def check_table(table: ArrayLike) -> jax.Array:
    """Return the table as an array, or raise if it cannot be trained row by row.

    Raises:
      TypeError: if ``table`` is not one array, or not of floats of at most 32 bits; the
        optimizer state is float32.
      ValueError: if the table does not have two axes, or is empty.
    """
    if not hasattr(table, "dtype"):
        raise TypeError(
            f"table must be one array [V, D], got {type(table).__name__}: a row-sparse "
            "optimizer trains a single table. Give fit the optimizer as table_tx."
        )
    table = jnp.asarray(table)
    if not jnp.issubdtype(table.dtype, jnp.floating) or table.dtype.itemsize > 4:
        raise TypeError(
            f"table must be float32, bfloat16 or float16, got {table.dtype}: use "
            "table.astype(jnp.float32)."
        )
    if table.ndim != 2 or not len(table):
        raise ValueError(
            "table must have the axes [V, D] and at least one row, got "
            f"{list(table.shape)}."
        )
    return table


def refuse(name: str, value: float | None, dense: str) -> None:
    """Raise if a setting would update rows outside the batch.

    Raises:
      ValueError: if ``value`` is set; names ``dense``, the optimizer to use instead.
    """
    if value:
        raise ValueError(
            f"{name}={value!r}: the state of a row would depend on every step, so an "
            "exact update could not skip the rows that a batch does not touch. Omit "
            f"{name}, or train the table densely: fit(tx={dense}) without table_tx."
        )


def check_update(
    init: Callable,
    row_grads: ArrayLike,
    ids: ArrayLike,
    state: object,
    table: ArrayLike,
    trainable_rows: ArrayLike | None,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array | None]:
    """Return the arrays of an update, or raise if they do not fit the table.

    Args:
      init: function that makes the state of a table.
      row_grads: ``float[N, D]``.
      ids: ``int32[N]``, from 0 to V; traced ids are not checked.
      state: the result of ``init`` or of the last update.
      table: ``float[V, D]``.
      trainable_rows: ``bool[V]`` or None.

    Returns:
      ``row_grads`` in float32, ``ids``, ``table`` and ``trainable_rows`` as arrays.

    Raises:
      TypeError: if ids are not int32 or the mask not bool.
      ValueError: names the array of a wrong shape, or the first id out of range.
    """
    table = check_table(table)
    ids = ids if isinstance(ids, jax.Array) else np.asarray(ids)
    row_grads = jnp.asarray(row_grads, jnp.float32)
    n_rows, dim = table.shape
    if ids.dtype != jnp.int32:
        raise TypeError(f"ids must be int32, got {ids.dtype}: use ids.astype(int32).")
    if row_grads.ndim != 2 or row_grads.shape != (ids.size, dim) or ids.ndim != 1:
        raise ValueError(
            "row_grads and ids must have the axes [N, D] and [N], D that of the table "
            f"{list(table.shape)}, got {list(row_grads.shape)} and {list(ids.shape)}."
        )
    _check_state(jax.eval_shape(init, table), state)
    if not isinstance(ids, jax.core.Tracer):
        check_range(np.where(ids == n_rows, 0, ids), n_rows)  # V stands for padding
    mask = None if trainable_rows is None else jnp.asarray(trainable_rows)
    if mask is not None:
        check_row_mask(mask, n_rows)
    return row_grads, jnp.asarray(ids), table, mask


def _check_state(expected: object, state: object) -> None:
    sides = [
        {
            jax.tree_util.keystr(path): f"{leaf.dtype}{list(leaf.shape)}"
            for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        }
        for tree in (expected, state)
    ]
    for name in sorted(sides[0].keys() | sides[1].keys()):
        wanted, got = (side.get(name, "missing") for side in sides)
        if wanted != got:
            raise ValueError(
                f"the state is of another table or optimizer: {name} must be {wanted}, "
                f"got {got}. Make the state with init(table)."
            )
