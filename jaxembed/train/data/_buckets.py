"""Buckets: texts of similar length, whose batches are cut to one length."""

from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import numpy as np

from jaxembed._checks import check_count
from jaxembed.nn._inspect import Variables
from jaxembed.train._setup import Interface, inspect_model


class Bucket(NamedTuple):
    """Texts whose words fit into a range of columns.

    Attributes:
      start: first column.
      stop: column after the last.
      numbers: ``int32[n]``, numbers of the texts.
    """

    start: int
    stop: int
    numbers: np.ndarray

    def cut(self, ids: np.ndarray) -> np.ndarray:
        """Return the ids of the texts in these columns, ``int[n, stop - start]``."""
        return ids[self.numbers, self.start : self.stop]


def make_buckets(
    ids: np.ndarray, lengths: Sequence[int], padding_idx: int
) -> list[Bucket]:
    """Put each text into the bucket of the smallest length that holds its words.

    Padding is cut off at the end of the texts, or in front if it stands there.

    Args:
      ids: ``int[N, L]``.
      lengths: lengths of the buckets; L is added.
      padding_idx: id of padding.

    Returns:
      Buckets of rising length that are not empty.

    Raises:
      TypeError: if ``lengths`` is a number, or a length is not an integer.
      ValueError: if a length is below 1.

    Example:
      >>> ids = np.array([[5, 0, 0, 0], [5, 6, 7, 8], [5, 6, 0, 0]])
      >>> [(b.start, b.stop, b.numbers.tolist()) for b in make_buckets(ids, [2], 0)]
      [(0, 2, [0, 2]), (0, 4, [1])]
    """
    width = ids.shape[1]
    chosen = {min(length, width) for length in _check_lengths(lengths)}
    ends = np.array(sorted(chosen | {width}))
    is_word = ids != padding_idx
    # Number of columns up to the last word, and from the first word.
    up_to_last = width - np.argmax(is_word[:, ::-1], 1)
    from_first = width - np.argmax(is_word, 1)
    sizes = up_to_last
    is_in_front = bool(from_first.sum() < up_to_last.sum())
    if is_in_front:
        sizes = from_first
    sizes = np.where(is_word.any(1), sizes, 1)
    places = np.searchsorted(ends, sizes)
    buckets = []
    for place, length in enumerate(ends.tolist()):
        numbers = np.flatnonzero(places == place).astype(np.int32)
        start = width - length if is_in_front else 0
        if numbers.size:
            buckets.append(Bucket(start, start + length, numbers))
    return buckets


def find_padding(
    model: nn.Module, variables: Variables, interface: Interface, lengths: Sequence[int]
) -> int:
    """Return the id of padding of a model that takes texts of several lengths.

    Args:
      model: a Linen module, called as ``model(ids)``.
      variables: its parameters, or their shapes.
      interface: the interface of the model.
      lengths: lengths of texts, for the check of the model.

    Raises:
      TypeError: if ``lengths`` is a number, or a length is not an integer.
      ValueError: if a length is below 1, if the tables do not have one
        ``padding_idx``, or if the model does not take another length.
    """
    counts = _check_lengths(lengths)
    found = {
        getattr(table.module, "padding_idx", None)
        for table in interface.tables.values()
        if table.columns is None or table.columns.any()
    }
    padding = found.pop() if len(found) == 1 else None
    if padding is None:
        raise ValueError(
            "lengths need tables with one padding_idx: give each Embed padding_idx=0, "
            "and pad the ids with 0."
        )
    longest = max(len(interface.limits) - 1, 1)
    shape = jax.ShapeDtypeStruct((1, min([*counts, longest])), np.int32)
    try:
        inspect_model(model, variables, shape)
    except Exception as error:
        raise ValueError(
            "lengths need a model that takes texts of any length, such as one that "
            f"pools rows; this model does not take {shape.shape[1]} words: leave "
            "lengths out."
        ) from error
    return int(padding)


def _check_lengths(lengths: Sequence[int]) -> list[int]:
    """Return the lengths as Python ints, or raise an error."""
    if np.ndim(lengths) == 0:
        raise TypeError(
            f"lengths must be a sequence, such as ({lengths},), got {lengths}."
        )
    return [check_count("lengths", length) for length in lengths]
