"""Logits of a linear classifier of bags: folded into one number a word, and as it was.

Run:     python -m benchmarks.folded
         python -m benchmarks.folded --workload large --batch-sizes 256
Prints:  JSON lines for each workload, batch size and kind of ids.

A linear head on a mean is a mean of logits (``nn.fold``): the bag is of single
numbers. ``flax`` looks the rows up, and takes their mean and then the head.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from benchmarks import _answers, _options, _peers
from benchmarks._functions import Bound, Function, Functions, on_cores
from benchmarks._questions import Question, ask
from benchmarks._workloads import Workload, make_table
from jaxembed import nn

PEERS = ("flax", "torch")


def main(argv: list[str] | None = None) -> None:
    """All of it."""
    parser = _options.make_parser(
        __doc__, peers=PEERS, ids=True, workloads=("second", "large")
    )
    arguments = parser.parse_args(argv)
    ask(QUESTIONS, arguments, _options.open_lines(arguments))


def make_head(dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Kernel ``[D, 1]`` and bias ``[1]``."""
    rng = np.random.default_rng(2)
    return rng.normal(size=(dim, 1)).astype(np.float32), np.full(1, 0.5, np.float32)


def forward(workload: Workload, peers: Sequence[str]) -> Functions:
    """Logits by all that JAX compiles."""
    kernel, bias = make_head(workload.dim)
    layer = {"logits": {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}}
    model = nn.TextClassifier(nn.Embed(workload.rows, workload.dim), nn.PooledDense())

    def unfolded(table: Any, ids: Any) -> Any:
        params = {"embed": {"embedding": table}, "head": layer}
        return model.apply({"params": params}, ids)

    functions: dict[str, Function | Bound] = {
        "jaxembed, folded": _fold(model, workload, layer),
        "jaxembed": unfolded,
    }
    if "flax" in peers:
        lookup = _peers.flax_lookup(workload)

        def flax_logits(table: Any, ids: Any) -> Any:
            return lookup(table, ids).mean(1) @ kernel[:, 0] + bias[0]

        functions["flax"] = flax_logits
    return functions


def torch_logits(table: Any, ids: Any) -> Any:
    """EmbeddingBag and a linear layer."""
    import torch

    kernel, bias = make_torch_head(table.shape[1], table.device)
    with torch.no_grad():
        bags = torch.nn.functional.embedding_bag(ids, table, mode="mean")
        return torch.addmv(bias, bags, kernel)


@functools.cache
def make_torch_head(dim: int, device: Any) -> tuple[Any, Any]:
    """Kernel ``[D]`` and bias ``[1]`` where torch works; made before the clock."""
    import torch

    kernel, bias = make_head(dim)
    return torch.tensor(kernel[:, 0], device=device), torch.tensor(bias, device=device)


def answer(table: np.ndarray, ids: np.ndarray) -> _answers.Answer:
    """The logits in float64."""
    return _answers.answer_logits(table, ids, *make_head(table.shape[1]))


def count_bags(workload: Workload, batch_size: int, n_distinct: int) -> int:
    """Ids, each row once, and the logits."""
    n_bytes = 4 * batch_size * (workload.length + 1)
    return n_bytes + n_distinct * workload.row_bytes


def count_folded(workload: Workload, batch_size: int, n_distinct: int) -> int:
    """Ids, a number for each word, and the logits."""
    return 4 * (batch_size * workload.length + n_distinct + batch_size)


def _fold(model: Any, workload: Workload, layer: Any) -> Bound:
    """The logits of words, made beforehand, as a model's variables are."""
    params = {"embed": {"embedding": make_table(workload)}, "head": layer}
    folded, variables = nn.fold(model, {"params": params})
    return Bound(folded.apply, variables, count_folded)


QUESTIONS = (
    Question(
        "classifier",
        forward,
        {},
        on_cores(torch_logits),
        answer,
        count_bags,
    ),
)

if __name__ == "__main__":
    main()
