"""Fit: train a classifier epoch by epoch, with early stopping and checkpoints."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import optax
from jax.typing import ArrayLike

from jaxembed._checks import check_count, check_key, check_weights
from jaxembed.optim import SparseOptimizer
from jaxembed.train._compilation import Inputs, Programs
from jaxembed.train._evaluate import check_validation, cut_batches
from jaxembed.train._history import History, Stopping
from jaxembed.train._loop import train_epochs
from jaxembed.train._losses import CROSS_ENTROPY
from jaxembed.train._run import make_run
from jaxembed.train._setup import make_plan, warn_unchecked
from jaxembed.train._state import Params, TrainState
from jaxembed.train.checkpoint._resume import hold, read_identity
from jaxembed.train.data._buckets import find_padding, make_buckets
from jaxembed.train.data._checks import (
    Examples,
    check_examples,
    check_form,
    check_selection,
)
from jaxembed.train.data._masks import make_masks
from jaxembed.train.stream._fit import make_stream_run
from jaxembed.train.stream._source import is_stream


def fit(
    model: nn.Module,
    data: Examples | tuple[ArrayLike, ArrayLike, ArrayLike] | Iterable,
    *,
    tx: optax.GradientTransformation,
    table_tx: SparseOptimizer | None = None,
    max_norm: float | None = None,
    epochs: int,
    batch_size: int | None = None,
    key: jax.Array,
    params: Params | None = None,
    state: TrainState | None = None,
    examples: ArrayLike | None = None,
    validation: Examples | None = None,
    lengths: Sequence[int] | None = None,
    steps_per_epoch: int | None = None,
    trainable_rows: ArrayLike | None = None,
    unfreeze_after: int = 0,
    loss: str = CROSS_ENTROPY,
    stopping: Stopping | None = None,
    checkpoint: str | Path | None = None,
    save_every: int | None = None,
    progress: bool | None = None,
    on_epoch: Callable[[History], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> tuple[TrainState, History]:
    """Train a text classifier.

    An epoch is one compiled program, which a second call with the same model, ``tx``
    and shapes reuses. ``key`` determines the initial weights and, with the number of
    the epoch folded in, the order of the examples and dropout. A run that is resumed
    from its checkpoint ends with the same bits as an uninterrupted run, with the same
    versions of JAX and jaxlib and on the same kind of device.

    Args:
      model: a Linen module, called as ``model(ids, train=...)``, that returns logits
        ``float[B]`` or ``float[B, C]``. The table of an ``Embed`` with ``frozen=True``
        is never passed to ``tx``.
      data: ids ``int[N, L]`` and labels ``int[N]``; optionally weights ``float[N]``,
        factors of the losses of the examples. A step divides the sum of the weighted
        losses by the number of its examples. Or an iterable of such batches, which
        need not fit into memory: a loader of Grain or PyTorch, a class with
        ``__iter__``, a generator. The next batches are read and copied to the device
        while it trains. Each shape of a batch is a program of its own. An iterator with
        ``get_state`` and ``set_state`` is resumed at its place; any other iterable must
        give the same batches again, and those before are skipped.
      tx: Optax optimizer of all parameters that are not frozen. Masks and labels in it
        must be functions of the parameters.
      table_tx: row-sparse optimizer of the tables that are not frozen, instead of
        ``tx``. A table with more than three rows for each id of a batch is trained
        row by row, a smaller one by ``table_tx.dense``. On a GPU the limit is two rows,
        and on a TPU eight, or 600 for tables of up to 42 columns.
      max_norm: global norm to which all gradients together are clipped.
      epochs: number of passes over the examples.
      batch_size: number of examples in a step, B. In a smaller last batch, the loss is
        the mean over its examples. None for an iterable of batches.
      key: a JAX random key.
      params: initial values of some or all parameters, such as a table of word vectors.
        They are copied.
      state: the result of an earlier call, to continue from; it is copied. Training
        continues for ``epochs`` more epochs, and their numbers continue.
        ``batch_size`` and the number of ``examples`` must be unchanged.
      examples: ``int[n]``, numbers of the examples to train on; None for all.
      validation: ids and labels to measure after each epoch.
      lengths: lengths to which batches are cut, so that short texts do not cost as
        much as long ones. A text is in a batch of the smallest length that holds its
        words, with other texts of that length; longer texts are in batches of length L.
        Each length is a program of its own. The model must ignore padding, as with an
        ``Embed`` with ``padding_idx`` and any ``pool``. None for batches of length L.
      steps_per_epoch: number of batches of an epoch, if ``data`` are an iterable that
        does not end, or whose epochs are too long. An epoch then begins where the epoch
        before has ended.
      trainable_rows: ``bool[V]``, True for the rows to train. All other rows of the
        table keep every bit with any ``tx``. A new mask does not recompile.
      unfreeze_after: number of epochs in which all tables are frozen. Afterwards they
        are trained with optimizer moments that start at zero; counts of steps, and so
        schedules, continue. An ``Embed`` with ``frozen=True`` stays frozen.
      loss: "cross_entropy" of classes; "binary_cross_entropy" of several labels for
        each text, ``int[N, C]``; or "mean_squared_error" of numbers, ``float[N]``. See
        :func:`example_losses`.
      stopping: see :class:`Stopping`; None to train all epochs and return the last
        state.
      checkpoint: a folder. The run is saved there in the background, at ends of epochs,
        and resumed from there after an interruption. An epoch is not saved while an
        earlier one is written, and for some time afterwards. The last finished epoch is
        saved in any case, also after Ctrl-C or another exception. The copies need
        memory for up to two states on the host.
      save_every: number of steps after which a run is also saved within an epoch; None
        for epochs that take seconds or minutes.
      progress: whether to show a progress bar; None to show it only in a terminal.
      on_epoch: called after each epoch with the history so far.
      stop: called before each epoch, or each ``save_every`` steps, after compilation.
        If it returns True, the run is saved and KeyboardInterrupt is raised.

    Returns:
      The :class:`TrainState`, whose ``variables`` are all parameters, and the
      :class:`History`.

    Raises:
      TypeError: if an argument has another type: ``data`` that are not a pair, ids that
        are not integers, ``tx`` and ``table_tx`` interchanged, ``epochs`` or
        ``batch_size`` that is not an integer, ``key`` that is not a key.
      OSError: if the checkpoint cannot be written, or another process writes it.
      ValueError: if an id, a label, a weight or an example is out of range (the error
        says which one), if ``epochs`` or ``batch_size`` is negative, if there are fewer
        examples than ``batch_size``, if ``validation`` has texts of a length that the
        model does not take, if ``table_tx`` cannot train the tables, or if ``state`` or
        the checkpoint belongs to another run.
      FloatingPointError: if loss or weights are not finite; names the epoch and the
        step.
      KeyboardInterrupt: if ``stop`` returns True.

    Warns:
      UserWarning: if the ids that a table reads cannot be checked before training, if
        ``validation`` has one class and the examples have more, if the newest step of
        the checkpoint is damaged, or if another JAX or jaxlib wrote it.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxembed import nn, optim
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.DenseHead())
      >>> ids, labels = jnp.array([[1, 2], [3, 4], [1, 5]]), jnp.array([0, 1, 0])
      >>> state, history = fit(model, (ids, labels), tx=optim.rmsprop(0.1), epochs=20,
      ...                      batch_size=2, key=jax.random.key(0))
      >>> history.accuracy[-1], int(state.step)
      (1.0, 40)
    """
    if params is not None and state is not None:
        raise ValueError(
            "give either params or state, got both: state contains its own parameters."
        )
    check_key(key)
    if is_stream(data):
        return _fit_stream(
            model,
            data,
            tx=tx,
            table_tx=table_tx,
            max_norm=max_norm,
            unfreeze_after=unfreeze_after,
            loss=loss,
            epochs=check_count("epochs", epochs, least=0),
            steps_per_epoch=steps_per_epoch,
            key=key,
            params=params,
            validation=validation,
            trainable_rows=trainable_rows,
            checkpoint=checkpoint,
            save_every=save_every and check_count("save_every", save_every),
            refused={
                "batch_size": batch_size,
                "state": state,
                "examples": examples,
                "lengths": lengths,
            },
            calls=(stopping or Stopping(), progress, on_epoch, stop),
        )
    if steps_per_epoch is not None:
        raise ValueError(
            "steps_per_epoch is for an iterable of batches, and data are arrays: leave "
            "it out, or give examples=."
        )
    pair, weights = _split_weights(data)
    texts, labels = check_form(pair)
    epochs = check_count("epochs", epochs, least=0)
    batch_size = check_count("batch_size", batch_size)  # type: ignore[arg-type]
    if save_every is not None:
        save_every = check_count("save_every", save_every)
    shape = jax.ShapeDtypeStruct((batch_size, texts.shape[1]), np.int32)
    plan, interface = make_plan(
        model,
        tx,
        shape,
        table_tx=table_tx,
        max_norm=max_norm,
        unfreeze_after=unfreeze_after,
        loss=loss,
    )
    warn_unchecked(interface)
    arrays = check_examples(interface, (texts, labels), loss=loss)
    chosen = check_selection(examples, len(texts), batch_size)
    buckets, batches = [], []
    padding = None
    if lengths is not None:
        shapes = jax.eval_shape(model.init, jax.random.key(0), shape)
        padding = find_padding(model, shapes, interface, lengths)
        buckets = make_buckets(arrays[0][chosen], lengths, padding)
        buckets = [b._replace(numbers=chosen[b.numbers]) for b in buckets]
    if validation is not None:
        own = arrays[1][chosen]
        pair = check_validation(
            model, interface, validation, train_labels=own, loss=loss
        )
        batches = cut_batches(pair, lengths=lengths, padding_idx=padding)
    masks = make_masks(interface, trainable_rows)
    factors = None if weights is None else check_weights(weights, len(texts))
    ids, labels, chosen = jax.device_put((*arrays, chosen))
    inputs = Inputs(ids, labels, chosen, batches, *jax.device_put((masks, factors)))
    stopping = Stopping() if stopping is None else stopping
    stopping.check(bool(inputs.validation))
    start = params if state is None else state
    with hold(checkpoint):
        sparse = read_identity(checkpoint).get("sparse")
        programs = Programs(plan, inputs, key, batch_size, save_every, buckets)
        run = make_run(programs, shape, start, sparse)
        saver = run.make_saver(checkpoint, dataclasses.asdict(stopping))
        done = saver.load(lambda n: run.start(n, stopping.keep_best), epochs)
        return train_epochs(
            run, done, epochs, stopping, saver, progress, on_epoch, stop
        )


def _split_weights(data: Any) -> tuple[Any, ArrayLike | None]:
    """Return ids and labels, and the weights of the examples or None."""
    if isinstance(data, tuple) and len(data) == 3:
        return data[:2], data[2]
    return data, None


def _fit_stream(
    model: nn.Module,
    data: Any,
    *,
    epochs: int,
    checkpoint: str | Path | None,
    calls: tuple,
    **settings: Any,
) -> tuple[TrainState, History]:
    """Train on an iterable of batches; see :func:`make_stream_run`."""
    stopping, progress, on_epoch, stop = calls
    with hold(checkpoint):
        run = make_stream_run(
            model, data, epochs=epochs, checkpoint=checkpoint, **settings
        )
        stopping.check(bool(run.streams.inputs.validation))
        saver = run.make_saver(checkpoint, dataclasses.asdict(stopping))
        done = saver.load(lambda n: run.start(n, stopping.keep_best), epochs)
        try:
            return train_epochs(
                run, done, epochs, stopping, saver, progress, on_epoch, stop
            )
        finally:
            run.close()
