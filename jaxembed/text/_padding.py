"""Padding: sequences of different lengths to one array, equal to Keras's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from jaxembed.text._ragged import Ragged

SIDES = ("pre", "post")

# Numbers, texts or arrays, in lists or arrays.
Lists = Sequence[Sequence[Any]]


def pad_sequences(
    sequences: Ragged | Lists,
    maxlen: int | None = None,
    dtype: DTypeLike = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: float | str = 0,
) -> np.ndarray:
    """One row for each sequence, cut or filled to the same length.

    Equal to ``keras.utils.pad_sequences`` for every argument that Keras takes; with
    ``maxlen=0`` the rows are empty, where Keras mostly fails. By default it keeps the
    *last* ``maxlen`` ids of a sequence and pads in front, as Keras does.

    Args:
      sequences: N sequences of numbers, of texts (with ``dtype=object``) or of arrays
        of one shape ``[...]``; a :class:`Ragged` is padded without a loop.
      maxlen: L, the length of a row; by default that of the longest sequence.
      dtype: the dtype of the result.
      padding: "pre" or "post": the side that is filled.
      truncating: "pre" or "post": the side that is cut.
      value: what a row is filled with.

    Returns:
      ``dtype[N, L, ...]``.

    Raises:
      OverflowError: if an id does not fit into ``dtype``.
      ValueError: if a sequence has no length or another shape than the first, if a
        side is neither "pre" nor "post", or if there is nothing to take L from.

    Example:
      >>> pad_sequences([[1], [2, 3, 4]], maxlen=2)
      array([[0, 1],
             [3, 4]], dtype=int32)
    """
    for name, side in (("padding", padding), ("truncating", truncating)):
        if side not in SIDES:
            raise ValueError(f"{name} must be one of {SIDES}, got {side!r}.")
    if maxlen is not None and maxlen < 0:
        raise ValueError(f"maxlen must be at least 0 or None, got {maxlen}.")
    if isinstance(value, str) and np.dtype(dtype).kind not in "OUS":
        raise ValueError(
            f"value {value!r} is a text and dtype is {dtype}: pad with a number, "
            "or set dtype=object."
        )
    lengths = _lengths(sequences)
    if maxlen is None:
        if not lengths.size:
            raise ValueError("maxlen must be given where there are no sequences.")
        maxlen = int(lengths.max())
    if isinstance(sequences, Ragged):
        return _pad_ragged(sequences, maxlen, dtype, padding, truncating, value)
    return _pad_lists(sequences, maxlen, dtype, padding, truncating, value)


def _lengths(sequences: Ragged | Lists) -> np.ndarray:
    if isinstance(sequences, Ragged):
        return sequences.lengths
    if not hasattr(sequences, "__len__"):
        raise ValueError(f"sequences must be a list, got {type(sequences).__name__}.")
    for place, sequence in enumerate(sequences):
        if not hasattr(sequence, "__len__"):
            raise ValueError(
                f"sequences must be lists, got {sequence!r} at place {place}: "
                "put a single sequence into a list."
            )
    return np.array([len(sequence) for sequence in sequences], np.int64)


def _pad_ragged(
    sequences: Ragged,
    maxlen: int,
    dtype: DTypeLike,
    padding: str,
    truncating: str,
    value: float | str,
) -> np.ndarray:
    padded = np.full((len(sequences), maxlen), value, dtype)
    kept = np.minimum(sequences.lengths, maxlen)
    # For each id that is kept: its row, its place in it, and its place in the values.
    rows = np.repeat(np.arange(len(sequences)), kept)
    places = np.arange(rows.size) - np.repeat(np.cumsum(kept) - kept, kept)
    starts = sequences.offsets[:-1]
    if truncating == "pre":
        starts = sequences.offsets[1:] - kept
    values = sequences.values[np.repeat(starts, kept) + places]
    if padded.dtype.kind in "iu" and values.size:
        limits = np.iinfo(padded.dtype)
        if not limits.min <= values.min() <= values.max() <= limits.max:
            raise OverflowError(
                f"ids from {values.min()} to {values.max()} do not fit into {dtype}."
            )
    if padding == "pre":
        places += np.repeat(maxlen - kept, kept)
    padded[rows, places] = values
    return padded


def _pad_lists(
    sequences: Lists,
    maxlen: int,
    dtype: DTypeLike,
    padding: str,
    truncating: str,
    value: float | str,
) -> np.ndarray:
    first = next((sequence for sequence in sequences if len(sequence)), ())
    shape = np.asarray(first).shape[1:]
    padded = np.full((len(sequences), maxlen, *shape), value, dtype)
    for place, sequence in enumerate(sequences):
        start = max(len(sequence) - maxlen, 0) if truncating == "pre" else 0
        kept = np.asarray(sequence[start : start + maxlen], dtype=dtype)
        if not kept.size:
            continue
        if kept.shape[1:] != shape:
            raise ValueError(
                f"all sequences must hold items of shape {shape}, as the first does, "
                f"got {kept.shape[1:]} at place {place}."
            )
        start = maxlen - len(kept) if padding == "pre" else 0
        padded[place, start : start + len(kept)] = kept
    return padded
