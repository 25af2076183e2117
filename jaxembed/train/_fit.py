"""Fit: train a classifier epoch by epoch, with early stopping and checkpoints."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import optax
from jax.sharding import Mesh
from jax.typing import ArrayLike

from jaxembed._checks import check_count, check_key
from jaxembed.dist import Rules
from jaxembed.dist._processes import is_joint
from jaxembed.optim import SparseOptimizer
from jaxembed.train._history import History, Stopping
from jaxembed.train._loop import train_epochs
from jaxembed.train._losses import CROSS_ENTROPY
from jaxembed.train._state import Params, TrainState
from jaxembed.train.checkpoint._identity import read_identity
from jaxembed.train.checkpoint._joint import agree, hold
from jaxembed.train.data._arrays import prepare_arrays
from jaxembed.train.data._checks import Examples
from jaxembed.train.stream._fit import prepare_stream, refuse
from jaxembed.train.stream._source import Source, is_stream


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
    mesh: Mesh | Rules | None = None,
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
        and on a TPU eight, or 600 for tables of up to 40 columns.
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
      mesh: mesh of ``dist.make_mesh``, over whose devices the rows of each table, their
        optimizer states and the examples of a batch are spread; None for one device.
        ``batch_size`` must be a multiple of the number of devices. Losses and weights
        are those of one device, up to rounding, unless ``tx`` takes means over the rows
        of a table, as Adafactor does. The tables of the returned state are on the mesh,
        in the order of ``dist.to_shards``. ``params`` and ``state`` may be in word
        order, or those of an earlier call on any mesh. If the mesh has the devices of
        several processes, each of them calls ``fit`` with the same arguments, and with
        the same arrays or its part of each batch.
      stopping: see :class:`Stopping`; None to train all epochs and return the last
        state.
      checkpoint: a folder. The run is saved there in the background, at ends of epochs,
        and resumed from there after an interruption, on any mesh or none. An epoch is
        not saved while an earlier one is written, and for some time afterwards. The
        last finished epoch is saved in any case, also after Ctrl-C or another
        exception. The copies need memory for up to two states on the host.
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
        model does not take, if ``table_tx`` cannot train the tables, if ``batch_size``
        does not divide among the devices of ``mesh``, or if ``state`` or the checkpoint
        belongs to another run.
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
    epochs = check_count("epochs", epochs, least=0)
    if save_every is not None:
        save_every = check_count("save_every", save_every)
    shared: dict[str, Any] = {
        "validation": validation,
        "trainable_rows": trainable_rows,
        "key": key,
        "save_every": save_every,
        # the arguments of make_plan
        "tx": tx,
        "table_tx": table_tx,
        "max_norm": max_norm,
        "unfreeze_after": unfreeze_after,
        "loss": loss,
        "mesh": mesh,
    }
    of_arrays: dict[str, Any] = {
        "batch_size": batch_size,
        "state": state,
        "examples": examples,
        "lengths": lengths,
    }
    if is_stream(data):
        refuse(of_arrays)
        source = Source(data, epochs, steps_per_epoch)
        make = prepare_stream(model, source, **shared)
    else:
        of_arrays.pop("state")
        _refuse_steps(steps_per_epoch)
        make = prepare_arrays(model, data, **shared, **of_arrays)
    stopping = Stopping() if stopping is None else stopping
    stopping.check(validation is not None)
    stop = agree(stop) if is_joint(mesh) and stop is not None else stop
    with hold(checkpoint, is_joint=is_joint(mesh)):
        sparse = read_identity(checkpoint).get("sparse")
        run = make(params if state is None else state, sparse)
        saver = run.make_saver(checkpoint, dataclasses.asdict(stopping))
        done = saver.load(lambda n: run.start(n, stopping.keep_best), epochs)
        with contextlib.closing(run):
            return train_epochs(
                run, done, epochs, stopping, saver, progress, on_epoch, stop
            )


def _refuse_steps(steps_per_epoch: int | None) -> None:
    if steps_per_epoch is not None:
        raise ValueError(
            "steps_per_epoch is for an iterable of batches, and data are arrays: leave "
            "it out, or give examples=."
        )
