"""Functions that answer a question: of a table and a batch of ids."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from benchmarks._workloads import Workload

Function = Callable[[Any, Any], Any]  # of a table and the ids of a batch
# The bytes to move for a workload, a batch size and a number of distinct ids.
Count = Callable[[Workload, int, int], int]


class Bound(NamedTuple):
    """A function that reads other weights than the table.

    Attributes:
      function: of them and the ids of a batch.
      weights: that it reads.
      count_bytes: the fewest to move, if they are others than the question's.
    """

    function: Function
    weights: Any
    count_bytes: Count | None = None


Functions = Mapping[str, Function | Bound]


class OfTorch(NamedTuple):
    """A function of torch tensors.

    Attributes:
      function: of the table and the ids of a batch.
      n_threads: on which it works, on a CPU; None for all cores.
      count_bytes: the fewest to move, if they are others than the question's.
    """

    function: Function
    n_threads: int | None = None
    count_bytes: Count | None = None


def on_cores(function: Function) -> dict[str, OfTorch]:
    """On all cores, and on one thread: more do not pay for a small batch."""
    return {"torch": OfTorch(function), "torch, 1 thread": OfTorch(function, 1)}
