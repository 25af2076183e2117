"""Torch: device, threads and a training step."""

import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks.harness import expected_weights as rules
from benchmarks.harness.expected_weights import Weights
from benchmarks.harness.trainings import Task, Trainer


def set_apart(candidates: dict[str, Any]) -> list[dict[str, Any]]:
    """Split implementations into a group with torch and a group without torch.

    jaxembed's first implementation is in both groups. Torch's threads are still on the
    cores when the next turn begins: with torch in the turns two measurements of one
    call differ by up to 60 %, without torch mostly by less than 5 %.
    """
    first, *_ = candidates
    torch = {name: one for name, one in candidates.items() if name.startswith("torch")}
    others = {name: one for name, one in candidates.items() if name not in torch}
    # Without torch last, since the report takes jaxembed's last line.
    return [{first: candidates[first]} | torch, others] if torch else [others]


def prepare_torch() -> tuple[str, Callable[[], None]]:
    """Return the device name for torch, and a function that synchronizes the device."""
    import torch

    if jax.default_backend() == "cpu":
        torch.set_num_threads(os.cpu_count() or 1)
        return "cpu", lambda: None
    return "cuda", torch.cuda.synchronize


def set_threads(n_threads: int | None) -> None:
    """Set the number of torch's threads, outside timed calls, since it is slow."""
    import torch

    torch.set_num_threads(n_threads or os.cpu_count() or 1)


def to_torch(table: np.ndarray) -> Any:
    """Return the table as a tensor with a gradient, on torch's device."""
    device, _ = prepare_torch()
    import torch

    return torch.tensor(table, device=device, requires_grad=True)


def make_trainer(task: Task, n_steps: int) -> Trainer:
    """Train ``nn.Embedding`` by torch's optimizers, sparse where torch has them."""
    device, wait = prepare_torch()
    import torch

    is_sparse = task.rule.startswith(("SGD", "lazy"))
    rule = task.rule.removesuffix(", torch's").removeprefix("torch's ")
    table, kernel, bias = (torch.tensor(part, device=device) for part in task.weights)
    trained = [kernel, bias] if rule == "frozen" else [table, kernel, bias]
    for part in trained:
        part.requires_grad_()
    optimizers = _make_optimizers(rule, trained)
    batches = [
        (torch.tensor(ids, device=device), torch.tensor(labels, device=device).float())
        for ids, labels in zip(task.ids, task.labels, strict=True)
    ]
    numbers = task.batch_numbers(n_steps)

    def call() -> None:
        for number in numbers:
            ids, labels = batches[number]
            rows = torch.nn.functional.embedding(ids, table, sparse=is_sparse)
            logits = (rows.reshape(len(ids), -1) @ kernel)[:, 0] + bias
            torch.nn.functional.binary_cross_entropy_with_logits(
                logits, labels
            ).backward()
            for tx in optimizers:
                tx.step()
            for part in trained:
                part.grad = None
        wait()

    def read(rows: np.ndarray) -> Weights:
        parts = table[torch.tensor(rows, device=device)], kernel, bias
        return Weights(*(part.detach().cpu().numpy() for part in parts))

    return Trainer(call, n_steps, read, {})


def _make_optimizers(rule: str, trained: list[Any]) -> list[Any]:
    from torch import optim

    if rule == "SGD":
        return [optim.SGD(trained, rules.SGD_RATE)]
    if rule == "lazy Adam":
        table, *head = trained
        settings = {"lr": rules.RATE, "betas": rules.BETAS, "eps": rules.ADAM_EPS}
        return [optim.SparseAdam([table], **settings), optim.Adam(head, **settings)]
    settings = {"alpha": rules.DECAY, "eps": rules.RMSPROP_EPS}
    return [optim.RMSprop(trained, rules.RATE, **settings)]
