"""Bag: means of rows and their gradient, against Flax, Keras, torch and NumPy.

Run:     python -m benchmarks.bag
         python -m benchmarks.bag --large
         python -m benchmarks.bag --workload second --batch-sizes 256 --ids uniform
Prints:  JSON lines for each workload, batch size and kind of ids. Two measurements:
         the bags (the mean of the rows of each text); and the bags with the gradient
         of sum(bags**2) / 2 with respect to the table.

"flax", "keras" and "numpy" look up the rows and compute their mean. torch's
EmbeddingBag is measured on all cores and on one thread. Its sparse gradient has one row
for each id, and rows of repeated ids are not summed. "jaxembed, ids checked" uses
mode="promise_in_bounds": the ids were checked before, as in training. copy_share
compares with the memory bandwidth, measured with an array larger than the cache. It can
exceed 1, because a small table fits in the cache.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.harness import expected_tables, options
from benchmarks.harness.table_ops import (
    Operation,
    Way,
    half_squares,
    on_cores,
    time_operations,
)
from benchmarks.harness.workloads import Workload
from benchmarks.lookup import count_rows
from benchmarks.peers import flax, keras
from jaxembed import nn

PEERS = ("flax", "keras", "torch", "numpy")


def main(argv: list[str] | None = None) -> None:
    """Time bags, then bags with their gradient."""
    parser = options.make_parser("bag", __doc__, peers=PEERS, ids=True)
    arguments = parser.parse_args(argv)
    with options.open_lines(arguments) as lines:
        time_operations(OPERATIONS, arguments, lines)


def forward(workload: Workload, peers: Sequence[str]) -> dict[str, Way]:
    """Return the bags that JAX compiles."""
    checked = partial(nn.embedding_bag, mode="promise_in_bounds")
    ways = {"jaxembed": Way(nn.embedding_bag), "jaxembed, ids checked": Way(checked)}
    if "flax" in peers:
        lookup = flax.make_lookup(workload)
        ways["flax"] = Way(lambda table, ids: lookup(table, ids).mean(1))
    if "keras" in peers:
        ways["keras"] = Way(keras.make_bag(workload))
    return ways


def backward(workload: Workload, peers: Sequence[str]) -> dict[str, Way]:
    """Return the gradients that JAX compiles."""
    ways = forward(workload, peers)
    return {name: Way(half_squares(way.function)) for name, way in ways.items()}


def torch_bag(table: Any, ids: Any) -> Any:
    """Compute the bags by torch's ``embedding_bag``."""
    import torch

    with torch.no_grad():
        return torch.nn.functional.embedding_bag(ids, table, mode="mean")


def torch_backward(table: Any, ids: Any, sparse: bool = False) -> Any:
    """Return the gradient of the table.

    The sparse gradient has one row for each id. Rows of repeated ids are not summed.
    """
    import torch

    bags = torch.nn.functional.embedding_bag(ids, table, mode="mean", sparse=sparse)
    # The gradient of half the squares equals the bags; XLA omits the squares too.
    return torch.autograd.grad(bags, table, bags.detach())[0]


def count_bags(workload: Workload, batch_size: int, n_distinct: int) -> int:
    """Count the bytes of the ids, of each distinct row once, and of the bags."""
    n_ids = batch_size * workload.length
    return 4 * n_ids + (n_distinct + batch_size) * workload.row_bytes


def count_gradient(workload: Workload, batch_size: int, n_distinct: int) -> int:
    """Count the bytes of bags and a dense gradient."""
    bags = count_bags(workload, batch_size, n_distinct)
    return bags + workload.table_bytes


OPERATIONS = (
    Operation(
        "bag",
        forward,
        on_cores(torch_bag),
        expected_tables.answer_bags,
        count_bags,
        of_numpy=lambda table, ids: np.take(table, ids, axis=0).mean(1),
    ),
    Operation(
        "bag with gradient",
        backward,
        {
            **on_cores(torch_backward),
            "torch, sparse": Way(
                partial(torch_backward, sparse=True), count_bytes=count_rows
            ),
        },
        expected_tables.answer_bags_gradient,
        count_gradient,
        rows_held=3,
        tables_held=6,
    ),
)

if __name__ == "__main__":
    main()
