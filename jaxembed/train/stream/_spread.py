"""Spread: batches of a stream on the devices of a mesh, also of several processes."""

import dataclasses

import jax
import numpy as np

from jaxembed.dist import Rules
from jaxembed.dist._processes import check_equal, is_joint, join
from jaxembed.train._step import Batch
from jaxembed.train.stream._source import Arrays


@dataclasses.dataclass(frozen=True)
class Spreader:
    """Copies of batches on the devices of a mesh, padded so that they divide.

    Each process of a joint run gives its part of a batch. All parts must have one shape
    and are padded to the size of the first, so that one program does all steps.

    Attributes:
      rules: placement on the mesh; None for one device.
      n_own: number of examples of this process in a batch, with padding; None to pad
        each batch to a multiple of the devices.
    """

    rules: Rules | None = None
    n_own: int | None = None

    @property
    def is_joint(self) -> bool:
        """Whether several processes train together."""
        return is_joint(self.rules)

    @property
    def n_processes(self) -> int:
        """Number of processes that give a part of each batch."""
        return jax.process_count() if self.is_joint else 1

    def put(self, batch: Batch, name: str) -> Batch:
        """Return a batch of NumPy arrays on the devices.

        Args:
          batch: examples of this process.
          name: name of the batch, for the error.

        Raises:
          ValueError: if a later part of a batch has more examples than the first.
        """
        if self.rules is None:
            return jax.device_put(batch)
        padded = self.pad(batch, name)
        if not self.is_joint:
            return jax.device_put(padded, self.rules.batch)
        sharding, n = self.rules.batch, self.n_processes

        def spread(own: np.ndarray) -> jax.Array:
            shape = (n * len(own), *own.shape[1:])
            return jax.make_array_from_process_local_data(sharding, own, shape)

        return jax.tree.map(spread, padded)

    def pad(self, batch: Batch, name: str) -> Batch:
        """Return a batch with its last example repeated until the devices divide it."""
        n = len(batch.mask)
        size = self.find_size(n) if self.n_own is None else self.n_own
        if n > size:
            raise ValueError(
                f"{name} the part of a process must have at most {size} examples, the "
                f"number of the first batch, got {n}: give parts of one size, as "
                "text.Batches(part=) does."
            )
        places = np.minimum(np.arange(size), n - 1)
        padded = jax.tree.map(lambda array: array[places], batch)
        return padded._replace(mask=padded.mask & (np.arange(size) < n))

    def find_size(self, n: int) -> int:
        """Return the next multiple of this process's devices for ``n`` examples."""
        n_devices = 1 if self.rules is None else self.rules.n_devices
        n_devices //= self.n_processes
        return -(-n // n_devices) * n_devices

    def join(self, batch: Batch) -> Batch:
        """Return a padded batch of all processes as NumPy arrays. All must call it."""
        if not self.is_joint:
            return batch
        return jax.tree.map(join, batch)


def make_spreader(rules: Rules | None, first: Arrays) -> Spreader:
    """Return the :class:`Spreader` of a run. All processes must call it.

    Args:
      rules: placement on the mesh; None for one device.
      first: arrays of the first batch of this process.

    Raises:
      ValueError: if the parts of the first batch differ in their shapes.
    """
    spreader = Spreader(rules)
    if not spreader.is_joint:
        return spreader
    shapes = [list(np.shape(array)) for array in jax.tree.leaves(first)]
    remedy = "give parts of one size, as text.Batches(part=) does."
    check_equal("the shapes of the first batch", shapes, remedy)
    return dataclasses.replace(spreader, n_own=spreader.find_size(len(first.ids)))
