"""Kernels of `embedding_bag`: sums of the rows of ids ``[B, L]``, and their parts.

The kernel has a JVP rule with a linear tangent, from which JAX derives the gradient
and derivatives of any order and mode.
"""

import functools

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jax.typing import ArrayLike

from jaxembed.nn.bag._loops import apply_by_chunk, fold
from jaxembed.nn.bag._one_device import is_one_device


def sum_dtype(table: jax.Array) -> jnp.dtype:
    """Return the dtype of sums: at least float32, since 256 + 1 is 256 in bfloat16."""
    return jnp.promote_types(table.dtype, jnp.float32)


def read(
    table: jax.Array,
    ids: ArrayLike | tuple,
    *,
    mode: str = "promise_in_bounds",
    fill: int | None = None,
) -> jax.Array:
    """Gather rows; negative ids do not wrap."""
    return table.at[ids].get(mode=mode, wrap_negative_indices=False, fill_value=fill)


def read_wide(table: jax.Array, ids: ArrayLike | tuple, *, mode: str) -> jax.Array:
    """Cast the table, then gather rows: the transpose, a scatter, adds in float32."""
    return read(table.astype(sum_dtype(table)), ids, mode=mode, fill=0)


def widen(numbers: ArrayLike) -> jax.Array:
    """Cast integers to at least 32 bits, since V or N can exceed a smaller dtype."""
    numbers = jnp.asarray(numbers)
    return numbers if numbers.dtype.itemsize >= 4 else numbers.astype(jnp.int32)


def fill_masked(
    table: jax.Array, ids: jax.Array, weights: jax.Array | None, mask: jax.Array | None
) -> tuple[jax.Array, jax.Array | None]:
    """Widen ids and weights, and set them to 0 where the mask is False."""
    ids = widen(ids)
    weights = None if weights is None else weights.astype(sum_dtype(table))
    if mask is None:
        return ids, weights
    weights = None if weights is None else jnp.where(mask, weights, 0)
    return jnp.where(mask, ids, 0), weights


def divisor_terms(
    ids: jax.Array, weights: jax.Array | None, mask: jax.Array | None, combine: str
) -> jax.Array:
    """Return the ``float32`` term of each id; `divide` takes their sum over a bag."""
    if weights is not None:
        return weights**2 if combine == "sqrtn" else weights
    ones = jnp.ones(ids.shape, jnp.float32)
    return ones if mask is None else mask.astype(jnp.float32)


def divide(bags: jax.Array, total: jax.Array, combine: str) -> jax.Array:
    """Divide sums ``[B, D]`` as ``combine`` requires; a division by 0 gives zeros."""
    if combine == "sum":
        return bags
    is_empty = total == 0
    divisor = jnp.where(is_empty, 1, total)  # before the root, whose slope at 0 is inf
    if combine == "sqrtn":
        divisor = jnp.sqrt(divisor)
    if combine != "max":
        bags = bags / jnp.expand_dims(divisor, 1)
    return jnp.where(jnp.expand_dims(is_empty, 1), 0, bags)


@functools.partial(jax.custom_jvp, nondiff_argnums=(4,))
def sum_rows(
    table: jax.Array,
    weights: jax.Array | None,
    ids: jax.Array,
    mask: jax.Array | None,
    mode: str = "promise_in_bounds",
) -> jax.Array:
    """Sum the rows of each bag, times their weights.

    Args:
      table: ``dtype[V, D]``.
      weights: ``float32[B, L]``, zeros where ``mask`` is False; None for ones.
      ids: ``int[B, L]``, each in ``[0, V)``, also where ``mask`` is False.
      mask: ``bool[B, L]``, True at the rows to sum; None for all.
      mode: "fill" if ids may be out of range, which makes their bags NaN.

    Returns:
      ``float32[B, D]``, or float64 for a table of float64.
    """

    def value(columns: tuple, _: None) -> jax.Array:
        ids, weights, mask = columns
        rows = read(table, ids, mode=mode).astype(sum_dtype(table))
        if weights is not None:
            rows = rows * jnp.expand_dims(weights, -1)
        return where(mask, rows, 0)

    return fold(value, (ids, weights, mask), jnp.add, 0)


@functools.partial(sum_rows.defjvp, symbolic_zeros=True)
def _sum_rows_jvp(mode: str, primals: tuple, tangents: tuple) -> tuple:
    table, weights, ids, mask = primals
    d_table, d_weights = (
        None if isinstance(tangent, SymbolicZero) else tangent
        for tangent in tangents[:2]
    )
    sums = sum_rows(table, weights, ids, mask, mode)
    is_bad = None
    if mode == "fill":
        is_bad = are_bad(ids, mask, len(table))
        ids = jnp.clip(ids, 0, len(table) - 1)
    tangent = _sum_tangents(table, d_table, (ids, mask, weights, d_weights))
    return sums, tangent if is_bad is None else where(~is_bad, tangent, 0)


def are_bad(ids: jax.Array, mask: jax.Array | None, n_rows: int) -> jax.Array:
    """Return ``bool[B]``, True for bags with an id out of ``[0, n_rows)``."""
    is_outside = (ids < 0) | (ids >= n_rows)
    return (is_outside if mask is None else is_outside & mask).any(1)


def _sum_tangents(
    table: jax.Array, d_table: jax.Array | None, items: tuple
) -> jax.Array:
    """Return the tangents ``float32[B, D]`` of the sums; linear in the tangents.

    Args:
      table: ``dtype[V, D]``.
      d_table: ``dtype[V, D]``, or None for zeros.
      items: ids, mask, weights and the tangents of the weights, ``[B, L]`` or None.
    """
    dtype = sum_dtype(table)
    # Cast before the gather, so that the transpose, a scatter, adds in float32.
    wide = None if d_table is None else d_table.astype(dtype)

    def sums(contract, ids, mask, weights, d_weights):
        total = jnp.zeros((ids.shape[0], table.shape[1]), dtype)
        if wide is not None:
            known = ids if mask is None else jnp.where(mask, ids, len(table))
            mode = "promise_in_bounds" if mask is None else "fill"
            rows = read(wide, known.reshape(-1), mode=mode, fill=0)
            rows = rows.reshape(*ids.shape, -1)
            total += (rows if weights is None else rows * weights[..., None]).sum(1)
        if d_weights is not None:
            rows = where(mask, read(table, ids).astype(dtype), 0)
            total += contract(rows, d_weights)
        return total

    on_cpu = functools.partial(sums, functools.partial(jnp.einsum, "bld,bl->bd"))
    elsewhere = functools.partial(sums, _multiply_and_sum)

    def choose(*items: jax.Array | None) -> jax.Array:
        by_chunk = functools.partial(apply_by_chunk, on_cpu)
        return jax.lax.cond(is_one_device(), by_chunk, on_cpu, *items)

    @functools.partial(jax.checkpoint, prevent_cse=False)  # does not save rows
    def run(*items: jax.Array | None) -> jax.Array:
        return jax.lax.platform_dependent(*items, cpu=choose, default=elsewhere)

    return run(*items)


def _multiply_and_sum(rows: jax.Array, weights: jax.Array) -> jax.Array:
    """Multiply rows by weights and sum over L.

    XLA:GPU and XLA:TPU fuse this with a gather, unlike a dot product.
    """
    return (rows * jnp.expand_dims(weights, 2)).sum(1)


def where(mask: jax.Array | None, values: jax.Array, other: float) -> jax.Array:
    """Return ``values`` where the mask is True, else ``other``; NaN * 0 is NaN."""
    if mask is None:
        return values
    return jnp.where(jnp.expand_dims(mask, -1), values, jnp.array(other, values.dtype))
