"""Arrays: the run of ids and labels that are in memory."""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax.typing import ArrayLike

from jaxembed._checks import check_count, check_weights
from jaxembed.train._compilation import Inputs, Programs
from jaxembed.train._evaluate import check_validation, cut_batches
from jaxembed.train._run import Run, make_run
from jaxembed.train._setup import make_plan, warn_unchecked
from jaxembed.train.data._buckets import find_padding, make_buckets
from jaxembed.train.data._checks import (
    Examples,
    check_examples,
    check_form,
    check_selection,
)
from jaxembed.train.data._masks import make_masks
from jaxembed.train.sharded._shards import Shards, check_batch_size
from jaxembed.train.sharded._whole import check_same_arrays, put_whole
from jaxembed.train.sharded._words import spread

# Makes a run of a state or initial parameters, and of the paths of row-sparse tables.
MakeRun = Callable[[Any, Sequence[Sequence[str]] | None], Run]


def prepare_arrays(
    model: nn.Module,
    data: Any,
    *,
    batch_size: int | None,
    examples: ArrayLike | None,
    lengths: Sequence[int] | None,
    validation: Examples | None,
    trainable_rows: ArrayLike | None,
    key: jax.Array,
    save_every: int | None,
    loss: str,
    **settings: Any,
) -> MakeRun:
    """Check arrays and arguments of :func:`jaxembed.train.fit`, which describes them.

    Args:
      model: the model.
      data: ids and labels, and perhaps weights.
      batch_size: number of examples of a step.
      examples: examples to train on; None for all.
      lengths: lengths to which batches are cut; None for one.
      validation: ids and labels to measure after each epoch.
      trainable_rows: rows to train.
      key: random key.
      save_every: number of steps between two saves.
      loss: name of the loss.
      **settings: optimizers, for :func:`make_plan`.

    Returns:
      A function that makes the run.
    """
    pair, weights = _split_weights(data)
    texts, labels = check_form(pair)
    size = check_count("batch_size", batch_size)  # type: ignore[arg-type]
    shape = jax.ShapeDtypeStruct((size, texts.shape[1]), np.int32)
    plan, interface = make_plan(model, ids=shape, loss=loss, **settings)
    check_batch_size(size, shards := plan.shards)
    warn_unchecked(interface, stacklevel=4)
    arrays = check_examples(interface, (texts, labels), loss=loss)
    chosen = check_selection(examples, len(texts), size)
    buckets, batches, padding = [], [], None
    if lengths is not None:
        shapes = jax.eval_shape(model.init, jax.random.key(0), shape)
        padding = find_padding(model, shapes, interface, lengths)
        buckets = make_buckets(arrays[0][chosen], lengths, padding)
        buckets = [b._replace(numbers=chosen[b.numbers]) for b in buckets]
    if validation is not None:
        own = arrays[1][chosen]
        pair = check_validation(
            model, interface, validation, train_labels=own, loss=loss, stacklevel=5
        )
        batches = cut_batches(pair, lengths=lengths, padding_idx=padding, shards=shards)
    masks = make_masks(interface, trainable_rows)
    factors = None if weights is None else check_weights(weights, len(texts))
    given, masks = _place((*arrays, chosen, factors), masks, shards)
    ids, labels, chosen, factors = given
    inputs = Inputs(ids, labels, chosen, batches, masks, factors)
    programs = Programs(plan, inputs, key, size, save_every, buckets)
    return lambda start, sparse: make_run(programs, shape, start, sparse)


def _place(
    arrays: tuple, masks: dict[str, Any], shards: Shards | None
) -> tuple[tuple, dict[str, Any]]:
    """Return arrays and row masks on the device, or on the devices of a mesh."""
    if shards is None:
        return jax.device_put((arrays, masks))
    check_same_arrays(arrays, shards)
    return put_whole(arrays, shards.rules), spread(masks, shards)


def _split_weights(data: Any) -> tuple[Any, ArrayLike | None]:
    """Return ids and labels, and the weights of the examples or None."""
    if isinstance(data, tuple) and len(data) == 3:
        return data[:2], data[2]
    return data, None
