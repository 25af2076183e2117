"""Prediction: the logits of any number of texts, in a few compiled programs."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.typing import ArrayLike

from jaxembed._checks import check_count, check_range
from jaxembed.dist import Rules
from jaxembed.nn._inspect import Variables
from jaxembed.nn._lookup import as_ids
from jaxembed.nn._reads import check_reads
from jaxembed.train._evaluate import BATCH_SIZE
from jaxembed.train._setup import inspect_model
from jaxembed.train._state import Params
from jaxembed.train.data._buckets import find_padding, make_buckets
from jaxembed.train.data._checks import check_ids
from jaxembed.train.data._variables import (
    Placed,
    check_variables,
    explain_shapes,
    place_variables,
)
from jaxembed.train.sharded._shards import place_batch

# Fewer texts are padded to one of a few smaller shapes, each FACTOR times the next.
FACTOR = 8
# Up to FEW texts are computed one by one, in one program for any number of them. XLA on
# a CPU runs such a small program in the calling thread, where a batch wakes another.
FEW = 16


def predict(
    model: nn.Module,
    variables: Variables,
    ids: ArrayLike,
    *,
    batch_size: int = BATCH_SIZE,
    lengths: Sequence[int] | None = None,
    mesh: Mesh | Rules | None = None,
) -> np.ndarray:
    """Return the logits of a model for texts.

    Up to 16 texts are computed one by one, more are padded to ``batch_size`` or a
    fraction of it. A stream of requests of any sizes compiles at most a few programs.

    Args:
      model: a Linen module, called as ``model(ids)``.
      variables: its parameters, such as ``state.variables`` of :func:`fit`.
      ids: ``int[N, L]``; each is checked to be a row of the model's table.
      batch_size: number of texts computed at once.
      lengths: lengths to which batches are cut, see :func:`fit`; None for length L.
      mesh: mesh over which tables and texts are spread, see :func:`fit`; None for one
        device.

    Returns:
      A NumPy array: ``float[N]``, whose sigmoid is the probability of label 1, or
      ``float[N, C]``, whose softmax is the probability of each class.

    Raises:
      TypeError: if ``ids`` are not integers, or ``variables`` are not a dict.
      ValueError: if ``ids`` are empty, if an id is out of range, or if the model needs
        parameters of other shapes, as it does for texts of another length.

    Example:
      >>> from jaxembed import nn
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.DenseHead())
      >>> ids = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 0]])
      >>> predict(model, model.init(jax.random.key(0), ids), ids, batch_size=2).shape
      (3,)
    """
    check_variables(variables)
    texts = check_ids(ids, 0)  # their range is checked below
    with explain_shapes(texts):
        placed = place_variables(model, variables, texts[:1], mesh)
    if lengths is not None:
        return _predict_lengths(model, placed, texts, batch_size, lengths)
    return _predict(model, placed, texts, batch_size)


def _predict(
    model: nn.Module, placed: Placed, texts: np.ndarray, batch_size: int
) -> np.ndarray:
    """Return the logits of texts of one length."""
    size = _choose_size(len(texts), check_count("batch_size", batch_size))
    place = place_batch(size, placed.shards)
    if placed.shards is not None:
        with explain_shapes(texts):
            interface = inspect_model(model, placed.variables, texts[:1])
        check_range(texts, interface.limits)
    parts: list[np.ndarray] = []
    for start in range(0, len(texts), size):
        part = texts[start : start + size]
        batch = np.zeros((size, texts.shape[1]), np.int32)
        batch[: len(part)] = as_ids(part)
        batch[len(part) :] = batch[len(part) - 1]  # its ids are checked anyway
        limits = None
        with explain_shapes(texts):
            if placed.shards is not None:
                logits = _spread_logits(
                    placed.network,
                    placed.params,
                    jax.device_put(batch, place),
                    placed.shards.rules.whole,
                )
            elif len(texts) <= FEW:
                logits, limits = _few_logits(model, placed.params, batch, len(part))
            else:
                logits, limits = _logits(model, placed.params, batch)
        if limits is not None and not parts:
            check_range(texts, np.asarray(limits))
        parts.append(np.asarray(logits)[: len(part)])
    logits = parts[0] if len(parts) == 1 else np.concatenate(parts)
    is_bad = np.isnan(logits).reshape(len(texts), -1).any(1)
    if is_bad.any():
        numbers = np.flatnonzero(is_bad)
        known = as_ids(texts[numbers])
        variables = placed.variables if placed.shards is None else None
        check_reads(model, variables, np.asarray(known), numbers=numbers)
    return logits


def _predict_lengths(
    model: nn.Module,
    placed: Placed,
    texts: np.ndarray,
    batch_size: int,
    lengths: Sequence[int],
) -> np.ndarray:
    """Return the logits of texts, computed in batches of a few lengths."""
    with explain_shapes(texts):
        interface = inspect_model(model, placed.variables, texts[:1])
    padding = find_padding(model, placed.variables, interface, lengths)
    check_ids(texts, interface.limits)
    buckets = make_buckets(texts, lengths, padding)
    parts = [
        _predict(model, placed, bucket.cut(texts), batch_size) for bucket in buckets
    ]
    logits = np.empty((len(texts), *parts[0].shape[1:]), parts[0].dtype)
    for bucket, part in zip(buckets, parts, strict=True):
        logits[bucket.numbers] = part
    return logits


@functools.partial(jax.jit, static_argnames="model")
def _logits(
    model: nn.Module, params: Params, ids: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return the logits, and the number of rows that each column may address."""
    limits = inspect_model(model, {"params": params}, ids).limits
    return model.apply({"params": params}, ids), jnp.asarray(limits, jnp.uint32)


@functools.partial(jax.jit, static_argnames=("model", "whole"))
def _spread_logits(
    model: nn.Module, params: Params, ids: jax.Array, whole: NamedSharding
) -> jax.Array:
    """Return the logits of a model on a mesh, all of them to each device."""
    logits = model.apply({"params": params}, ids)
    return jax.lax.with_sharding_constraint(logits, whole)


@functools.partial(jax.jit, static_argnames="model")
def _few_logits(
    model: nn.Module, params: Params, ids: jax.Array, n: jax.Array | int
) -> tuple[jax.Array, jax.Array]:
    """Return what :func:`_logits` does, with zeros after the first ``n`` texts."""
    shapes = jax.eval_shape(lambda: _logits(model, params, ids))

    def add_text(i: jax.Array, results: tuple) -> tuple:
        logits, _ = results
        text = jax.lax.dynamic_slice_in_dim(ids, i, 1)
        row, limits = _logits(model, params, text)
        return jax.lax.dynamic_update_slice_in_dim(logits, row, i, 0), limits

    zeros = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)
    return jax.lax.fori_loop(0, n, add_text, zeros)


def _choose_size(n: int, batch_size: int) -> int:
    """Return the number of texts to pad to: one of a few for any ``n``."""
    size = batch_size
    while size // FACTOR >= max(n, FEW + 1):
        size //= FACTOR
    return FEW if n <= FEW else size
