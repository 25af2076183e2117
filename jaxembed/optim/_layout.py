"""Layout: the memory format of a table on a TPU, chosen by the length of its rows."""

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
# too (libtpu 0.0.42.1, v5e). Tables of 8 to 40 columns are not copied.
LARGEST = 3.0
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
    return Format(ROWS, sharding) if is_by_row(sharding.shard_shape(shape)[1]) else None


def is_by_row(dim: int) -> bool:
    """Return whether a TPU stores a table of rows of this length row by row.

    Example:
      >>> [dim for dim in (16, 40, 50, 100, 128, 300) if is_by_row(dim)]
      [50, 100, 128, 300]
    """
    by_row, by_column = (-(-dim // n) * n for n in (LANES, SUBLANES))
    return by_row <= LARGEST * by_column


def match_format(array: jax.Array, like: jax.Array) -> jax.Array:
    """Return the array in the memory format of another array of the same shape."""
    if array.shape != like.shape or isinstance(like, jax.core.Tracer):
        return array
    found: Any = array  # JAX declares no type of Array.format
    wanted: Any = like
    if found.format.layout == wanted.format.layout:
        return array
    return jax.device_put(array, wanted.format)
