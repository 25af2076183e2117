"""Bags: means of rows, forward and with the gradient, against take and mean, and torch.

Run:     python -m benchmarks.bag
         python -m benchmarks.bag --workload second --batch-sizes 256 --ids zipf
Prints:  JSON lines for each workload, batch size and kind of ids: bags; and bags with
         the gradient of half their squares by the table.

``flax`` and ``keras`` look the rows up and take their mean; torch has an EmbeddingBag,
on all cores and on one thread, and with the gradient one that is sparse: the rows of
the ids, equal ones not summed. ``copy_share`` may be over 1: a small table stays in the
cache, and the array that is copied does not.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from benchmarks import _answers, _options, _peers
from benchmarks._functions import Function, Functions, OfTorch, on_cores
from benchmarks._questions import Question, ask
from benchmarks._workloads import Workload
from benchmarks.lookup import count_rows
from jaxembed import nn

PEERS = ("flax", "keras", "torch", "numpy")


def main(argv: list[str] | None = None) -> None:
    """All of it."""
    arguments = _options.make_parser(__doc__, peers=PEERS, ids=True).parse_args(argv)
    ask(QUESTIONS, arguments, _options.open_lines(arguments))


def forward(workload: Workload, peers: Sequence[str]) -> dict[str, Function]:
    """Bags by all that JAX compiles."""
    functions: dict[str, Function] = {
        "jaxembed": nn.embedding_bag,
        "jaxembed, ids checked": functools.partial(
            nn.embedding_bag, mode="promise_in_bounds"
        ),
    }
    if "flax" in peers:
        lookup = _peers.flax_lookup(workload)
        functions["flax"] = lambda table, ids: lookup(table, ids).mean(1)
    if "keras" in peers:
        functions["keras"] = _keras_bag(workload)
    return functions


def backward(workload: Workload, peers: Sequence[str]) -> Functions:
    """Gradients by all that JAX compiles."""
    functions = forward(workload, peers)
    return {name: differentiate(function) for name, function in functions.items()}


def differentiate(bag: Function) -> Function:
    """The dense gradient of half the bags' squares by the table."""
    return jax.grad(lambda table, ids: (bag(table, ids) ** 2).sum() / 2)


def numpy_bag(table: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Take and mean."""
    return np.take(table, ids, axis=0).mean(1)


def torch_bag(table: Any, ids: Any) -> Any:
    """``nn.EmbeddingBag``."""
    import torch

    with torch.no_grad():
        return torch.nn.functional.embedding_bag(ids, table, mode="mean")


def torch_backward(table: Any, ids: Any, sparse: bool = False) -> Any:
    """Its gradient: dense, or as rows with their ids, of which some are equal."""
    import torch

    bags = torch.nn.functional.embedding_bag(ids, table, mode="mean", sparse=sparse)
    # That of half the squares is the bags; XLA does not make the squares either.
    return torch.autograd.grad(bags, table, bags.detach())[0]


def _keras_bag(workload: Workload) -> Function:
    import keras

    lookup = _peers.keras_lookup(workload)
    pool = keras.layers.GlobalAveragePooling1D()
    return lambda table, ids: pool(lookup(table, ids))


def count_bags(workload: Workload, batch_size: int, n_distinct: int) -> int:
    """Ids, each row once, and the bags."""
    n_ids = batch_size * workload.length
    return 4 * n_ids + (n_distinct + batch_size) * workload.row_bytes


def count_gradient(workload: Workload, batch_size: int, n_distinct: int) -> int:
    """Those, and a gradient of the whole table."""
    bags = count_bags(workload, batch_size, n_distinct)
    return bags + workload.table_bytes


QUESTIONS = (
    Question(
        "bag",
        forward,
        {"numpy": numpy_bag},
        on_cores(torch_bag),
        _answers.answer_bags,
        count_bags,
    ),
    Question(
        "bag with gradient",
        backward,
        {},
        {
            **on_cores(torch_backward),
            "torch, sparse": OfTorch(
                functools.partial(torch_backward, sparse=True),
                count_bytes=count_rows,
            ),
        },
        _answers.answer_bags_gradient,
        count_gradient,
        rows_held=3,
        tables_held=6,
    ),
)

if __name__ == "__main__":
    main()
