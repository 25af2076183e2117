"""Hash: the SHA-256 of named arrays."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np


def hash_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of the names, dtypes, shapes and bytes of arrays.

    Args:
      arrays: arrays by name. Their order does not matter. One with the method
        ``iter_words`` is hashed in the blocks of rows that it yields.

    Returns:
      64 hexadecimal digits.

    Example:
      >>> hash_arrays({"a": np.zeros(3)}) == hash_arrays({"a": -np.zeros(3)})
      False
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array: Any = arrays[name]
        is_in_blocks = hasattr(array, "iter_words")
        array = array if is_in_blocks else np.asarray(array)
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        for block in array.iter_words() if is_in_blocks else [array]:
            # View as bytes: the buffer protocol does not support bfloat16.
            digest.update(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
