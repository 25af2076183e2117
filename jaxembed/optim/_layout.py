"""Layout: the memory format of a table on a TPU, chosen by its number of rows and D."""

from typing import Any

import jax
from jax.experimental.layout import Format, Layout
from jax.sharding import Sharding

# Kinds of devices on which tables have a format of their own.
PLATFORMS = ("tpu",)
# Numbers in a line of a TPU's memory. A row that is stored by itself fills whole lines.
LANES = 128
# Columns of a table that is stored by columns fill whole groups of this size.
SUBLANES = 8
# A TPU stores a table of this many times its size, or less, row by row. By default it
# stores columns, which need no padding. But then XLA copies the whole table into rows
# at each lookup and update, from 41 columns on: it compares the sizes with this limit
# too (libtpu 0.0.42.1, v5e).
LARGEST = 3.0
# XLA also copies a table of 8 to 40 columns if the rows need at most this many bytes
# more than the columns: 299,593 rows of 16 numbers. So such a table is stored row by
# row, which takes no more memory than the table and its copy.
MOST_ADDED = 2**27
# Smaller rows keep the columns: v5e and v6e copy a table and its moment in VMEM then.
# The limit is 65,536 rows.
IN_VMEM = 2**25
ROWS = Layout(major_to_minor=(0, 1))


def choose_format(shape: tuple[int, ...], sharding: Sharding) -> Format | None:
    """Return the memory format in which rows are read and written without a copy.

    The format does not change shape or values of an array. A step that donates a table
    needs it as ``out_shardings`` too.

    Args:
      shape: shape ``[V, D]`` of a table.
      sharding: devices of the table.

    Returns:
      The format; None for the default format of the devices.

    Example:
      >>> device = jax.sharding.SingleDeviceSharding(jax.devices("cpu")[0])
      >>> choose_format((400_000, 300), device) is None
      True
    """
    device: Any = next(iter(sharding.device_set))
    if device.platform not in PLATFORMS:
        return None
    return Format(ROWS, sharding) if is_by_row(*sharding.shard_shape(shape)) else None


def is_by_row(n_rows: int, dim: int) -> bool:
    """Return whether a TPU stores a table ``float32[n_rows, dim]`` row by row.

    Example:
      >>> [dim for dim in (16, 40, 50, 100, 128, 300) if is_by_row(1_000_000, dim)]
      [50, 100, 128, 300]
      >>> [n_rows for n_rows in (10_000, 250_000, 300_000) if is_by_row(n_rows, 16)]
      [250000]
    """
    by_row, by_column = (4 * -(-dim // n) * n for n in (LANES, SUBLANES))
    if by_row <= LARGEST * by_column:
        return True
    added = n_rows * (by_row - by_column)
    return dim >= SUBLANES and n_rows * by_row > IN_VMEM and added <= MOST_ADDED


def match_format(array: jax.Array, like: jax.Array) -> jax.Array:
    """Return the array in the memory format of another array of the same shape."""
    if array.shape != like.shape or isinstance(like, jax.core.Tracer):
        return array
    found: Any = array  # JAX declares no type of Array.format
    wanted: Any = like
    if found.format.layout == wanted.format.layout:
        return array
    return jax.device_put(array, wanted.format)
