"""Held out: examples that many replicates are measured on, in the form they share."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict
from jax.typing import ArrayLike

from jaxembed.nn import Embed, FlattenDense, TextClassifier, lookup
from jaxembed.nn._bag import embedding_bag
from jaxembed.train._data import Checked
from jaxembed.train._evaluate import cut_batches
from jaxembed.train._state import Params
from jaxembed.train._step import Batch, Metrics, measure


class Positions(NamedTuple):
    """Texts by the distinct words of each position.

    Attributes:
      words: ``int32[L, U]``, the distinct ids at each position, filled up with the
        last of them.
      places: ``int32[B, L]``, where each id of a text stands among the
        L U of ``words``.
    """

    words: ArrayLike
    places: ArrayLike


def find_positions(ids: np.ndarray) -> Positions:
    """The distinct words at each position of some texts. On the host.

    Args:
      ids: ``int[B, L]``, B and L over 0.

    Returns:
      :class:`Positions` of NumPy.

    Example:
      >>> words, places = find_positions(np.array([[7, 5], [7, 6], [8, 5]]))
      >>> words.tolist(), places.tolist()
      ([[7, 8], [5, 6]], [[0, 2], [0, 3], [1, 2]])
    """
    columns = [np.unique(column, return_inverse=True) for column in ids.T]
    width = max(len(words) for words, _ in columns)
    words = [np.pad(words, (0, width - len(words)), "edge") for words, _ in columns]
    places = [i * width + places for i, (_, places) in enumerate(columns)]
    return Positions(
        np.stack(words).astype(np.int32), np.stack(places, axis=1).astype(np.int32)
    )


def multiply_positions(
    sources: ArrayLike,
    kernel: ArrayLike,
    places: ArrayLike,
    read: Callable[[jax.Array], jax.Array] | None = None,
) -> jax.Array:
    """The rows of texts side by side, times a kernel.

    Args:
      sources: ``float[L, U, D]``, the rows of ``Positions.words``; or these words, if
        their rows are not to be in memory all at once.
      kernel: ``float[L * D, H]``.
      places: ``int32[B, L]``, those of :class:`Positions`; not checked.
      read: called with the part of ``sources`` for a position, gives ``float[U, D]``.

    Returns:
      ``float[B, H]``.

    Example:
      >>> import jax.numpy as jnp
      >>> table, ids = jnp.arange(18.0).reshape(9, 2), np.array([[7, 5], [7, 6]])
      >>> words, places = find_positions(ids)
      >>> kernel = jnp.arange(12.0).reshape(4, 3)
      >>> multiply_positions(table[words], kernel, places)
      Array([[204., 254., 304.],
             [234., 288., 342.]], dtype=float32)
      >>> table[ids].reshape(2, 4) @ kernel
      Array([[204., 254., 304.],
             [234., 288., 342.]], dtype=float32)
    """
    length = jnp.shape(places)[1]
    kernels = jnp.reshape(kernel, (length, -1, jnp.shape(kernel)[1]))
    if read is None:
        products = jnp.einsum("lud,ldh->luh", sources, kernels)
    else:
        # One position at a time: its rows stay in the cache of a core.
        parts = jnp.asarray(sources), kernels
        products = jax.lax.map(lambda part: read(part[0]) @ part[1], parts)
    table = products.reshape(-1, products.shape[-1])
    return embedding_bag(table, places, combine="sum", mode="promise_in_bounds")


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
    parts = cut_batches(examples)
    batches = jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)
    if not _is_flat(model):
        return batches
    texts = np.concatenate([batch.ids for batch in parts])
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
