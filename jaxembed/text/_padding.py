"""Padding: pad and truncate sequences to one length, as Keras does."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from jaxembed.text._ragged import Ragged

SIDES = ("pre", "post")

# Sequences of numbers, of strings or of arrays.
Lists = Sequence[Sequence[Any]]


def pad_sequences(
    sequences: Ragged | Lists,
    maxlen: int | None = None,
    dtype: DTypeLike = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: float | str = 0,
) -> np.ndarray:
    """Pad or truncate all sequences to one length, and stack them as rows.

    Equal to ``keras.utils.pad_sequences`` for every argument that Keras takes. By
    default it keeps the *last* ``maxlen`` ids of a sequence and pads in front, as Keras
    does. ``maxlen=0`` gives empty rows; Keras mostly fails there.

    Args:
      sequences: N sequences of numbers, of strings (with ``dtype=object``) or of arrays
        of one shape ``[...]``. A :class:`Ragged` is padded without a Python loop.
      maxlen: L, length of a row; by default the length of the longest sequence.
      dtype: dtype of the result.
      padding: side that is padded, "pre" or "post".
      truncating: side that is truncated, "pre" or "post".
      value: padding value.

    Returns:
      ``dtype[N, L, ...]``.

    Raises:
      OverflowError: if an id does not fit into ``dtype``.
      ValueError: if ``sequences`` or an item of it is not a sequence; if the arrays
        differ in shape; if ``padding`` or ``truncating`` is neither "pre" nor "post";
        if ``maxlen`` is negative, or None for empty ``sequences``; or if ``value`` is a
        string and ``dtype`` a number.

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
            f"value {value!r} is a string and dtype is {dtype}: pad with a number, "
            "or set dtype=object."
        )
    lengths = _lengths(sequences)
    if maxlen is None:
        if not lengths.size:
            raise ValueError("maxlen must be given if sequences is empty.")
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
                f"sequences must contain lists, got {sequence!r} at index {place}: "
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
    # For each kept id: its row, its place in the row, its index in sequences.values.
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
                f"all sequences must have items of shape {shape}, as the first does, "
                f"got {kept.shape[1:]} at index {place}."
            )
        start = maxlen - len(kept) if padding == "pre" else 0
        padded[place, start : start + len(kept)] = kept
    return padded
