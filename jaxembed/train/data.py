"""Data: examples checked once on the host, before compiled code trusts them."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxembed.nn import find_tables
from jaxembed.train.epoch import Data

Examples = tuple[ArrayLike, ArrayLike]


def check_ids(ids: Any, num_embeddings: int | None = None, name: str = "ids") -> Any:
    """Refuses ids that are no rows of a table.

    Args:
      ids: ``int[N, L]``, of NumPy or JAX.
      num_embeddings: V, how many rows the table has; None if there is no table.
      name: what the error calls them.

    Returns:
      ``ids`` as a NumPy array.

    Raises:
      TypeError: if they are not integers.
      ValueError: if they have not two axes, or if one is not in ``[0, V)``: the error
        names its row, its position and its value.

    Example:
      >>> check_ids(np.array([[1, 2], [3, 4]]), num_embeddings=4)
      Traceback (most recent call last):
      ValueError: ids[1, 1] is 4, and the table has the rows 0 to 3: encode the texts
      with num_words=4, or make the table larger.
    """
    ids = np.asarray(ids)
    if ids.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must be integers, got {ids.dtype}: a float would be cut to "
            "another word's id."
        )
    if ids.ndim != 2:
        raise ValueError(
            f"{name} must have the axes [N, L], got {list(ids.shape)}: pad the "
            "sequences first."
        )
    # Two passes without a temporary, the common case; the place only if need be.
    limit = 2**31 if num_embeddings is None else num_embeddings
    if ids.size and not 0 <= ids.min() <= ids.max() < limit:
        row, position = np.argwhere((ids < 0) | (ids >= limit))[0].tolist()
        raise ValueError(
            f"{name}[{row}, {position}] is {ids[row, position]}, and the table has "
            f"the rows 0 to {limit - 1}: encode the texts with num_words={limit}, or "
            "make the table larger."
        )
    return ids


def check_labels(labels: Any, n_examples: int, classes: int, name: str) -> Any:
    """Refuses labels that are not one class for each example.

    Args:
      labels: ``int[N]``, or the same numbers as floats or bools.
      n_examples: N.
      classes: C; labels are in ``[0, C)``.
      name: what the error calls them.

    Returns:
      ``int32[N]`` of NumPy.

    Raises:
      ValueError: names the first label that is none, or the shape.

    Example:
      >>> check_labels([0.0, 1.0], 2, 2, "labels")
      array([0, 1], dtype=int32)
    """
    labels = np.asarray(labels)
    if labels.shape != (n_examples,):
        raise ValueError(
            f"{name} must have the shape [{n_examples}], one for each row of ids, got "
            f"{list(labels.shape)}."
        )
    known = np.isin(labels, np.arange(classes))
    if not known.all():
        place = int(np.argmin(known))
        raise ValueError(
            f"{name}[{place}] is {labels[place]}, and the model has the classes 0 to "
            f"{classes - 1}."
        )
    return labels.astype(np.int32)


def check_rows(rows: Any, n_examples: int, batch_size: int) -> np.ndarray:
    """The examples to train on, of which there are enough for a batch.

    Args:
      rows: ``int[n]``, or None for all.
      n_examples: N, how many there are.
      batch_size: B.

    Returns:
      ``int32[n]``.

    Raises:
      TypeError: if they are not integers.
      ValueError: if one is not in ``[0, N)``, or if n is smaller than B, or B than 1.

    Example:
      >>> check_rows(None, 3, 2)
      array([0, 1, 2], dtype=int32)
    """
    rows = np.arange(n_examples) if rows is None else np.asarray(rows)
    if rows.dtype.kind not in "iu" or rows.ndim != 1:
        raise TypeError(
            f"rows must be integers with one axis, got {rows.dtype}{list(rows.shape)}."
        )
    outside = (rows < 0) | (rows >= n_examples)
    if outside.any():
        place = int(np.argmax(outside))
        raise ValueError(
            f"rows[{place}] is {rows[place]}, and there are {n_examples} examples."
        )
    if not 1 <= batch_size <= rows.size:
        raise ValueError(
            f"batch_size must be from 1 to the number of examples, {rows.size}, got "
            f"{batch_size}."
        )
    return rows.astype(np.int32)


def check_texts(
    model: nn.Module, variables: Any, ids: Any, name: str = "ids"
) -> tuple[np.ndarray, int]:
    """Refuses texts that ``model`` cannot look up.

    Args:
      model: a Linen module, called as ``model(ids)``.
      variables: its parameters.
      ids: ``int[N, L]``.
      name: what the error calls them.

    Returns:
      ``int[N, L]`` of NumPy, and how many classes the model tells apart.

    Raises:
      TypeError: if the ids are not integers.
      ValueError: if there is no text, if an id is no row of the smallest table that
        the model calls, or if the model returns other axes than ``[B]`` or ``[B, C]``.

    Example:
      >>> from jaxembed.nn import Embed, FlattenDense, TextClassifier
      >>> model, ids = TextClassifier(Embed(9, 2), FlattenDense()), np.array([[1, 2]])
      >>> check_texts(model, model.init(jax.random.key(0), ids), ids)
      (array([[1, 2]]), 2)
    """
    ids = np.asarray(check_ids(ids, name=name))
    if not len(ids):
        raise ValueError(f"there is no text: {name} have the shape {list(ids.shape)}.")
    tables: dict[tuple[str, ...], Any] = find_tables(model, variables, ids)
    limits = [table.num_embeddings for table in tables.values()]
    check_ids(ids, min(limits, default=None), name)
    shape = jax.eval_shape(model.apply, variables, ids).shape
    if len(shape) not in (1, 2):
        raise ValueError(f"the model must return [B] or [B, C] logits, got {shape}.")
    return ids, 2 if len(shape) == 1 else shape[1]


def check_examples(
    model: nn.Module, variables: Any, examples: Examples, name: str = ""
) -> Data:
    """Texts and labels on the device, checked; see :func:`check_texts`.

    Args:
      model: a Linen module, called as ``model(ids)``.
      variables: its parameters.
      examples: ids ``int[N, L]`` and labels ``int[N]``.
      name: what the error puts before "ids" and "labels".

    Returns:
      ``int32[N, L]`` and ``int32[N]``.
    """
    ids, classes = check_texts(model, variables, examples[0], f"{name}ids")
    labels = check_labels(examples[1], len(ids), classes, f"{name}labels")
    return jnp.asarray(ids, jnp.int32), jnp.asarray(labels, jnp.int32)
