"""Lookup: look up rows of a table by id, as a pure function."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jax.typing import ArrayLike

# Why ids of a kind of dtype are refused, and the remedy.
REASONS = {
    "b": "bools are a mask, not row numbers; use astype(int) if 0 and 1 are meant",
    "f": "a float would be truncated to another row; use astype(int) for whole numbers",
}


def lookup(
    table: ArrayLike,
    ids: ArrayLike,
    *,
    mode: str = "fill",
    out_sharding: NamedSharding | PartitionSpec | None = None,
) -> jax.Array:
    """Return one row of ``table`` for each id.

    Args:
      table: ``dtype[V, D]``, one row for each word.
      ids: ``int[...]``, each in ``[0, V)``. By default an id out of range, also a
        negative id, gives a row of NaN, so that the error is visible, and gets no
        gradient. It is never clipped or wrapped to another word.
      mode: handling of ids out of range, as in ``jax.lax.gather``: "fill" (NaN; the
        smallest value in a table of integers), "clip" (the nearest row), or
        "promise_in_bounds" (undefined: for ids that were checked before).
      out_sharding: sharding of the result on an explicit mesh.

    Returns:
      ``dtype[..., D]``.

    Raises:
      TypeError: if ``ids`` are not integers, or are a sparse array.
      ValueError: if ``table`` does not have two axes, or if ``ids`` are sequences of
        different lengths.

    Example:
      >>> lookup(jnp.array([[0.0, 1.0], [2.0, 3.0]]), jnp.array([1, -1]))
      Array([[ 2.,  3.],
             [nan, nan]], dtype=float32)
    """
    ids = as_ids(ids)
    table = jnp.asarray(table)  # a restored checkpoint may hold NumPy arrays
    if table.ndim != 2:
        raise ValueError(f"table must have the axes [V, D], got {list(table.shape)}.")
    if mode == "fill":
        ids = _put_past_the_end(jnp.asarray(ids), len(table))
    return table.at[ids].get(
        mode=mode, wrap_negative_indices=False, out_sharding=out_sharding
    )


def as_ids(ids: ArrayLike, name: str = "ids") -> jax.Array | np.ndarray:
    """Return ``ids`` as an array of integers, or raise an error with their ``name``."""
    known = _narrow(ids if isinstance(ids, jax.Array) else _as_array(ids, name))
    if not jnp.issubdtype(known.dtype, jnp.integer):
        reason = REASONS.get(known.dtype.kind, "an id is the number of a row")
        raise TypeError(
            f"{name} must be integers, got {known.dtype}{list(known.shape)}: {reason}."
        )
    return known


def _as_array(ids: ArrayLike, name: str) -> np.ndarray:
    """Return ``ids`` of the host as a NumPy array."""
    if hasattr(ids, "todense"):  # a sparse array of JAX or SciPy
        raise TypeError(
            f"{name} must be a dense array, got {type(ids).__name__}"
            f"{list(np.shape(ids))}: use {name}.todense(), where missing ids are 0."
        )
    try:
        return np.asarray(ids)
    except ValueError as error:  # such as a text.Ragged
        raise ValueError(
            f"{name} must be an array, got a {type(ids).__name__} of sequences of "
            f"different lengths: pad them with text.pad_sequences({name})."
        ) from error


def _put_past_the_end(ids: jax.Array, n_rows: int) -> jax.Array:
    """Replace negative ids by ``n_rows``, which is out of range.

    Otherwise XLA:CPU vectorises the gather, which is slower where the rows are then
    flattened for a product: a step takes 1.7 times as long.
    """
    if jnp.issubdtype(ids.dtype, jnp.unsignedinteger):
        return ids
    ids = ids.astype(jnp.promote_types(ids.dtype, jnp.int32))  # V may need 32 bits
    return jnp.where(ids < 0, n_rows, ids)


def _narrow(ids: jax.Array | np.ndarray) -> jax.Array | np.ndarray:
    """Clip ids to 32 bits; JAX would wrap larger ids to other words."""
    if ids.dtype.kind in "iu" and ids.dtype.itemsize > 4 or ids.dtype == np.uint32:
        limits = np.iinfo(np.int32)
        ids = ids.clip(max=limits.max)  # still out of range
        ids = ids if ids.dtype.kind == "u" else ids.clip(min=limits.min)
        return ids.astype(np.int32)
    return ids
