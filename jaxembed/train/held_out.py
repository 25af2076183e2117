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


def make_held_out(model: Any, examples: Checked, memory: int) -> HeldOut:
    """Examples in the form in which ``model`` is measured on them fastest.

    Args:
      model: that is to be measured.
      examples: ``int32[N, L]`` ids and ``int32[N]`` labels of NumPy, N > 0.
      memory: in bytes, of which the faster form may take a quarter.

    Returns:
      :class:`ByPosition` where the model allows it and the texts share enough of their
      words, else batches, stacked.
    """
    chunks = make_chunks(examples)
    batches = jax.tree.map(lambda *leaves: jnp.stack(leaves), *chunks)
    if not _is_flat(model):
        return batches
    texts = np.concatenate([chunk.ids for chunk in chunks])
    positions = find_positions(texts)
    length, n_words = np.shape(positions.words)
    width = (model.head.hidden or (model.head.classes,))[0]
    n_bytes = 4 * length * n_words * (model.embed.features + width)
    if 2 * n_words > len(examples[0]) or n_bytes > memory // 4:
        return batches
    return ByPosition(jax.device_put(positions), batches)


def read_known(model: nn.Module, params: Params, held_out: HeldOut) -> Any:
    """What :func:`measure_held_out` would read for each replicate anew.

    Args:
      model: that is to be measured.
      params: frozen ones that all replicates share.
      held_out: of :func:`make_held_out`.

    Returns:
      The rows of the words of each position if the table is one of them, else None.
    """
    is_known = ("embed", "embedding") in flatten_dict(params)
    if not (is_known and isinstance(held_out, ByPosition)):
        return None
    return _read_rows(model, {"params": params}, held_out.positions.words)


def measure_held_out(
    model: nn.Module, variables: Any, held_out: HeldOut, known: Any = None
) -> Metrics:
    """The sums of loss and right answers over all examples. Pure.

    Args:
      model: called as ``model(ids)``.
      variables: its parameters.
      held_out: of :func:`make_held_out`.
      known: of :func:`read_known`.

    Returns:
      :class:`Metrics`.
    """
    if isinstance(held_out, ByPosition):
        batches = held_out.batches
        logits = _apply_by_position(model, variables, held_out, known)
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
    model: Any, variables: Any, held_out: ByPosition, known: Any
) -> jax.Array:
    """``model.apply``, with its first layer by position."""
    name = "hidden_0" if model.head.hidden else "logits"
    layer = variables["params"]["head"][name]
    words, places = held_out.positions
    read = functools.partial(_read_rows, model, variables)
    if known is None:
        sums = multiply_positions(words, layer["kernel"], places, read)
    else:
        sums = multiply_positions(known, layer["kernel"], places)

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
