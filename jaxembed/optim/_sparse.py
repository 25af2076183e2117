"""SparseOptimizer: update only the rows of a batch, at no cost for other rows."""

import functools
import math
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxembed.optim._checks import check_caller, check_table, check_update
from jaxembed.optim._deduplicate import deduplicate
from jaxembed.optim._layout import match_format

Moments = dict[str, jax.Array]


class RowState(NamedTuple):
    """State of a row-sparse optimizer for a table of V rows.

    Attributes:
      count: ``int32[]``, number of steps done; the argument of schedules.
      moments: ``float32[V, D]`` or ``float32[V]``, by their names in Optax.
      last: ``int32[V]``, the count up to which the moments of a row are decayed; None
        if moments do not decay without a gradient.
      slot: ``int32[V]``, scratch buffer of :func:`deduplicate`.
    """

    count: jax.Array  # type: ignore[assignment]  # not tuple.count
    moments: Moments
    last: jax.Array | None
    slot: jax.Array


class SparseOptimizer(NamedTuple):
    """Optimizer of a table that updates only the rows of a batch. Pure functions.

    Attributes:
      init: ``init(table, count=0) -> state``; schedules start at step ``count``.
      update: ``update(row_grads, ids, state, table, trainable_rows=None, *,
        distinct=False, in_order=False) -> (table, state)`` of ``float[N, D]``
        gradients, ``int32[N]`` ids, and a ``bool[V]`` mask, where rows that are False
        keep every bit. Equal ids are summed first, unless ``distinct=True``: then
        :func:`deduplicate` has summed them. With ``in_order=True`` too, the ids are
        those that it returned, unchanged, and a TPU does not sort them again. The id V
        is padding. Another id out of range is an error outside of ``jax.jit``, and
        changes no row inside. A jitted step of one's own that donates table and state
        takes them in the order in which it returns them. Otherwise JAX reuses the
        memory of a moment for the table, and XLA copies both.
      dense: Optax transformation with the same results for a float32 table. For a table
        of 16 bits it also rounds gradients and moments, which ``update`` keeps in
        float32.
    """

    init: Callable[..., RowState]
    update: Callable[..., tuple[jax.Array, RowState]]
    dense: optax.GradientTransformation


class Rule(NamedTuple):
    """Update rule for rows of a table.

    Attributes:
      start: initial value of each moment.
      step: ``step(grads, moments, count) -> (updates, moments)``; ``count`` is the
        number of steps before this one.
      per_row: True for moments with one number for each row, False for each element.
      decay: decay of the moments in each step without a gradient; None for no decay.
    """

    start: dict[str, float]
    step: Callable[..., tuple[jax.Array, Moments]]
    per_row: bool = False
    decay: float | None = None


def make_sparse(rule: Rule, dense: optax.GradientTransformation) -> SparseOptimizer:
    """Return the row-sparse optimizer of a rule, with its dense equivalent."""

    def init(table: jax.Array, count: ArrayLike = 0) -> RowState:
        check_caller(sys._getframe(1).f_globals.get("__name__", ""))
        table = check_table(table)
        # A copy, since two leaves of a donated state cannot share a buffer.
        count = jnp.array(count, jnp.int32)
        last = None if rule.decay is None else jnp.full(len(table), count)
        slot = jnp.zeros(len(table), jnp.int32)
        moments = init_moments(rule, table)
        moments = {n: match_format(moment, table) for n, moment in moments.items()}
        return RowState(count, moments, last, slot)

    def update(
        row_grads: jax.Array,
        ids: jax.Array,
        state: RowState,
        table: jax.Array,
        trainable_rows: jax.Array | None = None,
        *,
        distinct: bool = False,
        in_order: bool = False,
    ) -> tuple[jax.Array, RowState]:
        given = check_update(init, row_grads, ids, state, table, trainable_rows)
        grads, rows, table, mask = given
        rows = jnp.where((rows < 0) | (rows > len(table)), len(table), rows)
        if mask is not None:
            rows = keep_trained(rows, mask)
        if not distinct:
            grads, rows, slot = deduplicate(grads, rows, state.slot)
            state = state._replace(slot=slot)
        in_order = not distinct or in_order and mask is None
        return _update_rows(rule, grads, rows, state, table, in_order=in_order)

    return SparseOptimizer(init, update, dense)


def init_moments(rule: Rule, table: jax.Array) -> Moments:
    """Return the moments of a rule before the first step."""
    shape = table.shape[:1] if rule.per_row else table.shape
    return {n: jnp.full(shape, value, jnp.float32) for n, value in rule.start.items()}


def keep_trained(ids: ArrayLike, trainable_rows: ArrayLike) -> jax.Array:
    """Return the ids of trained rows, with V in place of all other ids.

    Call it before :func:`deduplicate`, so that frozen rows do not count in norms.

    Args:
      ids: ``int32[N]``.
      trainable_rows: ``bool[V]``.

    Returns:
      ``int32[N]``.

    Example:
      >>> keep_trained(jnp.array([0, 1, 5, -1]), jnp.array([True, False]))
      Array([0, 2, 2, 2], dtype=int32)
    """
    mask = jnp.asarray(trainable_rows)
    is_trained = mask.at[ids].get(
        mode="fill", fill_value=False, wrap_negative_indices=False
    )
    return jnp.where(is_trained, ids, len(mask))


def _decay(rule: Rule, moments: Moments, steps: jax.Array) -> Moments:
    """Return the moments after ``int32[n]`` steps without a gradient."""
    # exp, not power, which takes a tenth of a small step; log needs a decay above 0.
    rate = math.log(max(rule.decay or 0.0, 1e-37))
    factor = jnp.exp(steps.astype(jnp.float32) * rate)
    return {
        n: m * (factor if rule.per_row else factor[:, None]) for n, m in moments.items()
    }


def _update_rows(
    rule: Rule,
    grads: jax.Array,
    rows: jax.Array,
    state: RowState,
    table: jax.Array,
    *,
    in_order: bool,
) -> tuple[jax.Array, RowState]:
    """Update distinct rows of a table; the row V is padding."""
    count, last = state.count, state.last
    before = {n: m.at[rows].get(mode="clip") for n, m in state.moments.items()}
    write = functools.partial(_write, in_order=in_order)
    if last is not None:
        old = last.at[rows].get(mode="clip")
        before = _decay(rule, before, count - old)
        # add, not set: XLA copies all of last each step to set it (18 MB of 4M rows).
        last = write(last, rows, count + 1 - old, add=True)
    updates, after = rule.step(grads, before, count)
    if table.dtype == jnp.float32:
        table = write(table, rows, updates.astype(table.dtype), add=True)
    else:
        # Round once, after the sum. XLA:CPU converts all of a 16-bit table for this.
        new = table.at[rows].get(mode="clip").astype(jnp.float32) + updates
        table = write(table, rows, new.astype(table.dtype))
    # set, not add: a small moment is lost in the difference to a large one.
    moments = {
        n: write(m, rows, after[n].astype(m.dtype)) for n, m in state.moments.items()
    }
    return table, state._replace(count=count + 1, moments=moments, last=last)


def _write(
    array: jax.Array,
    rows: jax.Array,
    values: jax.Array,
    *,
    add: bool = False,
    in_order: bool,
) -> jax.Array:
    """Add to distinct rows of an array, or set them; the row V is padding.

    Without the promises, a TPU sorts the rows and moves all values, and a GPU adds by
    atomic operations.
    """

    def put(array: jax.Array, rows: jax.Array, values: jax.Array, **promises: Any):
        target = array.at[rows]
        return (target.add if add else target.set)(values, mode="drop", **promises)

    unique = functools.partial(put, unique_indices=True)
    rising = functools.partial(unique, indices_are_sorted=True) if in_order else unique
    return jax.lax.platform_dependent(
        array, rows, values, cpu=put, tpu=rising, default=unique
    )
