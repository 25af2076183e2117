"""Data: examples checked once on the host, before compiled code trusts them."""

from typing import Any

import numpy as np
from flax.traverse_util import unflatten_dict
from jax.typing import ArrayLike

from jaxembed._checks import check_range, check_row_mask
from jaxembed.train._setup import Interface
from jaxembed.train._state import Params

# Ids and labels, before and after they are checked.
Examples = tuple[ArrayLike, ArrayLike]
Checked = tuple[np.ndarray, np.ndarray]


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
      ValueError: if there are none, if they have not two axes, or if one is not in
        ``[0, V)``: the error names its row, its position and its value.

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
    if not ids.size:
        raise ValueError(
            f"there is no text, or none with a word: {name} have the shape "
            f"{list(ids.shape)}."
        )
    check_range(ids, num_embeddings, name)
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


def check_selection(examples: Any, n_examples: int, batch_size: int) -> np.ndarray:
    """The examples to train on, of which there are enough for a batch.

    Args:
      examples: ``int[n]``, or None for all.
      n_examples: N, how many there are.
      batch_size: B.

    Returns:
      ``int32[n]``.

    Raises:
      TypeError: if they are not integers.
      ValueError: if one is not in ``[0, N)``, or if n is smaller than B, or B than 1.

    Example:
      >>> check_selection(None, 3, 2)
      array([0, 1, 2], dtype=int32)
    """
    examples = np.arange(n_examples) if examples is None else np.asarray(examples)
    if examples.dtype.kind not in "iu" or examples.ndim != 1:
        raise TypeError(
            "examples must be integers with one axis, got "
            f"{examples.dtype}{list(examples.shape)}."
        )
    outside = (examples < 0) | (examples >= n_examples)
    if outside.any():
        place = int(np.argmax(outside))
        raise ValueError(
            f"examples[{place}] is {examples[place]}, and the data have {n_examples} "
            "examples."
        )
    if not 1 <= batch_size <= examples.size:
        raise ValueError(
            "batch_size must be from 1 to the number of examples, "
            f"{examples.size}, got {batch_size}."
        )
    return examples.astype(np.int32)


def check_examples(interface: Interface, examples: Examples, name: str = "") -> Checked:
    """Texts and labels that a model can be trained on or tested with.

    Args:
      interface: of the model.
      examples: ids ``int[N, L]`` and labels ``int[N]``.
      name: what the error puts before "ids" and "labels".

    Returns:
      ``int32[N, L]`` and ``int32[N]`` of NumPy.

    Raises:
      TypeError: if the ids are not integers.
      ValueError: if there is no text, or if an id or a label is out of range.

    Example:
      >>> check_examples(Interface(9, 2, frozenset(), {}), ([[1, 8]], [1]))
      (array([[1, 8]], dtype=int32), array([1], dtype=int32))
    """
    ids = check_ids(examples[0], interface.num_embeddings, f"{name}ids")
    labels = check_labels(examples[1], len(ids), interface.classes, f"{name}labels")
    return ids.astype(np.int32, copy=False), labels


def make_masks(interface: Interface, trainable_rows: ArrayLike | None) -> Params:
    """The masks that :func:`step` takes, of NumPy.

    Args:
      interface: of the model.
      trainable_rows: ``bool[V]``, for the one table that reads the ids and is not
        frozen; None for all rows.

    Returns:
      ``bool[V]`` at the path of each table that has rows which are not trained: those
      that the argument says, and each ``padding_idx``.

    Raises:
      TypeError: if ``trainable_rows`` are not bools.
      ValueError: if they are not V, or if it is not clear of which table.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxembed import nn, optim
      >>> from jaxembed.train import make_plan
      >>> embed = nn.Embed(3, 2, padding_idx=0)
      >>> model = nn.TextClassifier(embed, nn.FlattenDense())
      >>> _, interface = make_plan(model, optim.rmsprop(), jnp.array([[1, 2]]))
      >>> make_masks(interface, [True, True, False])
      {'embed': {'embedding': array([False,  True, False])}}
    """
    tables = {p: c for p, c in interface.tables.items() if p not in interface.frozen}
    masks: dict[tuple[str, ...], Any] = {}
    if trainable_rows is not None:
        readers = [path for path, call in tables.items() if call.reads_ids]
        if len(readers) != 1:
            names = [".".join(path) for path in readers]
            raise ValueError(
                "trainable_rows is for the one table that reads the ids and is not "
                f"frozen; the model has {len(names)} of them: {names}. A table must be "
                "given the model's ids as they are; frozen=True in an Embed says by "
                "itself that none of its rows is trained."
            )
        n_rows = tables[readers[0]].module.num_embeddings
        mask = np.array(trainable_rows)  # a copy
        check_row_mask(mask, n_rows)
        masks[readers[0]] = mask
    for path, call in tables.items():
        pad = getattr(call.module, "padding_idx", None)
        if pad is not None:
            mask = masks.setdefault(path, np.ones(call.module.num_embeddings, bool))
            mask[pad] = False
    return unflatten_dict(masks)
