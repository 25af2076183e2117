"""Rows of a table, forward and with backward, against Flax, Keras, torch and NumPy.

Run:     python -m benchmarks.lookup
         python -m benchmarks.lookup --workload second --batch-sizes 64 --ids zipf
Prints:  JSON lines for each workload, batch size and kind of ids: the rows; the
         gradient of half their squares, of all the table; and that of the rows alone,
         as row-sparse training takes it.

``jaxembed, ids checked`` has the promise that ids are in bounds, as in training, where
they were checked before. See benchmarks/README.md for what a line has.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import _answers, _options, _peers
from benchmarks._functions import Function, Functions, on_cores
from benchmarks._questions import Question, ask
from benchmarks._workloads import Workload
from jaxembed import nn

PEERS = ("flax", "keras", "torch", "numpy")
checked = functools.partial(nn.lookup, mode="promise_in_bounds")


def main(argv: list[str] | None = None) -> None:
    """All of it."""
    arguments = _options.make_parser(__doc__, peers=PEERS, ids=True).parse_args(argv)
    ask(QUESTIONS, arguments, _options.open_lines(arguments))


def forward(workload: Workload, peers: Sequence[str]) -> dict[str, Function]:
    """Rows by all that JAX compiles."""
    functions: dict[str, Function] = {
        "jaxembed": nn.lookup,
        "jaxembed, ids checked": checked,
    }
    if "flax" in peers:
        functions["flax"] = _peers.flax_lookup(workload)
    if "keras" in peers:
        functions["keras"] = _peers.keras_lookup(workload)
    return functions


def backward(workload: Workload, peers: Sequence[str]) -> Functions:
    """Gradients by all that JAX compiles."""
    functions = forward(workload, peers)
    return {name: differentiate(function) for name, function in functions.items()}


def differentiate(lookup: Function) -> Function:
    """The dense gradient of half the squares of what is looked up, by the table."""
    return jax.grad(lambda table, ids: (lookup(table, ids) ** 2).sum() / 2)


def sparse_backward(workload: Workload, peers: Sequence[str]) -> Functions:
    """The gradients of the rows, by taps."""

    def tap(table: Any, ids: Any) -> Any:
        def half_squares(tap: Any) -> Any:
            return (nn.tap_rows(checked(table, ids), tap) ** 2).sum() / 2

        return jax.grad(half_squares)(jnp.zeros((*ids.shape, workload.dim)))

    return {"jaxembed, ids checked": tap}


def torch_forward(table: Any, ids: Any) -> Any:
    """Rows by ``nn.Embedding``."""
    import torch

    with torch.no_grad():
        return torch.nn.functional.embedding(ids, table)


def torch_backward(table: Any, ids: Any, sparse: bool = False) -> Any:
    """The gradient by ``nn.Embedding``: dense, or of the rows with their ids."""
    import torch

    rows = torch.nn.functional.embedding(ids, table, sparse=sparse)
    # That of half the squares is the rows; XLA does not make the squares either.
    (gradient,) = torch.autograd.grad(rows, table, rows.detach())
    return gradient._values().reshape(rows.shape) if sparse else gradient


def count_rows(workload: Workload, batch_size: int, n_distinct: int) -> int:
    """Ids, each row once, and what comes out."""
    n_ids = batch_size * workload.length
    return 4 * n_ids + (n_distinct + n_ids) * workload.row_bytes


def count_gradient(workload: Workload, batch_size: int, n_distinct: int) -> int:
    """Ids, each row once, and a gradient of the whole table."""
    n_ids = batch_size * workload.length
    return 4 * n_ids + n_distinct * workload.row_bytes + workload.table_bytes


QUESTIONS = (
    Question(
        "lookup",
        forward,
        {"numpy": lambda table, ids: np.take(table, ids, axis=0)},
        on_cores(torch_forward),
        _answers.answer_rows,
        count_rows,
    ),
    Question(
        "lookup with gradient",
        backward,
        {},
        on_cores(torch_backward),
        _answers.answer_rows_gradient,
        count_gradient,
        rows_held=3,
        tables_held=6,
    ),
    Question(
        "lookup with gradient of rows",
        sparse_backward,
        {},
        on_cores(functools.partial(torch_backward, sparse=True)),
        _answers.answer_rows,
        count_rows,
        rows_held=4,
    ),
)

if __name__ == "__main__":
    main()
