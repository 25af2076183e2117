"""Held out: examples that many replicates are measured on, in the form they share."""

import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from jaxembed.nn import (
    Embed,
    FlattenDense,
    Positions,
    TextClassifier,
    find_positions,
    lookup,
    multiply_positions,
)
from jaxembed.train.data import Checked
from jaxembed.train.evaluate import make_chunks
from jaxembed.train.state import Params
from jaxembed.train.step import Batch, Metrics, measure


class ByPosition(NamedTuple):
    """Examples for a model whose first layer is over flattened rows.

    Attributes:
      positions: of the texts of all batches, one after the other.
      batches: the same examples as :data:`HeldOut` has them else; of their ids only
        the shape is read.
    """

    positions: Positions
    batches: Batch


# Batches are stacked: ``int32[n, B, L]`` ids.
HeldOut = ByPosition | Batch


def make_held_out(model: nn.Module, examples: Checked) -> HeldOut:
    """Examples in the form in which ``model`` is measured on them fastest.

    Args:
      model: that is to be measured.
      examples: ``int32[N, L]`` ids and ``int32[N]`` labels of NumPy, N > 0.

    Returns:
      :class:`ByPosition` where the model allows it, else batches, stacked.
    """
    chunks = make_chunks(examples)
    batches = jax.tree.map(lambda *leaves: jnp.stack(leaves), *chunks)
    if not _is_flat(model):
        return batches
    texts = np.concatenate([chunk.ids for chunk in chunks])
    return ByPosition(jax.device_put(find_positions(texts)), batches)


def read_sources(model: nn.Module, params: Params, held_out: HeldOut) -> Any:
    """What :func:`measure_held_out` reads for each position; see there.

    Args:
      model: likewise.
      params: those that all replicates share. If the table is among them, its rows are
        read now, once.
      held_out: of :func:`make_held_out`.
    """
    if not isinstance(held_out, ByPosition):
        return None
    words = held_out.positions.words
    if ("embed", "embedding") not in flatten_dict(params):
        return words
    return _read_rows(model, {"params": params}, words)


def measure_held_out(
    model: nn.Module, variables: Any, held_out: HeldOut, sources: Any
) -> Metrics:
    """The sums of loss and right answers over all examples. Pure.

    Args:
      model: called as ``model(ids)``.
      variables: its parameters.
      held_out: of :func:`make_held_out`.
      sources: of :func:`read_sources`.

    Returns:
      :class:`Metrics`.
    """
    if isinstance(held_out, ByPosition):
        batches = held_out.batches
        logits = _apply_by_position(model, variables, held_out, sources)
        logits = logits.reshape(*batches.labels.shape, *logits.shape[1:])
        metrics = jax.vmap(measure)(logits, batches)
    else:

        def measure_batch(batch: Batch) -> Metrics:
            return measure(model.apply(variables, batch.ids), batch)

        metrics = jax.lax.map(measure_batch, held_out)
    return jax.tree.map(jnp.sum, metrics)


def _is_flat(model: Any) -> bool:
    """Whether a model is known to begin with a layer over flattened rows."""
    if type(model) is not TextClassifier:
        return False
    embed, head = model.embed, model.head
    return (
        (type(embed), type(head)) == (Embed, FlattenDense)
        and embed.param_dtype == jnp.float32
        and embed.dtype is head.dtype is None
        and embed.lookup_fn is lookup
    )


def _read_rows(model: Any, variables: Any, ids: Any) -> jax.Array:
    return model.apply(variables, ids, method=lambda module, ids: module.embed(ids))


def _apply_by_position(
    model: Any, variables: Any, held_out: ByPosition, sources: Any
) -> jax.Array:
    """``model.apply``, with its first layer by position."""
    name = "hidden_0" if model.head.hidden else "logits"
    layer = variables["params"]["head"][name]
    is_read = jnp.issubdtype(sources.dtype, jnp.floating)
    read = None if is_read else functools.partial(_read_rows, model, variables)
    places = held_out.positions.places
    sums = multiply_positions(sources, layer["kernel"], places, read)

    def intercept(run: Any, args: Any, kwargs: Any, context: Any) -> Any:
        module = context.module
        if context.method_name != "__call__":
            return run(*args, **kwargs)
        if isinstance(module, Embed):  # its rows are not used, and so not made
            return jnp.zeros((*args[0].shape, module.features))
        if isinstance(module, nn.Dense) and module.name == name:
            return sums + jnp.expand_dims(layer["bias"], 0)
        return run(*args, **kwargs)

    ids = held_out.batches.ids
    with nn.intercept_methods(intercept):
        return model.apply(variables, ids.reshape(-1, ids.shape[-1]))
