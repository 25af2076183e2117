"""Inputs: the arrays that every epoch reads."""

from typing import NamedTuple

import jax

from jaxembed.train._state import Params
from jaxembed.train._step import Batch
from jaxembed.train.sharded._shards import Shards
from jaxembed.train.sharded._words import view


class Inputs(NamedTuple):
    """Arrays that every epoch reads, on the device.

    Attributes:
      ids: ``int32[N, L]``.
      labels: ``int32[N]``.
      examples: ``int32[n]``, the examples to train on.
      validation: batches of validation examples; may be empty.
      trainable_rows: masks ``bool[V]`` by path, for tables with frozen rows only.
      weights: ``float32[N]``, or None if all examples have the weight 1.
    """

    ids: jax.Array
    labels: jax.Array
    examples: jax.Array
    validation: list[Batch]
    trainable_rows: Params
    weights: jax.Array | None = None

    def in_words(self, shards: Shards | None) -> "Inputs":
        """Return the same arrays with the masks in word order, see :func:`view`."""
        return self._replace(trainable_rows=view(self.trainable_rows, shards))
