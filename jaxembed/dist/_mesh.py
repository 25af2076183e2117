"""Mesh and sharding rules: the devices of a table, and the order of its rows."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxembed._checks import check_count


def make_mesh(
    *,
    data: int = 1,
    vocab: int | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> Mesh:
    """Return a mesh of devices with the axes "data" and "vocab".

    The rows of each table are spread over the axis "vocab", and copied along "data".
    Examples are spread over all devices. A longer axis "vocab" needs less memory on
    each device. Copies of a table exchange the gradients of its rows along "data".
    Devices of one host are neighbours along "vocab".

    Args:
      data: number of copies of each table.
      vocab: number of shards of each table; None for all devices divided by ``data``.
      devices: devices to use; None for all devices of all processes.

    Returns:
      A mesh of ``data * vocab`` devices, whose axes have the type ``Auto``.

    Raises:
      TypeError: if ``data`` or ``vocab`` is not an integer.
      ValueError: if there are fewer devices than the mesh needs, or if ``vocab`` is
        None and the number of devices is not a multiple of ``data``.

    Example:
      >>> dict(make_mesh(devices=jax.devices()[:1]).shape)
      {'data': 1, 'vocab': 1}
    """
    known = list(jax.devices() if devices is None else devices)
    data = check_count("data", data)
    if vocab is None and len(known) % data:
        raise ValueError(
            f"data must divide the number of devices, {len(known)}, got {data}: give "
            "vocab too, or other devices."
        )
    vocab = check_count("vocab", len(known) // data if vocab is None else vocab)
    if data * vocab > len(known):
        raise ValueError(
            f"a mesh of data={data} and vocab={vocab} needs {data * vocab} devices, "
            f"got {len(known)}. On a CPU, set jax_num_cpu_devices before the first use "
            "of JAX."
        )
    return jax.make_mesh(
        (data, vocab),
        ("data", "vocab"),
        axis_types=(AxisType.Auto, AxisType.Auto),
        devices=known[: data * vocab],
    )


@dataclasses.dataclass(frozen=True)
class Rules:
    """Sharding rules: the placement of tables and examples on a mesh.

    A table of V rows is stored in shard order, as ``[Vp, D]``, where Vp is the next
    multiple of the number of shards above V. Shard k has the rows of the words k,
    k + n, k + 2 n, and further ones, so that frequent words, which have small ids, are
    spread evenly. Rows that belong to no word are zeros. There is always such a row
    with several shards, so a model that reads the table in word order raises an error
    about its shape.

    Attributes:
      mesh: mesh with the axes ``data`` and ``vocab``; further axes are not used.
      data: name of the axis along which tables are copied.
      vocab: name of the axis along which rows are spread.

    Raises:
      ValueError: if the mesh lacks one of the axes, or both names are equal.

    Example:
      >>> rules = Rules(make_mesh(devices=jax.devices()[:1]))
      >>> rules.n_shards, rules.n_devices, rules.pad(5)
      (1, 1, 5)
    """

    mesh: Mesh
    data: str = "data"
    vocab: str = "vocab"

    def __post_init__(self) -> None:
        """Check the names of the axes."""
        names = tuple(self.mesh.axis_names)
        if self.data == self.vocab or not {self.data, self.vocab} <= set(names):
            raise ValueError(
                f"the mesh must have the axes {self.data!r} and {self.vocab!r}, got "
                f"{names}: make it with dist.make_mesh, or name its axes in Rules."
            )

    @property
    def n_shards(self) -> int:
        """Number of shards of each table."""
        return self.mesh.shape[self.vocab]

    @property
    def n_copies(self) -> int:
        """Number of copies of each table."""
        return self.mesh.shape[self.data]

    @property
    def n_devices(self) -> int:
        """Number of devices over which examples are spread."""
        return self.n_copies * self.n_shards

    @property
    def axes(self) -> tuple[str, str]:
        """Names of both axes, that of copies first."""
        return self.data, self.vocab

    @property
    def table(self) -> NamedSharding:
        """Sharding of an array ``[Vp, D]``."""
        return NamedSharding(self.mesh, PartitionSpec(self.vocab, None))

    @property
    def rows(self) -> NamedSharding:
        """Sharding of an array ``[Vp]`` with one number for each row."""
        return NamedSharding(self.mesh, PartitionSpec(self.vocab))

    @property
    def batch(self) -> NamedSharding:
        """Sharding of arrays whose first axis is that of examples."""
        return NamedSharding(self.mesh, PartitionSpec(self.axes))

    @property
    def whole(self) -> NamedSharding:
        """Sharding of arrays that each device has a copy of."""
        return NamedSharding(self.mesh, PartitionSpec())

    def pad(self, n_rows: int) -> int:
        """Return Vp, the number of stored rows of a table of ``n_rows`` words."""
        return shard_size(n_rows, self.n_shards) * self.n_shards

    def place(self, ids: jax.Array | np.ndarray, n_rows: int) -> jax.Array | np.ndarray:
        """Return the stored row of each id.

        Args:
          ids: ``int[...]``, each in ``[0, V)``.
          n_rows: number of words, V.

        Returns:
          ``int[...]``, each in ``[0, Vp)``.
        """
        n = self.n_shards
        return ids % n * (self.pad(n_rows) // n) + ids // n


def shard_size(n_rows: int, n_shards: int) -> int:
    """Return the number of stored rows of each shard of a table.

    Example:
      >>> [shard_size(n_rows, 4) for n_rows in (7, 8, 9)], shard_size(8, 1)
      ([2, 3, 3], 8)
    """
    return n_rows if n_shards == 1 else n_rows // n_shards + 1
