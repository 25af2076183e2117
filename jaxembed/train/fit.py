"""Fit: the host's part of training, around compiled epochs."""

import dataclasses
import functools
import inspect
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from tqdm import tqdm

from jaxembed.train.data import Examples, check_examples, check_ids, check_rows
from jaxembed.train.epoch import Data, run_epoch, run_evaluation
from jaxembed.train.evaluate import BATCH_SIZE, means
from jaxembed.train.history import History
from jaxembed.train.resume import Progress, Saver, fingerprint
from jaxembed.train.state import (
    Params,
    Plan,
    TrainState,
    create_state,
    make_plan,
    merge,
)
from jaxembed.train.step import Metrics
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
    init_key, run_key = jax.random.split(key)
    state, plan = _start(model, tx, data, init_key, params)
    inputs = _check_inputs(model, state, data, rows, validation, batch_size)
    stopping.check(inputs.validation is not None)
    static = {"batch_size": batch_size, "shuffle": shuffle}
    saver = Saver()
    if checkpoint is not None:
        arrays = {"examples": inputs, "initial weights": state.variables}
        settings = static | dataclasses.asdict(stopping)
        saver = Saver(Path(checkpoint), fingerprint(run_key, arrays, settings))
    best = jax.tree.map(jnp.copy, state) if stopping.keep_best else None
    run = saver.load(Progress(state, best, History()))
    epoch = _compile(plan, run, inputs, run_key, **static)
    hidden = None if progress is None else not progress
    with tqdm(total=epochs, initial=len(run.history), disable=hidden) as bar:
        while len(run.history) < epochs and not stopping.is_over(run.history):
            _train_epoch(epoch, run, inputs, run_key, stopping)
            saver.save(run)
            bar.update()
            bar.set_postfix({k: v[-1] for k, v in run.history.metrics().items()})
            if on_epoch is not None:
                on_epoch(run.history)
    return run.best or run.state, run.history


class Inputs(NamedTuple):
    """What every epoch reads, on the device.

    Attributes:
      data: ``int32[N, L]`` ids and ``int32[N]`` labels.
      rows: ``int32[n]``, the examples that are trained on.
      validation: ids and labels, or None.
    """

    data: Data
    rows: jax.Array
    validation: Data | None


@functools.partial(
    jax.jit, static_argnames=("plan", "batch_size", "shuffle"), donate_argnames="state"
)
def _epoch(
    plan: Plan,
    state: TrainState,
    frozen: Params,
    inputs: Inputs,
    key: jax.Array,
    *,
    batch_size: int,
    shuffle: bool,
) -> tuple[TrainState, Metrics, Metrics | None, jax.Array]:
    """An epoch and its validation: the one program of a run."""
    state, metrics, first_bad = run_epoch(
        plan,
        state,
        frozen,
        inputs.data,
        inputs.rows,
        key,
        batch_size=batch_size,
        shuffle=shuffle,
    )
    if inputs.validation is None:
        return state, metrics, None, first_bad
    size = min(BATCH_SIZE, len(inputs.validation[0]))
    params = merge(state.params, frozen)
    held_out = run_evaluation(plan.model, params, inputs.validation, batch_size=size)
    return state, metrics, held_out, first_bad


def _compile(
    plan: Plan, run: Progress, inputs: Inputs, key: jax.Array, **static: Any
) -> Callable:
    """The compiled program, which JAX keeps for the next run of the same shapes."""
    start = time.perf_counter()
    state, frozen = run.state.replace(frozen={}), run.state.frozen
    compiled = _epoch.lower(plan, state, frozen, inputs, key, **static).compile()
    run.history.seconds["compile"] += time.perf_counter() - start
    return compiled


def _train_epoch(
    epoch: Callable,
    run: Progress,
    inputs: Inputs,
    key: jax.Array,
    stopping: Stopping,
) -> None:
    """Brings ``run`` one epoch further."""
    start = time.perf_counter()
    frozen, history = run.state.frozen, run.history
    key = jax.random.fold_in(key, len(history))
    state, metrics, held_out, first_bad = epoch(
        run.state.replace(frozen={}), frozen, inputs, key
    )
    run.state = state.replace(frozen=frozen)
    history.append(**means(metrics))
    if held_out is not None:
        history.append(**{f"val_{k}": v for k, v in means(held_out).items()})
    history.seconds["run"] += time.perf_counter() - start
    history.check_finite(int(first_bad))
    if stopping.is_best(history):
        run.best = jax.tree.map(jnp.copy, run.state)


def _start(
    model: nn.Module,
    tx: optax.GradientTransformation,
    data: Examples,
    key: jax.Array,
    params: Params | None,
) -> tuple[TrainState, Plan]:
    arguments = inspect.signature(type(model).__call__).parameters
    if "train" not in arguments:
        raise TypeError(
            f"{type(model).__name__} must take the argument train: bool, which says "
            f"whether dropout is active; it takes {list(arguments)[1:]}."
        )
    ids = check_ids(data[0])[:1]
    state = create_state(model, tx, ids, key=key, params=params)
    return state, make_plan(model, tx, state.variables["params"], ids)


def _check_inputs(
    model: nn.Module,
    state: TrainState,
    data: Examples,
    rows: ArrayLike | None,
    validation: Examples | None,
    batch_size: int,
) -> Inputs:
    train = check_examples(model, state.variables, data)
    picked = jnp.asarray(check_rows(rows, len(train[0]), batch_size))
    if validation is None:
        return Inputs(train, picked, None)
    held_out = check_examples(model, state.variables, validation, "validation ")
    return Inputs(train, picked, held_out)
