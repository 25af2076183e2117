"""Fit: the host's part of training, around compiled epochs."""

import dataclasses
import hashlib
import re
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
        run: other data, weights, settings, model, optimizer, or version of JAX.
      FloatingPointError: if loss or weights are not finite, with epoch and step.

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
    start = time.perf_counter()
    traced = _trace(plan, state, inputs, key, **static)
    saver = _make_saver(checkpoint, key, inputs, state, traced, stopping)
    best = _copy(state) if stopping.keep_best else None
    run = saver.load(Progress(state, best, History()), epochs)
    train_epoch = _compile(traced, model, run, inputs, start)
    with _bar(epochs, len(run.history), progress) as bar:
        while len(run.history) < epochs and not stopping.is_over(run.history):
            _advance(train_epoch, model, run, inputs, key)
            run.best = _copy(run.state) if stopping.is_best(run.history) else run.best
            saver.save(run)
            bar.update()
            bar.set_postfix({k: v[-1] for k, v in run.history.metrics().items()})
            if on_epoch is not None:
                on_epoch(run.history)
    end = run.state if run.best is None else run.best
    return end.replace(frozen=run.state.frozen), run.history


def _bar(epochs: int, done: int, progress: bool | None) -> tqdm:
    hidden = None if progress is None else not progress  # None: where no terminal is
    return tqdm(total=epochs, initial=done, disable=hidden)


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
    traced: Any,
    stopping: Stopping,
) -> Saver:
    if checkpoint is None:
        return Saver()
    path = Path(checkpoint)
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"checkpoint={path} is a file: give a folder.")
    # The program has the model, the optimizer and their numbers in it.
    program = re.sub(r" at 0x[0-9a-f]+", "", str(traced.jaxpr))
    settings = {"program": hashlib.sha256(program.encode()).hexdigest()}
    arrays = {"examples": inputs, "initial weights": state.variables}
    settings |= dataclasses.asdict(stopping)
    return Saver(path, fingerprint(key, arrays, settings))


def _copy(state: TrainState) -> TrainState:
    """A copy that training does not consume, without what it does not change."""
    return jax.tree.map(jnp.copy, state.replace(frozen={}))


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


def _trace(
    plan: Plan, state: TrainState, inputs: Inputs, key: jax.Array, **static: Any
) -> Any:
    state, frozen = state.replace(frozen={}), state.frozen
    data, epoch = (inputs.ids, inputs.labels), np.int32(0)
    return _epoch.trace(plan, state, frozen, data, inputs.rows, key, epoch, **static)


def _compile(
    traced: Any, model: nn.Module, run: Progress, inputs: Inputs, start: float
) -> Callable:
    """The compiled epoch, which JAX keeps for the next run of the same shapes."""
    compiled = traced.lower().compile()
    if inputs.validation:
        evaluate_chunks(model, run.state.variables["params"], inputs.validation)
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
