"""Bags laid out as a grid: rows of ids of equal length, one or more for each bag.

Ids of shape [B, L] are such a grid. Flat ids with offsets are cut into rows of a width
near their mean length: so one loop over columns serves both, a gather of whole columns
is summed without being stored, and a bag much longer than the others costs no padding.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp

MAX_WIDTH = 32  # of the rows of flat ids: sums of rows take 1 / 32 of the gathered ones


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["ids", "is_read", "bags", "positions"],
    meta_fields=["n_bags", "n_ids", "mode"],
)
@dataclasses.dataclass(frozen=True)
class Grid:
    """Ids in rows, each of which belongs to one bag.

    Attributes:
      ids: ``int[S, W]``.
      is_read: ``bool[S, W]``, False at an id that is in no bag; None if all are read.
      bags: ``int32[S]``, each row's bag, B for none; None where row s is bag s.
      positions: ``int32[S, W]``, of each id in the flat ids; None for ids ``[B, L]``.
      n_bags: B.
      n_ids: N, or B L.
      mode: how rows are read: as ids that all are in the table, or by "fill".
    """

    ids: jax.Array
    is_read: jax.Array | None
    bags: jax.Array | None
    positions: jax.Array | None
    n_bags: int
    n_ids: int
    mode: str = "promise_in_bounds"

    def place(self, weights: jax.Array) -> jax.Array:
        """``[S, W]`` of weights ``[B, L]`` or ``[N]``, zeros where nothing is read."""
        if self.positions is not None:
            weights = read(weights, self.positions)
        return weights if self.is_read is None else jnp.where(self.is_read, weights, 0)

    def total(self, values: jax.Array) -> jax.Array:
        """The sum ``[B, ...]`` over each bag's rows of ``[S, ...]``."""
        if self.bags is None:
            return values
        totals = jnp.zeros((self.n_bags, *values.shape[1:]), values.dtype)
        return totals.at[self.bags].add(values, mode="drop")

    def any(self, is_true: jax.Array) -> jax.Array:
        """``bool[B]``: whether ``bool[S, W]`` is True at any id that is read."""
        if self.is_read is not None:
            is_true = is_true & self.is_read
        return self.total(is_true.any(1).astype(jnp.int32)) > 0

    def are_outside(self, n_rows: int) -> jax.Array:
        """``bool[B]``: whether any id that is read is not of a table of ``n_rows``."""
        return self.any((self.ids < 0) | (self.ids >= n_rows))

    def clip(self, n_rows: int) -> "Grid":
        """With all ids in the table, those that were not as another word."""
        ids = jnp.clip(self.ids, 0, n_rows - 1)
        return dataclasses.replace(self, ids=ids, mode="promise_in_bounds")

    def sources(self, places: jax.Array) -> jax.Array:
        """The numbers of ids as they were given, for those in the flat grid."""
        if self.positions is None:
            return places
        flat = self.positions.reshape(-1)
        return flat.at[places].get(mode="fill", fill_value=self.n_ids)


def make_grid(
    ids: jax.Array, mask: jax.Array | None, offsets: jax.Array | None
) -> Grid:
    """The grid of ``int[B, L]``, or of ``int[N]`` with offsets ``int32[B + 1]``."""
    if offsets is None:
        return Grid(ids, mask, None, None, n_bags=len(ids), n_ids=ids.size)
    n_ids, n_bags = len(ids), len(offsets) - 1
    width = _width(n_ids, n_bags)
    # Each bag may use the rows up to the next one's first: enough wherever it starts,
    # and without the running sum of how many it needs.
    blocks = offsets // width - offsets[0] // width
    first_rows = blocks + jnp.arange(n_bags + 1, dtype=jnp.int32)
    rows = jnp.arange(n_ids // width + n_bags, dtype=jnp.int32)
    bags = jnp.searchsorted(first_rows, rows, side="right").astype(jnp.int32) - 1
    starts = offsets - first_rows * width  # of a bag's row 0, if it had had all before
    starts = starts.at[bags].get(mode="clip") + rows * width
    ends = offsets.at[bags + 1].get(mode="fill", fill_value=0)
    columns = jnp.arange(width, dtype=jnp.int32)
    positions = jnp.expand_dims(starts, 1) + jnp.expand_dims(columns, 0)
    is_read = positions < jnp.expand_dims(ends, 1)
    positions = jnp.where(is_read, jnp.clip(positions, 0, n_ids - 1), 0)
    if mask is not None:
        is_read = is_read & read(mask, positions)
    return Grid(read(ids, positions), is_read, bags, positions, n_bags, n_ids)


def _width(n_ids: int, n_bags: int) -> int:
    """A power of 2 up to the mean length: short bags must not be mostly padding."""
    mean_length = max(n_ids // n_bags, 1)
    return min(MAX_WIDTH, 1 << (mean_length.bit_length() - 1))


def find_bags(
    ids: jax.Array, mask: jax.Array | None, offsets: jax.Array | None
) -> tuple[jax.Array | None, jax.Array | None]:
    """Whether each id is read, and the bag ``int32[N]`` of each of the flat ids.

    None where all are read; and where the ids are ``[B, L]``, whose axis tells the bag.
    """
    if offsets is None:
        return mask, None
    numbers = jnp.arange(len(ids), dtype=jnp.int32)
    bags = jnp.searchsorted(offsets, numbers, side="right").astype(jnp.int32) - 1
    is_read = (bags >= 0) & (bags < len(offsets) - 1)
    return is_read if mask is None else is_read & mask, bags


def read(
    values: jax.Array, numbers: jax.Array, mode: str = "promise_in_bounds"
) -> jax.Array:
    """Entries of ``values`` by number, unchecked if all were made to be in range."""
    return values.at[numbers].get(mode=mode, wrap_negative_indices=False)


def widen(numbers: jax.Array) -> jax.Array:
    """Integers of at least 32 bits, as V or N may not fit a byte."""
    numbers = jnp.asarray(numbers)
    return numbers if numbers.dtype.itemsize >= 4 else numbers.astype(jnp.int32)


def narrow_offsets(offsets: jax.Array, n_ids: int) -> jax.Array:
    """``int32`` offsets; -1, which breaks them, for one that is past the end."""
    return jnp.where(offsets > n_ids, -1, offsets).astype(jnp.int32)


def are_broken(offsets: jax.Array, n_ids: int) -> jax.Array:
    """``bool[]``: whether offsets fall, or point to ids that are not there."""
    is_outside = (offsets[0] < 0) | (offsets[-1] > n_ids)
    return is_outside | (offsets[1:] < offsets[:-1]).any()
