"""Trainers of others: Flax and Optax, Keras, torch."""

from collections.abc import Callable
from typing import Any

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks._peers import prepare_torch
from benchmarks._programs import compile_program
from benchmarks._rules import (
    ADAM_EPS,
    BETAS,
    DECAY,
    RATE,
    RMSPROP_EPS,
    SGD_RATE,
    Weights,
)
from benchmarks._trainers import Task, Trainer


def make_flax(task: Task, n_steps: int) -> Trainer:
    """``flax.linen.Embed`` and Optax, a jitted step whose buffers are donated."""
    embed = flax.linen.Embed(*task.weights.table.shape)
    tx = optax.rmsprop(RATE, decay=DECAY, eps=RMSPROP_EPS)
    head = {"kernel": task.weights.kernel, "bias": task.weights.bias}
    table = {"table": task.weights.table}
    is_frozen = task.rule == "frozen"
    params, frozen = (head, table) if is_frozen else (head | table, {})
    params, frozen = jax.tree.map(jnp.array, (params, frozen))

    def mean_loss(params: Any, frozen: Any, ids: Any, labels: Any) -> Any:
        weights = params | frozen
        rows = embed.apply({"params": {"embedding": weights["table"]}}, ids)
        flat = rows.reshape(len(ids), -1)
        logits = (flat @ weights["kernel"])[:, 0] + weights["bias"]
        return optax.sigmoid_binary_cross_entropy(logits, labels).mean()

    def step(carry: Any, frozen: Any, ids: Any, labels: Any) -> Any:
        params, state = carry
        grads = jax.grad(mean_loss)(params, frozen, ids, labels)
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    carry = params, tx.init(params)
    labels = list(jnp.asarray(task.labels, jnp.float32))
    batches = list(zip(jnp.asarray(task.ids), labels, strict=True))
    program = compile_program(step, carry, frozen, *batches[0], donate=(0,))
    box, numbers = [carry], task.batch_numbers(n_steps)

    def call() -> None:
        carry = box.pop()
        for number in numbers:
            carry = program.call(carry, frozen, *batches[number])
        box.append(jax.block_until_ready(carry))

    def read(rows: np.ndarray) -> Weights:
        now = box[0][0] | frozen
        found = now["table"][rows], now["kernel"], now["bias"]
        return Weights(*map(np.asarray, found))

    return Trainer(call, n_steps, read, program.details)


def make_keras(task: Task, n_steps: int) -> Trainer:
    """``fit`` of Keras on JAX, with as many examples as there are steps."""
    import keras

    table, kernel, bias = task.weights
    layers = keras.layers
    is_frozen = task.rule == "frozen"
    embed = layers.Embedding(
        *table.shape, trainable=not is_frozen, embeddings_initializer="zeros"
    )
    dense = layers.Dense(1, activation="sigmoid")
    model = keras.Sequential([embed, layers.Flatten(), dense])
    model.build((None, task.ids.shape[2]))
    model.set_weights([table, kernel, bias])
    tx = keras.optimizers.RMSprop(RATE, rho=DECAY, epsilon=RMSPROP_EPS)
    model.compile(tx, loss="binary_crossentropy")
    numbers = task.batch_numbers(n_steps)
    ids = task.ids[numbers].reshape(-1, task.ids.shape[2])
    labels = task.labels[numbers].ravel()
    settings = {"batch_size": task.ids.shape[1], "shuffle": False, "verbose": 0}

    def read(rows: np.ndarray) -> Weights:
        table = embed.embeddings.value[jnp.asarray(rows)]
        return Weights(*map(np.asarray, (table, dense.kernel.value, dense.bias.value)))

    return Trainer(lambda: model.fit(ids, labels, **settings), n_steps, read, {})


def make_torch(task: Task, n_steps: int) -> Trainer:
    """``nn.Embedding`` and torch's optimizers, the sparse ones where there are any."""
    device, wait = prepare_torch()
    import torch

    is_sparse = task.rule.startswith(("SGD", "lazy"))
    rule = task.rule.removesuffix(", torch's").removeprefix("torch's ")
    table, kernel, bias = (torch.tensor(part, device=device) for part in task.weights)
    trained = [kernel, bias] if rule == "frozen" else [table, kernel, bias]
    for part in trained:
        part.requires_grad_()
    steps = _torch_steps(rule, trained)
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
            for step in steps:
                step()
            for part in trained:
                part.grad = None
        wait()

    def read(rows: np.ndarray) -> Weights:
        parts = table[torch.tensor(rows, device=device)], kernel, bias
        return Weights(*(part.detach().cpu().numpy() for part in parts))

    return Trainer(call, n_steps, read, {})


def _torch_steps(rule: str, trained: list[Any]) -> list[Callable[[], Any]]:
    """The optimizers' steps."""
    from torch import optim

    table, *head = trained
    if rule == "SGD":
        found: list[Any] = [optim.SGD(trained, SGD_RATE)]
    elif rule == "lazy Adam":
        settings = {"lr": RATE, "betas": BETAS, "eps": ADAM_EPS}
        found = [optim.SparseAdam([table], **settings), optim.Adam(head, **settings)]
    else:
        found = [optim.RMSprop(trained, RATE, alpha=DECAY, eps=RMSPROP_EPS)]
    return [tx.step for tx in found]
