"""Trainers: jaxembed's training steps, one by one from Python and in a scan."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks._programs import Program, compile_program
from benchmarks._rules import RATE, SGD_RATE, Weights
from jaxembed import nn, optim, train

EMBED, HEAD = ("embed", "embedding"), ("head", "logits")
KEY = jax.random.key(0)


class Task(NamedTuple):
    """What is trained.

    Attributes:
      weights: to begin with.
      ids: ``int32[n, B, L]``, n batches.
      labels: ``int32[n, B]``.
      rule: by which, one of those of ``_rules``.
    """

    weights: Weights
    ids: np.ndarray
    labels: np.ndarray
    rule: str

    def batch_numbers(self, n_steps: int) -> list[int]:
        """Those of so many steps: after the last batch comes the first."""
        return [step % len(self.ids) for step in range(n_steps)]


class Trainer(NamedTuple):
    """A training that goes on with each call.

    Attributes:
      call: makes some steps; returns when they are done.
      n_steps: of a call.
      read: rows of the table by number, the kernel and the bias, as they are now.
      details: for its line.
    """

    call: Callable[[], object]
    n_steps: int
    read: Callable[[np.ndarray], Weights]
    details: dict[str, Any]


def make_plan(task: Task, is_dense: bool = False) -> train.Plan:
    """The plan of a task."""
    n_rows, dim = task.weights.table.shape
    embed = nn.Embed(n_rows, dim, frozen=task.rule == "frozen")
    model = nn.TextClassifier(embed, nn.FlattenDense())
    tx, table_tx = {
        "RMSprop": (optim.rmsprop(RATE), optim.sparse_rmsprop(RATE)),
        "SGD": (optax.sgd(SGD_RATE), optim.sparse_sgd(SGD_RATE)),
        "lazy Adam": (optax.adam(RATE), optim.lazy_adam(RATE)),
        "frozen": (optim.rmsprop(RATE), None),
    }[task.rule]
    table_tx = None if is_dense else table_tx
    return train.make_plan(model, tx, task.ids[0, :1], table_tx=table_tx)[0]


def make_loop(task: Task, n_steps: int, is_dense: bool = False) -> Trainer:
    """A jitted, donated step that is called from Python."""
    plan = make_plan(task, is_dense)
    state, frozen = _start(plan, task)
    mask = jnp.ones(task.ids.shape[1], bool)
    batches = [
        train.Batch(ids, labels, mask)
        for ids, labels in zip(
            jnp.asarray(task.ids), jnp.asarray(task.labels), strict=True
        )
    ]

    def step(state: Any, frozen: Any, batch: Any, key: Any) -> Any:
        return train.step(plan, state, frozen, {}, batch, key)[0]

    program = compile_program(step, state, frozen, batches[0], KEY, donate=(0,))
    numbers = task.batch_numbers(n_steps)

    def run(state: Any) -> Any:
        for number in numbers:
            state = program.call(state, frozen, batches[number], KEY)
        return state

    return _trainer(run, state, frozen, n_steps, program)


def make_scan(task: Task, n_steps: int, is_dense: bool = False) -> Trainer:
    """The same steps as one program."""
    plan = make_plan(task, is_dense)
    state, frozen = _start(plan, task)
    length, batch_size = task.ids.shape[2], task.ids.shape[1]
    data = jnp.asarray(task.ids.reshape(-1, length)), jnp.asarray(task.labels.ravel())
    firsts = batch_size * np.array(task.batch_numbers(n_steps), np.int32)
    rows = jnp.asarray((firsts[:, None] + np.arange(batch_size)).ravel(), jnp.int32)

    def epoch(state: Any, frozen: Any, data: Any, rows: Any, key: Any) -> Any:
        sizes = {"batch_size": batch_size, "shuffle": False}
        return train.run_epoch(plan, state, frozen, {}, data, rows, key, 0, **sizes)[0]

    program = compile_program(epoch, state, frozen, data, rows, KEY, donate=(0,))

    def run(state: Any) -> Any:
        return program.call(state, frozen, data, rows, KEY)

    return _trainer(run, state, frozen, n_steps, program)


def _start(plan: train.Plan, task: Task) -> tuple[Any, Any]:
    """The state before the first step, and the frozen parameters apart."""
    table, kernel, bias = task.weights
    head = {"kernel": kernel, "bias": bias}
    params = {"embed": {"embedding": table}, "head": {"logits": head}}
    state = train.create_state(plan, task.ids[0, :1], key=KEY, params=params)
    return state.replace(frozen={}), state.frozen


def _trainer(
    run: Callable[[Any], Any], state: Any, frozen: Any, n_steps: int, program: Program
) -> Trainer:
    box = [state]

    def call() -> None:
        box.append(jax.block_until_ready(run(box.pop())))

    def read(rows: np.ndarray) -> Weights:
        params = box[0].variables_with(frozen)["params"]
        layer = params["head"]["logits"]
        table = params["embed"]["embedding"][rows]
        return Weights(*map(np.asarray, (table, layer["kernel"], layer["bias"])))

    return Trainer(call, n_steps, read, program.details)
