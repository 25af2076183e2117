"""Fit: the host's part of training, around compiled epochs."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike
from tqdm import tqdm

from jaxembed.train.data import Examples, check_examples, check_ids, check_rows
from jaxembed.train.epoch import run_epoch
from jaxembed.train.evaluate import evaluate_chunks, make_chunks, means
from jaxembed.train.history import History
from jaxembed.train.resume import Progress, Saver, fingerprint
from jaxembed.train.state import (
    Interface,
    Params,
    Plan,
    TrainState,
    create_state,
    make_plan,
)
from jaxembed.train.step import Batch
from jaxembed.train.stopping import Stopping


def fit(
    model: nn.Module,
    data: Examples,
    *,
    tx: optax.GradientTransformation,
    epochs: int,
    batch_size: int,
    key: jax.Array,
    params: Params | None = None,
    rows: ArrayLike | None = None,
    validation: Examples | None = None,
    shuffle: bool = True,
    stopping: Stopping = Stopping(),  # noqa: B008  # frozen
    checkpoint: str | Path | None = None,
    progress: bool | None = None,
    on_epoch: Callable[[History], None] | None = None,
) -> tuple[TrainState, History]:
    """Trains a classifier of texts, an epoch for each call of one compiled program.

    Everything follows from ``key``: the initial weights and, by ``fold_in`` of the
    epoch's number, the order of the examples and dropout. So a run that goes on from
    its checkpoint ends with the same bits as one that was not interrupted, on the same
    kind of device.

    Args:
      model: a Linen module, called as ``model(ids, train=...)``, that returns logits;
        an ``Embed`` in it that is frozen is kept away from ``tx``.
      data: ids ``int[N, L]`` and labels ``int[N]``.
      tx: an Optax optimizer of all that is not frozen.
      epochs: how many times each example is seen.
      batch_size: B; a last, smaller batch counts by its real examples.
      key: a JAX random key.
      params: initial parameters, which are copied; by default the model's own.
      rows: ``int[n]``, the examples to train on; by default all.
      validation: ids and labels to measure after each epoch.
      shuffle: whether each epoch has an order of its own.
      stopping: see :class:`Stopping`.
      checkpoint: a folder. The run is saved there after each epoch, and goes on from
        there if it was interrupted.
      progress: whether to show a bar on stderr; None for where that is a terminal.
      on_epoch: called after each epoch with the history so far.

    Returns:
      The state, of which ``state.variables`` are the parameters, and the
      :class:`History`.

    Raises:
      TypeError: if ids or rows are not integers.
      ValueError: if an id, a label or a row is out of range (the error says which), if
        there are fewer examples than a batch holds, or if the checkpoint is of another
        run.
      FloatingPointError: if the loss is not finite, with epoch and step.

    Example:
      >>> from jaxembed import nn, optim
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.FlattenDense())
      >>> ids, labels = jnp.array([[1, 2], [3, 4], [1, 5]]), jnp.array([0, 1, 0])
      >>> state, history = fit(model, (ids, labels), tx=optim.rmsprop(0.1), epochs=20,
      ...                      batch_size=2, key=jax.random.key(0))
      >>> history.accuracy[-1], int(state.step)
      (1.0, 40)
    """
    first = check_ids(data[0])[:1]
    plan, interface = make_plan(model, tx, first)
    inputs = _check_inputs(interface, data, rows, validation, batch_size)
    stopping.check(bool(inputs.validation))
    state = create_state(plan, first, key=key, params=params)
    static = {"batch_size": batch_size, "shuffle": shuffle}
    settings = static | dataclasses.asdict(stopping)
    saver = _make_saver(checkpoint, key, inputs, state, settings)
    best = jax.tree.map(jnp.copy, state) if stopping.keep_best else None
    run = saver.load(Progress(state, best, History()))
    train_epoch = _compile(plan, run, inputs, key, **static)
    hidden = None if progress is None else not progress
    with tqdm(total=epochs, initial=len(run.history), disable=hidden) as bar:
        while len(run.history) < epochs and not stopping.is_over(run.history):
            _advance(train_epoch, model, run, inputs, key)
            if stopping.is_best(run.history):
                run.best = jax.tree.map(jnp.copy, run.state)
            saver.save(run)
            bar.update()
            bar.set_postfix({k: v[-1] for k, v in run.history.metrics().items()})
            if on_epoch is not None:
                on_epoch(run.history)
    return run.best or run.state, run.history


class Inputs(NamedTuple):
    """What every epoch reads, on the device.

    Attributes:
      ids: ``int32[N, L]``.
      labels: ``int32[N]``.
      rows: ``int32[n]``, the examples that are trained on.
      validation: batches of other examples; may be empty.
    """

    ids: jax.Array
    labels: jax.Array
    rows: jax.Array
    validation: list[Batch]


def _make_saver(
    checkpoint: str | Path | None,
    key: jax.Array,
    inputs: Inputs,
    state: TrainState,
    settings: dict[str, Any],
) -> Saver:
    if checkpoint is None:
        return Saver()
    arrays = {"examples": inputs, "initial weights": state.variables}
    return Saver(Path(checkpoint), fingerprint(key, arrays, settings))


def _check_inputs(
    interface: Interface,
    data: Examples,
    rows: ArrayLike | None,
    validation: Examples | None,
    batch_size: int,
) -> Inputs:
    ids, labels = check_examples(interface, data)
    picked = check_rows(rows, len(ids), batch_size)
    chunks = []
    if validation is not None:
        chunks = make_chunks(check_examples(interface, validation, "validation "))
    ids, labels, picked = (jax.device_put(array) for array in (ids, labels, picked))
    return Inputs(ids, labels, picked, chunks)


_epoch = jax.jit(
    run_epoch,
    static_argnames=("plan", "batch_size", "shuffle"),
    donate_argnames="state",
)


def _compile(
    plan: Plan, run: Progress, inputs: Inputs, key: jax.Array, **static: Any
) -> Callable:
    """The compiled epoch, which JAX keeps for the next run of the same shapes."""
    start = time.perf_counter()
    state, frozen = run.state.replace(frozen={}), run.state.frozen
    data = (inputs.ids, inputs.labels)
    arguments = (plan, state, frozen, data, inputs.rows, key, np.int32(0))
    compiled = _epoch.lower(*arguments, **static).compile()
    if inputs.validation:
        evaluate_chunks(plan.model, run.state.variables["params"], inputs.validation)
    run.history.seconds["compile"] += time.perf_counter() - start
    return compiled


def _advance(
    train_epoch: Callable,
    model: nn.Module,
    run: Progress,
    inputs: Inputs,
    key: jax.Array,
) -> None:
    """Trains for one epoch and measures it."""
    start = time.perf_counter()
    frozen, history = run.state.frozen, run.history
    state, metrics, first_bad = train_epoch(
        run.state.replace(frozen={}),
        frozen,
        (inputs.ids, inputs.labels),
        inputs.rows,
        key,
        np.int32(len(history)),
    )
    run.state = state.replace(frozen=frozen)
    history.append(**means([metrics]))
    history.check_finite(int(first_bad))
    if inputs.validation:
        params = run.state.variables["params"]
        held_out = evaluate_chunks(model, params, inputs.validation)
        history.append(**{f"val_{name}": value for name, value in held_out.items()})
    history.seconds["run"] += time.perf_counter() - start
