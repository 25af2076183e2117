"""Folded: a linear classifier of bags, folded or unfolded, against Flax and torch.

Run:     python -m benchmarks.folded
         python -m benchmarks.folded --large --batch-sizes 256
Prints:  JSON lines for each workload, batch size and kind of ids.

A linear head applied to the mean of the rows gives the mean of the logits of the words.
nn.fold therefore replaces the table by a table of one logit for each word. "flax" looks
up the rows, computes their mean and applies the head.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from benchmarks.harness import expected_tables, options
from benchmarks.harness.table_ops import Operation, Way, on_cores, time_operations
from benchmarks.harness.workloads import Workload, make_table
from benchmarks.peers import flax
from jaxembed import nn

PEERS = ("flax", "torch")


def main(argv: list[str] | None = None) -> None:
    """Time the classifier, folded and not folded."""
    parser = options.make_parser(
        "folded",
        __doc__,
        peers=PEERS,
        ids=True,
        workloads=("second",),
        large=("large",),
    )
    arguments = parser.parse_args(argv)
    with options.open_lines(arguments) as lines:
        time_operations(OPERATIONS, arguments, lines)


def make_head(dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Make a kernel ``[D, 1]`` and a bias ``[1]``."""
    rng = np.random.default_rng(2)
    return rng.normal(size=(dim, 1)).astype(np.float32), np.full(1, 0.5, np.float32)


def forward(workload: Workload, peers: Sequence[str]) -> dict[str, Way]:
    """Return the classifiers of jaxembed and Flax, which JAX compiles."""
    kernel, bias = make_head(workload.dim)
    layer = {"logits": {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}}
    model = nn.TextClassifier(
        nn.Embed(workload.rows, workload.dim), nn.DenseHead(), pool="mean"
    )
    params = {"embed": {"embedding": make_table(workload)}, "head": layer}
    # Folded once, before the timed calls, as in use.
    folded, variables = nn.fold(model, {"params": params})

    def unfolded(table: Any, ids: Any) -> Any:
        params = {"embed": {"embedding": table}, "head": layer}
        return model.apply({"params": params}, ids)

    ways = {
        "jaxembed, folded": Way(folded.apply, variables, count_bytes=count_folded),
        "jaxembed": Way(unfolded),
    }
    if "flax" in peers:
        lookup = flax.make_lookup(workload)
        ways["flax"] = Way(
            lambda table, ids: lookup(table, ids).mean(1) @ kernel[:, 0] + bias[0]
        )
    return ways


def torch_logits(table: Any, ids: Any) -> Any:
    """Call ``EmbeddingBag`` and a linear layer."""
    import torch

    kernel, bias = make_torch_head(table.shape[1], table.device)
    with torch.no_grad():
        bags = torch.nn.functional.embedding_bag(ids, table, mode="mean")
        return torch.addmv(bias, bags, kernel)


@functools.cache
def make_torch_head(dim: int, device: Any) -> tuple[Any, Any]:
    """Make the head on torch's device, once, so that this is not timed."""
    import torch

    kernel, bias = make_head(dim)
    return torch.tensor(kernel[:, 0], device=device), torch.tensor(bias, device=device)


def answer(table: np.ndarray, ids: np.ndarray) -> expected_tables.Answer:
    """Return the logits in float64."""
    return expected_tables.answer_logits(table, ids, *make_head(table.shape[1]))


def count_bags(workload: Workload, batch_size: int, n_distinct: int) -> int:
    """Count the bytes of the ids, of each distinct row once, and of the logits."""
    n_bytes = 4 * batch_size * (workload.length + 1)
    return n_bytes + n_distinct * workload.row_bytes


def count_folded(workload: Workload, batch_size: int, n_distinct: int) -> int:
    """Count the bytes of the ids, of a logit per distinct id, and of the result."""
    return 4 * (batch_size * workload.length + n_distinct + batch_size)


OPERATIONS = (
    Operation("classifier", forward, on_cores(torch_logits), answer, count_bags),
)

if __name__ == "__main__":
    main()
