"""Orders of rows: files are in word order, tables on a mesh in shard order."""

import functools
import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.layout import Format
from jax.sharding import NamedSharding, PartitionSpec, SingleDeviceSharding
from jax.typing import ArrayLike

from jaxembed._checks import check_count
from jaxembed.dist._mesh import Rules, shard_size
from jaxembed.optim._layout import choose_format

PIECE = 1 << 22  # bytes that are read at once
# Integers that hold the bits of a number, by its bytes.
BITS = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32, 8: jnp.uint64}
BLOCK = 1 << 24  # bytes of the rows that iter_words yields at once


def to_shards(array: ArrayLike, rules: Rules) -> jax.Array:
    """Return an array in word order as an array in shard order on a mesh.

    Rows are read shard by shard, so that a memory-mapped array is never whole in
    memory. Each process reads only the shards of its own devices.

    Args:
      array: ``dtype[V, ...]``, one entry for each word, such as a table, a moment, or a
        mask of rows. Any object with ``shape``, ``dtype`` and slices of rows, such as
        the view of ``vectors.embedding_matrix(in_memory=False)``.
      rules: placement on the mesh.

    Returns:
      ``dtype[Vp, ...]``, spread over the axis ``vocab``; see :class:`Rules`.

    Raises:
      ValueError: if the array has no axes.

    Example:
      >>> from jaxembed.dist import make_mesh
      >>> rules = Rules(make_mesh(devices=jax.devices()[:1]))
      >>> to_shards(np.array([3, 1, 2], np.int32), rules)
      Array([3, 1, 2], dtype=int32)
    """
    if not np.ndim(array):
        raise ValueError(f"array must have the axis V first, got the number {array}.")
    given: Any = array if hasattr(array, "dtype") else np.asarray(array)
    n_rows, *rest = given.shape
    n_shards, shape = rules.n_shards, (rules.pad(n_rows), *rest)
    spec = PartitionSpec(rules.vocab, *[None] * len(rest))
    sharding = NamedSharding(rules.mesh, spec)
    form = choose_format(shape, sharding) if len(shape) == 2 else None
    size, last = shape[0] // n_shards, None
    parts: list[jax.Array] = []
    places = sharding.addressable_devices_indices_map(shape)
    firsts = {device: (index or ())[0].start or 0 for device, index in places.items()}
    for device, first in sorted(firsts.items(), key=lambda pair: pair[1]):
        if last is None or last[0] != first:  # once for all copies of a shard
            jax.block_until_ready(parts[-1:])  # a copy holds the shard before
            last = None
            last = first, _read_shard(given, first // size, n_shards, size)
        place: Any = SingleDeviceSharding(device)
        place = place if form is None else Format(form.layout, place)
        parts.append(jax.device_put(last[1], place, may_alias=False))
    return jax.make_array_from_single_device_arrays(shape, sharding, parts)


def _read_shard(array: Any, number: int, n_shards: int, size: int) -> np.ndarray:
    """Return the rows of one shard, with zeros after those of the last word."""
    shard = np.zeros((size, *array.shape[1:]), array.dtype)
    n_rows = len(range(number, len(array), n_shards))
    step = PIECE * size // max(shard.nbytes, 1)  # rows in a piece
    step = n_rows if isinstance(array, jax.Array) else step  # a program for each slice
    for start in range(0, n_rows, step := max(step, 1)):
        stop = min(start + step, n_rows)
        piece = slice(number + start * n_shards, stop * n_shards, n_shards)
        shard[start:stop] = np.asarray(array[piece])
    return shard


def to_words(
    array: jax.Array, n_rows: int, *, out: np.ndarray | None = None
) -> np.ndarray:
    """Return an array in shard order as a NumPy array in word order.

    Shards are fetched one after another. If other processes have some of them, every
    process must call this function, and every process gets all rows.

    Args:
      array: ``dtype[Vp, ...]``, the result of :func:`to_shards` or of a step.
      n_rows: number of words, V.
      out: array to write into; None for a new one.

    Returns:
      ``dtype[V, ...]``.

    Raises:
      ValueError: if the shards of ``array`` are not those of ``n_rows`` words, or if
        ``out`` has another shape.

    Example:
      >>> from jaxembed.dist import make_mesh
      >>> rules = Rules(make_mesh(devices=jax.devices()[:1]))
      >>> to_words(to_shards(np.array([3, 1, 2], np.int32), rules), 3)
      array([3, 1, 2], dtype=int32)
    """
    n_rows = check_count("n_rows", n_rows)
    size = array.sharding.shard_shape(array.shape)[0]
    n_shards = len(array) // size
    if (wanted := shard_size(n_rows, n_shards)) != size:
        raise ValueError(
            f"{n_rows} words in {n_shards} shards have {wanted} rows each, got an "
            f"array {list(array.shape)} with {size}: give the array that to_shards "
            "returned, and the number of its words."
        )
    shape = n_rows, *array.shape[1:]
    words = np.empty(shape, array.dtype) if out is None else out
    if words.shape != shape:
        raise ValueError(f"out must have the shape {shape}, got {words.shape}.")
    local = {
        (shard.index[0].start or 0) // size: shard.data
        for shard in array.addressable_shards
    }
    for number in range(n_shards):
        if array.is_fully_addressable:
            shard = np.asarray(local[number])
        else:
            shard = np.asarray(_copy_to_all(array, number).addressable_data(0))
        part = words[number::n_shards]
        part[:] = shard[: len(part)]
    return words


def iter_words(array: jax.Array, n_rows: int) -> Iterator[np.ndarray]:
    """Yield an array in shard order as blocks of rows in word order.

    If other processes have some of the shards, every process must read all blocks.

    Args:
      array: ``dtype[Vp, ...]``, the result of :func:`to_shards` or of a step.
      n_rows: number of words, V.

    Yields:
      ``dtype[n, ...]``: the next n rows.

    Example:
      >>> from jaxembed.dist import make_mesh
      >>> rules = Rules(make_mesh(devices=jax.devices()[:1]))
      >>> list(iter_words(to_shards(np.array([3, 1, 2], np.int32), rules), 3))
      [array([3, 1, 2], dtype=int32)]
    """
    sharding: Any = array.sharding
    size = sharding.shard_shape(array.shape)[0]
    n_shards, rest = len(array) // size, array.shape[1:]
    row_bytes = math.prod(rest) * array.dtype.itemsize
    n = min(size, max(1, BLOCK // max(1, n_shards * row_bytes)))
    for first in range(0, size, n):
        n_next = min(n, size - first)
        place = sharding.mesh, sharding.spec[0]
        found = _copy_rows(array, jnp.int32(first), n_next, *place)
        rows = np.asarray(jax.block_until_ready(found).addressable_data(0))
        yield rows.reshape(-1, *rest)[: n_rows - first * n_shards]


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _copy_rows(
    array: jax.Array, first: jax.Array, n: int, mesh: Any, axis: Any
) -> jax.Array:
    """Return ``n`` rows of each shard, copied to all devices: ``dtype[n, S, ...]``."""

    def copy(shard: jax.Array, first: jax.Array) -> jax.Array:
        rows = jax.lax.dynamic_slice_in_dim(shard, first, n)
        return jax.lax.all_gather(rows, axis, axis=1)

    specs = PartitionSpec(axis), PartitionSpec()
    run = jax.shard_map(
        copy, mesh=mesh, in_specs=specs, out_specs=PartitionSpec(), check_vma=False
    )
    return run(array, first)


def _copy_to_all(array: jax.Array, number: int) -> jax.Array:
    """Return one shard, copied to all devices."""
    sharding: Any = array.sharding
    return _copy_shard(array, number, sharding.mesh, sharding.spec[0])


@functools.partial(jax.jit, static_argnums=(2, 3))
def _copy_shard(array: jax.Array, number: ArrayLike, mesh: Any, axis: Any) -> jax.Array:
    def copy(shard: jax.Array, number: jax.Array) -> jax.Array:
        # Integers of the same bits, since a sum of floats turns -0.0 into 0.0.
        is_bool = shard.dtype == bool
        kind = BITS[shard.dtype.itemsize]
        bits = shard.astype(kind) if is_bool else shard.view(kind)
        is_wanted = jax.lax.axis_index(axis) == number
        bits = jax.lax.psum(jnp.where(is_wanted, bits, 0), axis)
        return bits.astype(bool) if is_bool else bits.view(shard.dtype)

    specs = PartitionSpec(axis), PartitionSpec()
    sharded = jax.shard_map(copy, mesh=mesh, in_specs=specs, out_specs=PartitionSpec())
    return sharded(array, jnp.int32(number))
