"""Fit on a stream: check the arguments and make the run of an iterable of batches."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.typing import ArrayLike

from jaxembed.dist import Rules
from jaxembed.train._evaluate import check_validation, cut_batches
from jaxembed.train._run import make_run
from jaxembed.train._setup import make_plan, warn_unchecked
from jaxembed.train._step import Batch
from jaxembed.train.data._arrays import MakeRun
from jaxembed.train.data._checks import Examples
from jaxembed.train.data._inputs import Inputs
from jaxembed.train.data._masks import make_masks
from jaxembed.train.sharded._shards import Shards, make_rules
from jaxembed.train.sharded._words import spread
from jaxembed.train.stream._checker import Checker
from jaxembed.train.stream._program import StreamPrograms
from jaxembed.train.stream._run import StreamRun
from jaxembed.train.stream._source import Source
from jaxembed.train.stream._spread import make_spreader


def refuse(arguments: dict[str, Any]) -> None:
    """Raise if an argument is given that needs all examples in memory.

    Example:
      >>> refuse({"examples": [1]})
      Traceback (most recent call last):
      ValueError: examples needs ids and labels as arrays, and data are an iterable of
      batches: leave examples out.
    """
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(
                f"{name} needs ids and labels as arrays, and data are an iterable of "
                f"batches: leave {name} out."
            )


def prepare_stream(
    model: nn.Module,
    source: Source,
    *,
    validation: Examples | None,
    trainable_rows: ArrayLike | None,
    key: jax.Array,
    save_every: int | None,
    loss: str,
    mesh: Mesh | Rules | None,
    **settings: Any,
) -> MakeRun:
    """Check a stream and arguments of :func:`jaxembed.train.fit`.

    Args:
      model: the model.
      source: the batches.
      validation: ids and labels to measure after each epoch.
      trainable_rows: rows to train.
      key: random key.
      save_every: number of steps between two saves.
      loss: name of the loss.
      mesh: mesh over which tables and examples are spread; None for one device.
      **settings: optimizers, for :func:`make_plan`.

    Returns:
      A function that makes the run.
    """
    spreader = make_spreader(None if mesh is None else make_rules(mesh), source.first)
    shape = _find_shape(source, spreader.n_processes)
    plan, interface = make_plan(model, ids=shape, loss=loss, mesh=mesh, **settings)
    warn_unchecked(interface, stacklevel=4)
    shapes = jax.eval_shape(model.init, jax.random.key(0), shape)
    checker = Checker(model, shapes, loss, {shape.shape[1]: interface})
    first = checker.check(source.first, "batch 1 of epoch 1:")
    batches = []
    if validation is not None:
        own = np.asarray(first.labels)
        pair = check_validation(
            model, interface, validation, train_labels=own, loss=loss, stacklevel=5
        )
        batches = cut_batches(pair, shards=plan.shards)
    inputs = _make_inputs(plan.shards, batches, make_masks(interface, trainable_rows))
    programs: Any = StreamPrograms(plan, inputs, key, save_every, {})

    def make(start: Any, sparse: Sequence[Sequence[str]] | None) -> StreamRun:
        run = make_run(programs, shape, start, sparse)
        return StreamRun(
            programs,
            run.initial,
            run.sparse,
            source=source,
            checker=checker,
            spreader=spreader,
        )

    return make


def _find_shape(source: Source, n_processes: int) -> jax.ShapeDtypeStruct:
    """Return the shape of the ids of the first batch of all processes together."""
    size = np.shape(source.first.ids)
    if len(size) != 2:
        raise ValueError(f"ids of a batch must have the axes [B, L], got {list(size)}.")
    return jax.ShapeDtypeStruct((size[0] * n_processes, size[1]), np.int32)


def _make_inputs(
    shards: Shards | None, batches: list[Batch], masks: dict[str, Any]
) -> Inputs:
    """Return the inputs of all epochs, without the examples to train on."""
    masks = jax.device_put(masks) if shards is None else spread(masks, shards)
    empty = jnp.zeros(0, jnp.int32)
    return Inputs(empty, empty, empty, batches, masks)
