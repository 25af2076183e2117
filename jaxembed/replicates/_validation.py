"""Validation: measure many replicates on shared examples.

A first layer over flattened rows multiplies the row of each word by the part of the
kernel for its position. In many texts, a position has few distinct words. Each of them
is multiplied once, and the output for a text is the sum of the products of its words.
For 10,000 reviews of 100 words this takes a quarter of the arithmetic and of the rows
in memory.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict
from jax.typing import ArrayLike

from jaxembed.nn import DenseHead, Embed, TextClassifier, embedding_bag, lookup
from jaxembed.nn._inspect import Variables
from jaxembed.train._evaluate import cut_batches
from jaxembed.train._state import Params
from jaxembed.train._step import Batch, Metrics, measure
from jaxembed.train.data._checks import Checked


class Positions(NamedTuple):
    """Texts by the distinct words of each position.

    Attributes:
      words: ``int32[L, U]``, the distinct ids at each position, padded with the last
        distinct id.
      places: ``int32[B, L]``, index of each id of a text in the flattened ``words``.
    """

    words: np.ndarray | jax.Array
    places: np.ndarray | jax.Array


class ByPosition(NamedTuple):
    """Examples for a model whose first layer is over flattened rows.

    Attributes:
      positions: positions of the texts of all batches.
      batches: the same examples as stacked batches.
    """

    positions: Positions
    batches: Batch


# Stacked batches with int32[S, B, L] ids, or texts by position.
Validation = ByPosition | Batch


def make_validation(model: nn.Module, examples: Checked, memory: int) -> Validation:
    """Return examples in the form that is fastest for measuring ``model``.

    Args:
      model: the model to measure.
      examples: ``int32[N, L]`` ids and ``int32[N]`` labels of NumPy, N > 0.
      memory: memory of the replicates in bytes; :class:`ByPosition` may take a quarter.

    Returns:
      :class:`ByPosition` if the model allows it and the texts share enough words, else
      stacked batches.
    """
    parts = cut_batches(examples)
    batches = jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)
    width = _first_width(model)
    if width is None:
        return batches
    positions = find_positions(np.concatenate([batch.ids for batch in parts]))
    length, n_words = np.shape(positions.words)
    n_bytes = 4 * length * n_words * width
    if 2 * n_words > len(examples[0]) or n_bytes > memory // 4:
        return batches
    return ByPosition(jax.device_put(positions), batches)


def find_positions(ids: np.ndarray) -> Positions:
    """Return the distinct words at each position of texts, on the host.

    Args:
      ids: ``int[B, L]``, B and L over 0.

    Returns:
      :class:`Positions` of NumPy arrays.

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


def embed_shared(
    model: nn.Module, params: Params, validation: Validation | None
) -> jax.Array | None:
    """Look up the words of each position once, if all replicates share the table.

    Args:
      model: the model to measure.
      params: frozen parameters that all replicates share.
      validation: the result of :func:`make_validation`, or None.

    Returns:
      ``float32[L, U, D]`` if the table is one of ``params``, else None.
    """
    is_shared = ("embed", "embedding") in flatten_dict(params)
    if not (is_shared and isinstance(validation, ByPosition)):
        return None
    return _embed(model, {"params": params}, validation.positions.words)


def measure_validation(
    model: nn.Module,
    variables: Variables,
    validation: Validation,
    rows: jax.Array | None = None,
) -> Metrics:
    """Return the sums of loss and correct answers over all examples. Pure.

    Args:
      model: a Linen module, called as ``model(ids)``.
      variables: its parameters.
      validation: the result of :func:`make_validation`.
      rows: the result of :func:`embed_shared`.

    Returns:
      :class:`Metrics`.
    """
    if isinstance(validation, ByPosition):
        batches = validation.batches
        logits = _apply_by_position(model, variables, validation.positions, rows)
        logits = logits.reshape(*batches.labels.shape, *logits.shape[1:])
        metrics = jax.vmap(measure)(logits, batches)
    else:

        def measure_batch(batch: Batch) -> Metrics:
            return measure(model.apply(variables, batch.ids), batch)

        metrics = jax.lax.map(measure_batch, validation)
    return jax.tree.map(jnp.sum, metrics)


def multiply_positions(rows: jax.Array, kernel: jax.Array) -> jax.Array:
    """Multiply the rows of each position by its part of a kernel.

    Args:
      rows: ``float[L, U, D]``, the rows of ``Positions.words``.
      kernel: ``float[L * D, H]``.

    Returns:
      ``float[L * U, H]``, whose rows :func:`sum_places` sums for each text.

    Example:
      >>> table, ids = jnp.arange(18.0).reshape(9, 2), np.array([[7, 5], [7, 6]])
      >>> words, places = find_positions(ids)
      >>> kernel = jnp.arange(12.0).reshape(4, 3)
      >>> sum_places(multiply_positions(table[words], kernel), places)
      Array([[204., 254., 304.],
             [234., 288., 342.]], dtype=float32)
      >>> table[ids].reshape(2, 4) @ kernel
      Array([[204., 254., 304.],
             [234., 288., 342.]], dtype=float32)
    """
    kernels = jnp.reshape(kernel, (len(rows), -1, kernel.shape[1]))
    products = jnp.einsum("lud,ldh->luh", rows, kernels)
    return products.reshape(-1, products.shape[-1])


def sum_places(products: jax.Array, places: ArrayLike) -> jax.Array:
    """Return ``float[B, H]``: for each text, the sum of the products of its words."""
    return embedding_bag(products, places, combine="sum", mode="promise_in_bounds")


def _first_width(model: nn.Module) -> int | None:
    """Count the numbers in memory per word of a position: its row and its product.

    Returns None unless the first layer of the model is known to be over flattened rows.
    """
    if type(model) is not TextClassifier or model.pool is not None:
        return None
    embed, head = model.embed, model.head
    if type(embed) is not Embed or type(head) is not DenseHead:
        return None
    is_float32 = embed.param_dtype == jnp.float32 and embed.dtype is head.dtype is None
    if not is_float32 or embed.lookup_fn is not lookup:
        return None
    return embed.features + next(iter(head.widths.values()))


def _embed(model: nn.Module, variables: Variables, ids: ArrayLike) -> jax.Array:
    return model.apply(variables, ids, method=lambda module, ids: module.embed(ids))


def _apply_by_position(
    model: nn.Module,
    variables: Variables,
    positions: Positions,
    rows: jax.Array | None,
) -> jax.Array:
    """Compute the logits of ``model``, with its first layer by position."""
    head = model.bind(variables).head
    layer = variables["params"]["head"][next(iter(head.widths))]
    words, places = positions
    if rows is None:
        kernels = jnp.reshape(layer["kernel"], (len(words), -1, layer["bias"].size))

        # One position at a time, so that its rows stay in the cache of a core.
        def multiply(part: tuple[jax.Array, jax.Array]) -> jax.Array:
            return _embed(model, variables, part[0]) @ part[1]

        products = jax.lax.map(multiply, (jnp.asarray(words), kernels))
        products = products.reshape(-1, products.shape[-1])
    else:
        products = multiply_positions(rows, layer["kernel"])
    first = sum_places(products, places) + jnp.expand_dims(layer["bias"], 0)
    return head.after_first(first)
