"""Checks of ids, labels and selections on the host, before training."""

from collections.abc import Iterator, Sequence

import numpy as np
from jax.typing import ArrayLike

from jaxembed._checks import check_count, check_range
from jaxembed.nn._lookup import as_ids
from jaxembed.train._losses import CROSS_ENTROPY
from jaxembed.train._setup import Interface
from jaxembed.train.data._labels import check_labels, check_targets

# Ids int[N, L] and labels int[N], before and after the checks.
Examples = tuple[ArrayLike, ArrayLike]
Checked = tuple[np.ndarray, np.ndarray]


def check_form(data: Sequence[ArrayLike], name: str = "data") -> Checked:
    """Return the ids and the labels of ``data`` as NumPy arrays.

    Args:
      data: ids ``int[N, L]`` and labels ``[N]``.
      name: name of the argument, for the error.

    Raises:
      TypeError: if ``data`` is not a pair of arrays, or the ids are not integers.
      ValueError: if the ids do not have the axes [N, L], or are empty.

    Example:
      >>> check_form([1, 2, 3])
      Traceback (most recent call last):
      TypeError: data must be the pair (ids, labels), arrays of NumPy or JAX with the
      axes [N, L] and [N]; got a list of 3.
    """
    is_pair = isinstance(data, tuple | list) and len(data) == 2
    parts = (data, *data) if is_pair else (data,)
    has_iterator = any(isinstance(part, Iterator) for part in parts)
    if not is_pair or has_iterator or isinstance(data[0], int | float):
        size = f" of {len(data)}" if hasattr(data, "__len__") else ""
        is_triple = isinstance(data, tuple) and len(data) == 3
        hint = " Only data of train.fit have weights." if is_triple else ""
        hint = " Read an iterator into arrays first." if has_iterator else hint
        raise TypeError(
            f"{name} must be the pair (ids, labels), arrays of NumPy or JAX with the "
            f"axes [N, L] and [N]; got a {type(data).__name__}{size}.{hint}"
        )
    prefix = "" if name == "data" else f"{name} "
    return check_ids(data[0], 0, f"{prefix}ids"), np.asarray(data[1])


def check_ids(
    ids: ArrayLike, limits: int | np.ndarray | None = None, name: str = "ids"
) -> np.ndarray:
    """Return ids as a NumPy array, if each of them is a row of the table.

    Args:
      ids: ``int[N, L]``, a NumPy or JAX array.
      limits: see :func:`check_range`; 0 to check the ids later.
      name: name of the ids, for the error.

    Raises:
      TypeError: if the ids are not integers.
      ValueError: if the ids do not have the axes [N, L] or are empty, or if an id is
        not in ``[0, V)``; the error names the position and the value of the id.

    Example:
      >>> check_ids(np.array([[1, 2], [3, 4]]), 4)
      Traceback (most recent call last):
      ValueError: ids[1, 1] is 4, and the table has the rows 0 to 3: encode the texts
      with num_words=4, or make the table larger.
    """
    try:
        ids = np.asarray(ids)
    except ValueError as error:  # NumPy refuses sequences of different lengths
        raise ValueError(
            f"{name} must have the axes [N, L], got sequences of different lengths: "
            "pad them with text.pad_sequences(ids, length)."
        ) from error
    if ids.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must be integers, got {ids.dtype}: an id is the number of a row."
        )
    if ids.ndim != 2:
        raise ValueError(
            f"{name} must have the axes [N, L], got {list(ids.shape)}: give one row of "
            "ids for each text."
        )
    if not ids.size:
        raise ValueError(
            f"{name} must have at least one text and one column, got the shape "
            f"{list(ids.shape)}."
        )
    check_range(ids, limits, name)
    return ids


def check_examples(
    interface: Interface,
    examples: Checked,
    name: str = "",
    *,
    loss: str = CROSS_ENTROPY,
) -> Checked:
    """Return ids and labels as ``int32``, if they fit the model.

    Args:
      interface: the interface of the model for texts of length L.
      examples: ids ``int[N, L]`` and labels ``[N]``, see :func:`check_form`.
      name: prefix of "ids" and "labels" in the error.
      loss: name of the loss, which determines the form of the labels.

    Returns:
      ``int32[N, L]`` and the labels, of NumPy.

    Raises:
      ValueError: if an id or a label is out of range, or if logits are ``[B, 1]``.

    Example:
      >>> check_examples(Interface(np.array([9, 9]), 2, {}), ([[1, 8]], [1]))
      (array([[1, 8]], dtype=int32), array([1], dtype=int32))
    """
    if interface.classes == 1:
        raise ValueError(
            "the model must return logits [B] or [B, C], C > 1, got [B, 1]: squeeze "
            "the last axis, logits[:, 0], or return one logit for each class."
        )
    ids = check_ids(examples[0], interface.limits, f"{name}ids")
    labels_name = f"{name}labels"
    if loss == CROSS_ENTROPY:
        labels = check_labels(examples[1], len(ids), interface.classes, labels_name)
    else:
        shape = (len(ids),) if interface.is_flat else (len(ids), interface.classes)
        labels = check_targets(examples[1], shape, loss, labels_name)
    # Ids that no table reads may have 64 bits; as_ids clips them.
    return np.asarray(as_ids(ids)).astype(np.int32, copy=False), labels


def check_selection(
    examples: ArrayLike | None, n_examples: int, batch_size: int
) -> np.ndarray:
    """Check and return the indices of the examples to train on.

    Args:
      examples: ``int[n]``, indices of examples; None for all.
      n_examples: number of examples in the data, N.
      batch_size: number of examples in a batch, B.

    Returns:
      ``int32[n]``.

    Raises:
      TypeError: if ``examples`` are not integers with one axis.
      ValueError: if an index is not in ``[0, N)``, if n < B, or if B < 1.

    Example:
      >>> check_selection(None, 3, 2)
      array([0, 1, 2], dtype=int32)
    """
    chosen = np.arange(n_examples) if examples is None else np.asarray(examples)
    if chosen.dtype.kind not in "iu" or chosen.ndim != 1:
        raise TypeError(
            "examples must be integers with one axis, got "
            f"{chosen.dtype}{list(chosen.shape)}."
        )
    outside = (chosen < 0) | (chosen >= n_examples)
    if outside.any():
        place = int(np.argmax(outside))
        raise ValueError(
            f"examples[{place}] is {chosen[place]}, and the data have the examples 0 "
            f"to {n_examples - 1}: give their numbers."
        )
    if check_count("batch_size", batch_size) > chosen.size:
        raise ValueError(
            f"batch_size must be from 1 to the number of examples, {chosen.size}, got "
            f"{batch_size}."
        )
    return chosen.astype(np.int32)
