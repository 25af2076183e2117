"""Flax and Optax: lookup and a training step."""

from collections.abc import Callable
from typing import Any

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.harness.compiled import compile_program
from benchmarks.harness.expected_weights import DECAY, RATE, RMSPROP_EPS, Weights
from benchmarks.harness.trainings import Task, Trainer
from benchmarks.harness.workloads import Workload


def make_lookup(workload: Workload) -> Callable[[Any, Any], Any]:
    """Return ``flax.linen.Embed`` as a function of its table and ids."""
    embed = flax.linen.Embed(workload.rows, workload.dim)
    return lambda table, ids: embed.apply({"params": {"embedding": table}}, ids)


def make_trainer(task: Task, n_steps: int) -> Trainer:
    """Return a jitted training step of Flax and Optax, whose buffers are donated."""
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
