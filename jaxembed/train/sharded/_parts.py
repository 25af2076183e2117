"""Parts: an array in word order as the rows of its shards, some of which a host has."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxembed.dist import Rules

BLOCK = 1 << 24  # bytes that are read at once
ON_HOST = ("cpu",)  # platforms whose arrays are in the memory of the host


class Share(NamedTuple):
    """Shards of a table that the devices of this process have.

    Attributes:
      n_shards: number of all shards.
      numbers: numbers of the shards of this process.
    """

    n_shards: int
    numbers: frozenset[int]


@dataclasses.dataclass(frozen=True)
class RowFile:
    """Rows of an array in a file, one after another, without a header.

    Attributes:
      path: the file.
      shape: number of rows, and the shape of a row.
      dtype: dtype of the array.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype

    def read(self, first: int, n_rows: int) -> np.ndarray:
        """Return rows of the file.

        Raises:
          OSError: if the file has been cut.
        """
        rows = np.empty((n_rows, *self.shape[1:]), self.dtype)
        view = rows.reshape(-1).view(np.uint8).data
        with self.path.open("rb") as file:
            file.seek(first * math.prod(self.shape[1:]) * self.dtype.itemsize)
            if file.readinto(view) != len(view):
                raise OSError(f"{self.path} ends before row {first + n_rows}.")
        return rows


Source = jax.Array | np.ndarray | RowFile


class Parts:
    """Array in word order, kept as parts: part k of n has the rows k, k + n, k + 2 n.

    Attributes:
      shape: shape of the whole array, ``[V, ...]``.
      dtype: dtype of the array.
      n_parts: number of all parts.
      sources: rows of the parts that this process has, by the number of the part. Rows
        of padding may follow.

    Example:
      >>> parts = Parts((3,), np.dtype(int), 2, {0: np.array([5, 7]), 1: np.array([6])})
      >>> np.asarray(parts), parts[1::2]
      (array([5, 6, 7]), array([6]))
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: Any,
        n_parts: int,
        sources: Mapping[int, Source],
    ) -> None:
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.n_parts = n_parts
        self.sources: dict[int, Any] = dict(sources)

    @property
    def size(self) -> int:
        """Number of elements of the whole array."""
        return math.prod(self.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def shape_of(self, number: int) -> tuple[int, ...]:
        """Return the shape of a part, without padding."""
        return (len(range(number, self.shape[0], self.n_parts)), *self.shape[1:])

    def find_needed(self, share: Share | None) -> set[int]:
        """Return the parts that have rows of the shards of a process."""
        if share is None:
            return set(range(self.n_parts))
        n = self.n_parts // math.gcd(self.n_parts, share.n_shards)
        return {
            (number + share.n_shards * i) % self.n_parts
            for number in share.numbers
            for i in range(n)
        }

    def iter_blocks(
        self, number: int, begin: int = 0, end: int | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the rows ``begin`` to ``end`` of a part in blocks.

        Each block is yielded with the number of its first row in the part.
        """
        n_rows, *rest = self.shape_of(number)
        end = n_rows if end is None else end
        n = max(1, BLOCK // max(1, math.prod(rest) * self.dtype.itemsize))
        for first in range(begin, end, n):
            count = min(n, end - first)
            yield first, _read(self.sources[number], first, count)

    @property
    def form(self) -> tuple[tuple[int, ...], np.dtype, int, tuple[int, ...]]:
        """Arguments of :meth:`empty`."""
        return self.shape, self.dtype, self.n_parts, tuple(sorted(self.sources))

    @classmethod
    def empty(
        cls, shape: tuple[int, ...], dtype: Any, n_parts: int, /, numbers: Iterable[int]
    ) -> "Parts":
        """Return the parts ``numbers`` of an array, whose memory is not written."""
        parts = cls(shape, dtype, n_parts, {})
        for number in numbers:
            parts.sources[number] = np.empty(parts.shape_of(number), parts.dtype)
        return parts

    def copy_into(self, copy: "Parts") -> None:
        """Copy the parts into arrays on the host, which :meth:`empty` returned."""
        for number, out in copy.sources.items():
            for first, block in self.iter_blocks(number):
                np.copyto(out[first : first + len(block)], block)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, step = rows.indices(self.shape[0])
        n_rows = len(range(start, stop, step))
        found = np.empty((n_rows, *self.shape[1:]), self.dtype)
        # Every row of a residue of the period comes from one part.
        period = self.n_parts // math.gcd(step, self.n_parts)
        for i in range(min(period, n_rows)):
            place, number = divmod(start + step * i, self.n_parts)
            every = step * period // self.n_parts
            self._read_into(found[i::period], number, place, every)
        return found

    def _read_into(self, out: np.ndarray, number: int, start: int, step: int) -> None:
        """Write the rows ``start``, ``start + step``, ... of a part into an array."""
        n_done, end = 0, start + step * (len(out) - 1) + 1
        for first, block in self.iter_blocks(number, start, end):
            rows = block[start + step * n_done - first :: step]
            out[n_done : n_done + len(rows)] = rows
            n_done += len(rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype, copy=False)


def split(array: jax.Array, n_words: int) -> Parts:
    """Return the parts of an array in shard order that this process must save.

    Of the copies of a shard, the first is saved.

    Args:
      array: ``dtype[Vp, ...]``, spread over devices.
      n_words: number of words, V.
    """
    size = array.sharding.shard_shape(array.shape)[0]
    sources = {
        (shard.index[0].start or 0) // size: shard.data
        for shard in array.addressable_shards
        if shard.replica_id == 0
    }
    shape = (n_words, *array.shape[1:])
    return Parts(shape, array.dtype, len(array) // size, sources)


def find_share(rules: Rules | None) -> Share | None:
    """Return the shards of this process; None for one device.

    Example:
      >>> from jaxembed.dist import make_mesh
      >>> find_share(Rules(make_mesh(devices=jax.devices()[:1])))
      Share(n_shards=1, numbers=frozenset({0}))
    """
    if rules is None:
        return None
    places = rules.rows.addressable_devices_indices_map((rules.n_shards,))
    numbers = {(index or (slice(0),))[0].start or 0 for index in places.values()}
    return Share(rules.n_shards, frozenset(numbers))


def _read(source: Source, first: int, n_rows: int) -> np.ndarray:
    """Return rows of a part."""
    if isinstance(source, RowFile):
        return source.read(first, n_rows)
    if isinstance(source, np.ndarray):
        return source[first : first + n_rows]
    if next(iter(source.devices())).platform in ON_HOST:  # without a copy
        return np.asarray(source)[first : first + n_rows]
    # A copy of the whole shard would stay on the host as long as the array.
    return np.asarray(jax.lax.dynamic_slice_in_dim(source, first, n_rows))
