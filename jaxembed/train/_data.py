"""Data: examples checked once on the host, before compiled code trusts them."""

from collections.abc import Sequence

import numpy as np
from flax.traverse_util import unflatten_dict
from jax.typing import ArrayLike

from jaxembed._checks import check_count, check_range, check_row_mask
from jaxembed.train._setup import Interface, Path
from jaxembed.train._state import Params

# Ids int[N, L] and labels int[N], before and after the checks.
Examples = tuple[ArrayLike, ArrayLike]
Checked = tuple[np.ndarray, np.ndarray]


def check_form(data: Sequence[ArrayLike], name: str = "data") -> Checked:
    """Return ids and labels as arrays of NumPy, if ``data`` is a pair of them.

    Args:
      data: ids ``int[N, L]`` and labels ``[N]``.
      name: name of the argument, for the error.

    Raises:
      TypeError: if ``data`` is not a pair, or the ids are not integers.
      ValueError: if the ids have other axes, or there is no id.

    Example:
      >>> check_form([1, 2, 3])
      Traceback (most recent call last):
      TypeError: data must be the pair (ids, labels), arrays of NumPy or JAX with the
      axes [N, L] and [N]; got a list of 3.
    """
    is_pair = isinstance(data, tuple | list) and len(data) == 2
    if not is_pair or isinstance(data[0], int | float):
        size = f" of {len(data)}" if hasattr(data, "__len__") else ""
        is_triple = isinstance(data, tuple) and len(data) == 3
        hint = " Only data of train.fit have weights." if is_triple else ""
        raise TypeError(
            f"{name} must be the pair (ids, labels), arrays of NumPy or JAX with the "
            f"axes [N, L] and [N]; got a {type(data).__name__}{size}.{hint}"
        )
    prefix = "" if name == "data" else f"{name} "
    return check_ids(data[0], None, f"{prefix}ids"), np.asarray(data[1])


def check_ids(
    ids: ArrayLike, limits: int | np.ndarray | None = None, name: str = "ids"
) -> np.ndarray:
    """Return ids as an array of NumPy, if all are rows of a table.

    Args:
      ids: ``int[N, L]``, of NumPy or JAX.
      limits: V, number of rows of the table; ``int[L]`` if V depends on the column;
        None if no table is known.
      name: name of the ids, for the error.

    Raises:
      TypeError: if the ids are not integers.
      ValueError: if the ids have other axes, if there is no id, or if an id is not in
        ``[0, V)``; the error names its position and its value.

    Example:
      >>> check_ids(np.array([[1, 2], [3, 4]]), 4)
      Traceback (most recent call last):
      ValueError: ids[1, 1] is 4, and the table has the rows 0 to 3: encode the texts
      with num_words=4, or make the table larger.
    """
    try:
        ids = np.asarray(ids)
    except ValueError as error:  # lists of several lengths
        raise ValueError(
            f"{name} must have the axes [N, L], got lists of several lengths: pad them "
            "with jaxembed.text.pad_sequences."
        ) from error
    if ids.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must be integers, got {ids.dtype}: an id is the number of a row."
        )
    if ids.ndim != 2:
        raise ValueError(
            f"{name} must have the axes [N, L], got {list(ids.shape)}: pad the "
            "sequences first."
        )
    if not ids.size:
        raise ValueError(
            f"there is no text, or none with a word: {name} have the shape "
            f"{list(ids.shape)}."
        )
    check_range(ids, limits, name)
    return ids


def check_labels(
    labels: ArrayLike, n_examples: int, classes: int, name: str = "labels"
) -> np.ndarray:
    """Return labels as ``int32[N]``, if there is one class for each example.

    Args:
      labels: ``int[N]``, or the same numbers as floats or bools.
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
        label = labels[place := int(np.argmin(known))]
        remedy = "number the classes from 0"
        if labels.dtype.kind in "iufb" and label > 0 and label == int(label):
            remedy = f"give the head classes={int(label) + 1}"
        raise ValueError(
            f"{name}[{place}] is {label}, and the model has the classes 0 to "
            f"{classes - 1}: {remedy}."
        )
    return labels.astype(np.int32)


def check_examples(interface: Interface, examples: Checked, name: str = "") -> Checked:
    """Return ids and labels that a model can be trained on or tested with.

    Args:
      interface: the interface of the model for texts of this length.
      examples: ids ``int[N, L]`` and labels ``[N]``, see :func:`check_form`.
      name: prefix of "ids" and "labels" in the error.

    Returns:
      ``int32[N, L]`` and ``int32[N]`` of NumPy.

    Raises:
      ValueError: if an id or a label is out of range.

    Example:
      >>> check_examples(Interface(np.array([9, 9]), 2, {}), ([[1, 8]], [1]))
      (array([[1, 8]], dtype=int32), array([1], dtype=int32))
    """
    ids = check_ids(examples[0], interface.limits, f"{name}ids")
    labels = check_labels(examples[1], len(ids), interface.classes, f"{name}labels")
    return ids.astype(np.int32, copy=False), labels


def check_selection(
    examples: ArrayLike | None, n_examples: int, batch_size: int
) -> np.ndarray:
    """Return the numbers of the examples to train on, if there are enough for a batch.

    Args:
      examples: ``int[n]``; None for all.
      n_examples: number of examples in the data, N.
      batch_size: number of examples in a batch, B.

    Returns:
      ``int32[n]``.

    Raises:
      TypeError: if the numbers are not integers.
      ValueError: if a number is not in ``[0, N)``, if n < B, or if B < 1.

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
            f"examples[{place}] is {chosen[place]}, and the data have {n_examples} "
            "examples."
        )
    if check_count("batch_size", batch_size) > chosen.size:
        raise ValueError(
            f"batch_size must be from 1 to the number of examples, {chosen.size}, got "
            f"{batch_size}."
        )
    return chosen.astype(np.int32)


def make_masks(interface: Interface, trainable_rows: ArrayLike | None) -> Params:
    """Return the row masks that :func:`step` takes, of NumPy.

    Args:
      interface: the interface of the model.
      trainable_rows: ``bool[V]`` of the one table that reads the ids and is not frozen;
        None for all rows.

    Returns:
      ``bool[V]`` at the path of each table with untrained rows, which include the row
      of ``padding_idx``.

    Raises:
      TypeError: if ``trainable_rows`` are not bools.
      ValueError: if the shape is not ``[V]``, or if there is no such table or several.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxembed import nn, optim
      >>> from jaxembed.train import make_plan
      >>> embed = nn.Embed(3, 2, padding_idx=0)
      >>> model = nn.TextClassifier(embed, nn.DenseHead())
      >>> _, interface = make_plan(model, optim.rmsprop(), jnp.array([[1, 2]]))
      >>> make_masks(interface, [True, True, False])
      {'embed': {'embedding': array([False,  True, False])}}
    """
    items = interface.tables.items()
    tables = {path: table.module for path, table in items if not table.frozen}
    masks: dict[Path, np.ndarray] = {}
    if trainable_rows is not None:
        path = _find_reader(interface)
        mask = np.array(trainable_rows)  # a copy
        check_row_mask(mask, tables[path].num_embeddings)
        masks[path] = mask
    for path, module in tables.items():
        if (pad := getattr(module, "padding_idx", None)) is not None:
            masks.setdefault(path, np.ones(module.num_embeddings, bool))[pad] = False
    return unflatten_dict(masks)


def _find_reader(interface: Interface) -> Path:
    """The one table that reads ids of the texts and is not frozen."""
    readers = [
        path
        for path, table in interface.tables.items()
        if not table.frozen and (table.columns is None or table.columns.any())
    ]
    if len(readers) != 1:
        names = [".".join(path) for path in readers]
        raise ValueError(
            "trainable_rows is for the one table that reads the ids and is not frozen; "
            f"the model has {len(names)} of them: {names}."
        )
    return readers[0]
