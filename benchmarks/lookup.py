"""Lookup: rows of a table and their gradient, against Flax, Keras, torch and NumPy.

Run:     python -m benchmarks.lookup
         python -m benchmarks.lookup --large
         python -m benchmarks.lookup --workload second --batch-sizes 64 --ids uniform
Prints:  JSON lines for each workload, batch size and kind of ids. Three measurements:
         the lookup of the rows; the dense gradient of sum(rows**2) / 2 with respect to
         the table; and the gradient with respect to the rows, as in row-sparse
         training.

"jaxembed" checks in each call that the ids are in bounds. "jaxembed, ids checked" uses
mode="promise_in_bounds": the ids were checked before, as in training.
benchmarks/README.md describes the fields of a line.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
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
from benchmarks.peers import flax, keras
from jaxembed import nn

PEERS = ("flax", "keras", "torch", "numpy")
checked = partial(nn.lookup, mode="promise_in_bounds")


def main(argv: list[str] | None = None) -> None:
    """Time the lookup, its dense gradient and its gradient in the rows."""
    parser = options.make_parser("lookup", __doc__, peers=PEERS, ids=True)
    arguments = parser.parse_args(argv)
    with options.open_lines(arguments) as lines:
        time_operations(OPERATIONS, arguments, lines)


def forward(workload: Workload, peers: Sequence[str]) -> dict[str, Way]:
    """Return the lookups that JAX compiles."""
    ways = {"jaxembed": Way(nn.lookup), "jaxembed, ids checked": Way(checked)}
    if "flax" in peers:
        ways["flax"] = Way(flax.make_lookup(workload))
    if "keras" in peers:
        ways["keras"] = Way(keras.make_lookup(workload))
    return ways


def backward(workload: Workload, peers: Sequence[str]) -> dict[str, Way]:
    """Return the dense gradients that JAX compiles."""
    ways = forward(workload, peers)
    return {name: Way(half_squares(way.function)) for name, way in ways.items()}


def sparse_backward(workload: Workload, peers: Sequence[str]) -> dict[str, Way]:
    """Return the gradient with respect to the rows, by ``nn.tap_rows``."""

    def tap(table: Any, ids: Any) -> Any:
        def half_squares(tap: Any) -> Any:
            return (nn.tap_rows(checked(table, ids), tap) ** 2).sum() / 2

        return jax.grad(half_squares)(jnp.zeros((*ids.shape, workload.dim)))

    return {"jaxembed, ids checked": Way(tap)}


def torch_forward(table: Any, ids: Any) -> Any:
    """Look up the rows by torch's ``embedding``."""
    import torch

    with torch.no_grad():
        return torch.nn.functional.embedding(ids, table)


def torch_backward(table: Any, ids: Any, sparse: bool = False) -> Any:
    """Return the gradient of ``nn.Embedding``: dense, or for the rows only."""
    import torch

    rows = torch.nn.functional.embedding(ids, table, sparse=sparse)
    # The gradient of half the squares equals the rows; XLA omits the squares too.
    (gradient,) = torch.autograd.grad(rows, table, rows.detach())
    return gradient._values().reshape(rows.shape) if sparse else gradient


def count_rows(workload: Workload, batch_size: int, n_distinct: int) -> int:
    """Count the bytes of the ids, of each distinct row once, and of the result."""
    n_ids = batch_size * workload.length
    return 4 * n_ids + (n_distinct + n_ids) * workload.row_bytes


def count_gradient(workload: Workload, batch_size: int, n_distinct: int) -> int:
    """Count the bytes of the ids, of each distinct row, and of a dense gradient."""
    n_ids = batch_size * workload.length
    return 4 * n_ids + n_distinct * workload.row_bytes + workload.table_bytes


OPERATIONS = (
    Operation(
        "lookup",
        forward,
        on_cores(torch_forward),
        expected_tables.answer_rows,
        count_rows,
        of_numpy=lambda table, ids: np.take(table, ids, axis=0),
    ),
    Operation(
        "lookup with gradient",
        backward,
        on_cores(torch_backward),
        expected_tables.answer_rows_gradient,
        count_gradient,
        rows_held=3,
        tables_held=6,
    ),
    Operation(
        "lookup with gradient of rows",
        sparse_backward,
        on_cores(partial(torch_backward, sparse=True)),
        expected_tables.answer_rows,
        count_rows,
        rows_held=4,
    ),
)

if __name__ == "__main__":
    main()
