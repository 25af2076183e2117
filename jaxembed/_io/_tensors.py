"""Tensors: write named arrays as safetensors, and check a header before reading."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any, NamedTuple

import numpy as np

MAX_HEADER = 100_000_000  # bytes, as in safetensors
# In the order in which safetensors writes them: large items first, for alignment.
NAMES = {"I64": "<i8", "F64": "<f8", "F32": "<f4", "I32": "<i4", "U8": "u1"}
DTYPES = {np.dtype(dtype): name for name, dtype in NAMES.items()}
ALIGNMENT = 8  # the content begins at a multiple of 8 bytes


class Tensor(NamedTuple):
    """Place of an array in a file.

    Attributes:
      dtype: its dtype, as in the file.
      shape: its shape.
      start: index of its first byte in the content, which follows the header.
      end: index after its last byte.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    start: int
    end: int


class Header(NamedTuple):
    """Header of a safetensors file.

    Attributes:
      tensors: the arrays by name.
      metadata: other texts by name.
      n_bytes: size of the header, with the 8 bytes of its length.
      content: size of the content.
    """

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    n_bytes: int
    content: int


def write_tensors(
    arrays: Mapping[str, np.ndarray],
    stream: IO[bytes],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write arrays in the format of safetensors, without a copy of them.

    Unlike ``safetensors.numpy.save_file``, a full disk raises an OSError.

    Args:
      arrays: arrays of float64, float32, int64, int32 or uint8, by name.
      stream: open file.
      metadata: texts by name.

    Example:
      >>> import io
      >>> stream = io.BytesIO()
      >>> write_tensors({"a": np.ones(2, np.float32)}, stream)
      >>> from safetensors import numpy
      >>> numpy.load(stream.getvalue())
      {'a': array([1., 1.], dtype=float32)}
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    order = list(DTYPES)
    names = sorted(arrays, key=lambda name: (order.index(arrays[name].dtype), name))
    place = 0
    for name in names:
        array = arrays[name]
        header[name] = {
            "dtype": DTYPES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [place, place + array.nbytes],
        }
        place += array.nbytes
    data = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    data += b" " * (-len(data) % ALIGNMENT)
    stream.write(len(data).to_bytes(8, "little") + data)
    for name in names:
        flat = np.ascontiguousarray(arrays[name]).reshape(-1)
        stream.write(flat.view(np.uint8).data)


def read_header(read: Any, size: int | None = None) -> Header:
    """Read and check the header of a safetensors file.

    Args:
      read: called with a number of bytes; returns the next bytes of the file.
      size: size of the whole file; None if it is unknown, as in a compressed file.

    Raises:
      ValueError: if the header is not that of arrays which fill the content without a
        gap, or the content has another size.
    """
    n_header = int.from_bytes(read(8), "little")
    if n_header > MAX_HEADER or size is not None and 8 + n_header > size:
        raise ValueError(f"its header declares {n_header} bytes for itself")
    text = read(n_header)
    if len(text) < n_header:
        raise ValueError(f"its header has {len(text)} of {n_header} bytes")
    try:
        header = json.loads(text)
        metadata = header.pop("__metadata__", {})
        tensors = {name: _read_tensor(entry) for name, entry in header.items()}
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(
            f"its header is not that of safetensors ({type(error).__name__}: {error})"
        ) from error
    end = 0
    for tensor in sorted(tensors.values(), key=lambda tensor: tensor[2:]):
        if tensor.start != end:
            raise ValueError(f"an array begins at byte {tensor.start} instead of {end}")
        end = tensor.end
    if size is not None and size != 8 + n_header + end:
        raise ValueError(f"it has {size} bytes, and needs {8 + n_header + end}")
    return Header(tensors, metadata, 8 + n_header, end)


def _read_tensor(entry: Any) -> Tensor:
    dtype, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not all(type(n) is int and n >= 0 for n in (*shape, start, end)):
        raise ValueError(f"sizes must be integers from 0 on, got {entry!r:.80}")
    found = np.dtype(NAMES[dtype])
    if end - start != math.prod(shape) * found.itemsize:
        raise ValueError(f"{dtype}{shape} does not fill the bytes {start} to {end}")
    return Tensor(found, tuple(shape), start, end)
