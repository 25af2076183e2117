"""Fit: the host's part of training, around compiled epochs."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike
from tqdm import tqdm

from jaxembed._io import progress_bar
from jaxembed.optim import SparseOptimizer
from jaxembed.train._checkpoint import has_checkpoint, read_extra
from jaxembed.train._data import (
    Examples,
    check_examples,
    check_ids,
    check_selection,
    make_masks,
)
from jaxembed.train._evaluate import cut_batches
from jaxembed.train._history import History, Stopping
from jaxembed.train._layout import LAYOUTS, check_layout, choose_layout, make_dense
from jaxembed.train._program import Inputs, Program
from jaxembed.train._resume import Progress, Saver, fingerprint
from jaxembed.train._setup import Interface, Plan, make_plan
from jaxembed.train._state import Params, TrainState, create_state
from jaxembed.train._unfreeze import find_late


def fit(
    model: nn.Module,
    data: Examples,
    *,
    tx: optax.GradientTransformation,
    table_tx: SparseOptimizer | None = None,
    layout: str = "auto",
    max_norm: float | None = None,
    epochs: int,
    batch_size: int,
    key: jax.Array,
    params: Params | None = None,
    examples: ArrayLike | None = None,
    validation: Examples | None = None,
    trainable_rows: ArrayLike | None = None,
    unfreeze_after: int = 0,
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
      tx: an Optax optimizer of all that is not frozen, which is all that it sees: masks
        and labels in it must be functions of the parameters.
      table_tx: a row-sparse optimizer of the tables that are not frozen, which ``tx``
        then does not see. The model must read them through their ``Embed`` only.
      layout: "sparse" to update only the rows of a batch, "dense" to update whole
        tables by ``table_tx.dense``, which is faster where a batch has most words;
        "auto" measures both and takes the faster one, and ``history.layout`` says
        which. A checkpoint remembers it.
      max_norm: to which the norm of all gradients together is clipped.
      epochs: how many times each example is seen.
      batch_size: B; a last, smaller batch counts by its real examples.
      key: a JAX random key.
      params: initial values of all parameters, or of some, such as a table of word
        vectors; they are copied. The model draws the others.
      examples: ``int[n]``, the examples to train on; by default all.
      validation: ids and labels to measure after each epoch.
      trainable_rows: ``bool[V]``: the other rows of the table keep every bit, whatever
        ``tx`` is. They are data: other rows compile nothing anew.
      unfreeze_after: for so many epochs, tables stay as they are; then they are trained
        too, as a group of their own with moments that start at zero; schedules go on,
        and norms in ``tx`` are of each group. An ``Embed`` that is frozen stays so.
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
      TypeError: if ids or examples are not integers, or ``tx`` and ``table_tx`` are
        interchanged.
      ValueError: if an id, a label or a row is out of range (the error says which), if
        there are fewer examples than a batch holds, if ``table_tx`` cannot train the
        tables, or if the checkpoint is of another run: other data, weights, settings,
        model, optimizer, or version of JAX.
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
    check_layout(layout, table_tx)
    plan, interface = make_plan(model, tx, first, table_tx=table_tx, max_norm=max_norm)
    late = find_late(interface, unfreeze_after)
    plan = dataclasses.replace(plan, frozen=plan.frozen | late)
    picked = examples, validation, trainable_rows, batch_size
    inputs = _check_inputs(interface, data, *picked)
    stopping.check(bool(inputs.validation))
    layout = _choose_layout(layout, checkpoint, plan, inputs, batch_size)
    plan = make_dense(plan) if plan.sparse and layout == "dense" else plan
    state = create_state(plan, first, key=key, params=params)
    settings = {"batch_size": batch_size, "shuffle": shuffle}
    program = Program(plan, inputs, key, settings, late, unfreeze_after)
    saver = _make_saver(checkpoint, program, state, stopping, layout)
    best = _copy(state) if stopping.keep_best else None
    start = Progress(state, best, History(layout=layout))
    run = saver.load(functools.partial(program.restart, start), epochs)
    return _train(program, run, epochs, stopping, saver, progress, on_epoch)


def _train(
    program: Program,
    run: Progress,
    epochs: int,
    stopping: Stopping,
    saver: Saver,
    progress: bool | None,
    on_epoch: Callable[[History], None] | None,
) -> tuple[TrainState, History]:
    with _bar(epochs, len(run.history), progress) as bar:
        while len(run.history) < epochs and not stopping.is_over(run.history):
            _advance(program, run, stopping, saver)
            _show(bar, run.history)
            if on_epoch is not None:
                on_epoch(run.history)
    end = run.state if run.best is None else run.best
    return end.replace(frozen=run.state.frozen), run.history


def _bar(epochs: int, done: int, progress: bool | None) -> tqdm:
    return progress_bar(epochs, progress=progress, initial=done, unit="epoch")


def _show(bar: tqdm, history: History) -> None:
    bar.update()
    bar.set_postfix({name: values[-1] for name, values in history.metrics().items()})


def _advance(program: Program, run: Progress, stopping: Stopping, saver: Saver) -> None:
    """Trains for an epoch, and keeps what is to be kept of it."""
    program.advance(run)
    if stopping.is_best(run.history):
        run.best = _copy(run.state)
    saver.save(run)


def _choose_layout(
    layout: str, checkpoint: str | Path | None, plan: Plan, inputs: Inputs, size: int
) -> str:
    """The layout of a run: what is asked for, else what its checkpoint has."""
    if not plan.sparse:
        return "dense"
    if layout != "auto":
        return layout
    if checkpoint is not None and has_checkpoint(Path(checkpoint)):
        extra = read_extra(checkpoint)
        run = extra.get("run", {}) if isinstance(extra, dict) else {}
        if run.get("layout") in LAYOUTS:
            return run["layout"]
    return choose_layout(plan, np.asarray(inputs.ids[inputs.examples[:size]]))


def _make_saver(
    checkpoint: str | Path | None,
    program: Program,
    state: TrainState,
    stopping: Stopping,
    layout: str,
) -> Saver:
    if checkpoint is None:
        return Saver()
    path = Path(checkpoint)
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"checkpoint={path} is a file: give a folder.")
    text = program.describe(state)
    settings: dict[str, Any] = {"program": hashlib.sha256(text.encode()).hexdigest()}
    settings |= {"unfreeze_after": program.unfreeze_after, "layout": layout}
    settings |= dataclasses.asdict(stopping)
    arrays = {"examples": program.inputs, "initial weights": state.variables}
    return Saver(path, fingerprint(program.key, arrays, settings))


def _copy(state: TrainState) -> TrainState:
    """A copy that training does not consume, without what it does not change."""
    return jax.tree.map(jnp.copy, state.replace(frozen={}))


def _check_inputs(
    interface: Interface,
    data: Examples,
    examples: ArrayLike | None,
    validation: Examples | None,
    trainable_rows: ArrayLike | None,
    batch_size: int,
) -> Inputs:
    ids, labels = check_examples(interface, data)
    picked = check_selection(examples, len(ids), batch_size)
    batches = []
    if validation is not None:
        batches = cut_batches(check_examples(interface, validation, "validation "))
    ids, labels, picked = (jax.device_put(array) for array in (ids, labels, picked))
    masks = jax.device_put(make_masks(interface, trainable_rows))
    return Inputs(ids, labels, picked, batches, masks)
