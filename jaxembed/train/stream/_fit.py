"""Fit on a stream: check the arguments and make the run of an iterable of batches."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxembed._checks import check_count
from jaxembed.train._compilation import Inputs
from jaxembed.train._evaluate import check_validation, cut_batches
from jaxembed.train._run import make_run
from jaxembed.train._setup import make_plan, warn_unchecked
from jaxembed.train._state import Params
from jaxembed.train.checkpoint._resume import read_identity
from jaxembed.train.data._checks import Examples
from jaxembed.train.data._masks import make_masks
from jaxembed.train.stream._program import StreamPrograms
from jaxembed.train.stream._run import Checker, StreamRun
from jaxembed.train.stream._source import Source


def make_stream_run(
    model: nn.Module,
    data: Any,
    *,
    epochs: int,
    steps_per_epoch: int | None,
    key: jax.Array,
    params: Params | None,
    validation: Examples | None,
    trainable_rows: ArrayLike | None,
    checkpoint: str | Path | None,
    save_every: int | None,
    refused: dict[str, Any],
    **settings: Any,
) -> StreamRun:
    """Return a run before its first batch; :func:`jaxembed.train.fit` describes it.

    Args:
      model: the model.
      data: an iterable of batches.
      epochs: number of epochs.
      steps_per_epoch: number of batches of an epoch; None for all.
      key: random key.
      params: initial values of parameters.
      validation: ids and labels to measure after each epoch.
      trainable_rows: rows to train.
      checkpoint: folder of the run.
      save_every: number of steps between two saves.
      refused: arguments by name that need all examples in memory; each must be None.
      **settings: optimizers and the loss, for :func:`make_plan`.

    Raises:
      ValueError: if an argument is given that a stream does not take.
    """
    for name, value in refused.items():
        if value is not None:
            raise ValueError(
                f"{name} needs ids and labels as arrays, and data are an iterable of "
                f"batches: leave {name} out."
            )
    if steps_per_epoch is not None:
        steps_per_epoch = check_count("steps_per_epoch", steps_per_epoch)
    source = Source(data, epochs, steps_per_epoch)
    size = np.shape(source.first[0])
    if len(size) != 2:
        raise ValueError(f"ids of a batch must have the axes [B, L], got {list(size)}.")
    shape = jax.ShapeDtypeStruct(size, np.int32)
    plan, interface = make_plan(model, ids=shape, **settings)
    warn_unchecked(interface)
    shapes = jax.eval_shape(model.init, jax.random.key(0), shape)
    checker = Checker(model, shapes, plan.loss, {size[1]: interface})
    first = checker.check(source.first, "batch 1 of epoch 1:")
    batches = []
    if validation is not None:
        own = np.asarray(first.labels)
        pair = check_validation(
            model, interface, validation, train_labels=own, loss=plan.loss
        )
        batches = cut_batches(pair)
    masks = jax.device_put(make_masks(interface, trainable_rows))
    empty = jnp.zeros(0, jnp.int32)
    inputs = Inputs(empty, empty, empty, batches, masks)
    programs: Any = StreamPrograms(plan, inputs, key, save_every, {})
    sparse: Sequence[Sequence[str]] | None = read_identity(checkpoint).get("sparse")
    run = make_run(programs, shape, params, sparse)
    return StreamRun(programs, run.initial, run.sparse, source=source, checker=checker)
