"""Checks of ids, labels and selections on the host, before training."""

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from jax.typing import ArrayLike

from jaxembed._checks import check_count, check_range
from jaxembed.nn._lookup import as_ids
from jaxembed.train._setup import Interface

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


def check_labels(
    labels: ArrayLike, n_examples: int, classes: int, name: str = "labels"
) -> np.ndarray:
    """Return labels as ``int32[N]``, if each of them is a class of the model.

    Args:
      labels: ``int[N]``, or whole numbers as floats or bools.
      n_examples: number of examples, N.
      classes: number of classes, C; labels are in ``[0, C)``.
      name: name of the labels, for the error.

    Raises:
      ValueError: names the first label that is out of range, or the shape.

    Example:
      >>> check_labels([0.0, 1.0], 2, 2)
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
            f"{name}[{place}] is {labels.tolist()[place]!r}, and the model has the "
            f"classes 0 to {classes - 1}: {_suggest_classes(labels)}."
        )
    return labels.astype(np.int32)


def _suggest_classes(labels: np.ndarray) -> str:
    """Return the remedy for ``[N]`` labels that are out of range."""
    is_number = labels.dtype.kind in "iuf" and np.isfinite(labels).all()
    if is_number and ((labels >= 0) & (labels % 1 == 0)).all():
        return f"give the head classes={int(labels.max()) + 1}"
    return "number them 0, 1, ... by numpy.unique(labels, return_inverse=True)[1]"


def check_examples(interface: Interface, examples: Checked, name: str = "") -> Checked:
    """Return ids and labels as ``int32``, if they fit the model.

    Args:
      interface: the interface of the model for texts of length L.
      examples: ids ``int[N, L]`` and labels ``[N]``, see :func:`check_form`.
      name: prefix of "ids" and "labels" in the error.

    Returns:
      ``int32[N, L]`` and ``int32[N]`` of NumPy.

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
    labels = check_labels(examples[1], len(ids), interface.classes, f"{name}labels")
    # Ids that no table reads may have 64 bits; as_ids clips them.
    return np.asarray(as_ids(ids)).astype(np.int32, copy=False), labels


def warn_one_class(labels: np.ndarray, train_labels: np.ndarray) -> None:
    """Warn if validation examples have one class and training examples have more.

    Such a validation measures one class only. It happens if data that are sorted by
    label are split without a shuffle.

    Args:
      labels: ``int32[M]``, labels of the validation examples.
      train_labels: ``int32[n]``, labels of the training examples.

    Example:
      >>> import warnings
      >>> with warnings.catch_warnings(record=True) as caught:
      ...     warnings.simplefilter("always")
      ...     warn_one_class(np.array([1, 1]), np.array([0, 0, 1]))
      >>> print(caught[0].message)
      all 2 validation labels are 1, and the training labels have 2 classes: shuffle
      before the split.
    """
    n_classes = np.unique(train_labels).size
    if n_classes > 1 and np.unique(labels).size == 1:
        warnings.warn(
            f"all {labels.size} validation labels are {labels[0]}, and the training "
            f"labels have {n_classes} classes: shuffle before the split.",
            stacklevel=4,  # the caller of fit
        )


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
