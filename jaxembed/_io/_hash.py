"""Hash: the SHA-256 of named arrays."""

import hashlib
from collections.abc import Mapping

import numpy as np


def hash_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of the names, dtypes, shapes and bytes of arrays.

    Args:
      arrays: arrays by name. Their order does not matter.

    Returns:
      64 hexadecimal digits.

    Example:
      >>> hash_arrays({"a": np.zeros(3)}) == hash_arrays({"a": -np.zeros(3)})
      False
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        # View as bytes: the buffer protocol does not support bfloat16.
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
