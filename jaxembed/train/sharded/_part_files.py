"""Part files: one file for each part of an array, with its SHA-256."""

import hashlib
import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxembed.train.sharded._parts import Parts, RowFile, Share

FOLDER = "parts"
N_THREADS = 8


def describe_parts(arrays: Mapping[str, Parts]) -> dict[str, dict[str, Any]]:
    """Return the dtype, the shape and the files of each array as JSON.

    Example:
      >>> describe_parts({"a": Parts((3, 2), np.dtype("f4"), 2, {})})
      {'a': {'dtype': 'float32', 'shape': [3, 2], 'files': ['parts/0-0', 'parts/0-1']}}
    """
    return {
        name: {
            "dtype": str(array.dtype),
            "shape": list(array.shape),
            "files": [f"{FOLDER}/{i}-{k}" for k in range(array.n_parts)],
        }
        for i, (name, array) in enumerate(sorted(arrays.items()))
    }


def write_parts(folder: Path, arrays: Mapping[str, Parts]) -> dict[str, str]:
    """Write the parts that this process has, and flush them to the disk.

    Args:
      folder: the folder of a save, created if it does not exist.
      arrays: the arrays of the save by name. All processes must give the same names.

    Returns:
      The SHA-256 of each file by its path in ``folder``.

    Raises:
      OSError: if a file cannot be written, or exists.
    """
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    files = describe_parts(arrays)
    jobs = [
        (files[name]["files"][number], array, number)
        for name, array in arrays.items()
        for number in sorted(array.sources)
    ]
    with ThreadPoolExecutor(N_THREADS) as pool:
        digests = pool.map(lambda job: _write(folder / job[0], *job[1:]), jobs)
        return {job[0]: digest for job, digest in zip(jobs, digests, strict=True)}


def _write(path: Path, array: Parts, number: int) -> str:
    """Write one part, and return its SHA-256."""
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for _, block in array.iter_blocks(number):
            # View as bytes: the buffer protocol does not support bfloat16.
            data = np.ascontiguousarray(block).reshape(-1).view(np.uint8).data
            file.write(data)
            digest.update(data)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def open_parts(
    described: Mapping[str, Mapping[str, Any]],
    files: Mapping[str, Path],
    share: Share | None,
) -> dict[str, Parts]:
    """Return the arrays of :func:`describe_parts`, whose rows are read when needed.

    Args:
      described: the result of :func:`describe_parts`.
      files: the files of the save by their path.
      share: shards of this process, of which the rows are needed; None for all rows.

    Raises:
      ValueError: if a file is missing or has another size.
    """
    arrays = {}
    for name, form in described.items():
        names = form["files"]
        array = Parts(form["shape"], jnp.dtype(form["dtype"]), len(names), {})
        if not names:
            raise ValueError(f"{name} has no files.")
        needed = array.find_needed(share)
        for number, file in enumerate(names):
            if file not in files:
                raise ValueError(f"the file {file} is missing.")
            shape = array.shape_of(number)
            size = math.prod(shape) * array.dtype.itemsize
            if (found := files[file].stat().st_size) != size:
                raise ValueError(f"{file} must have {size} bytes, got {found}.")
            if number in needed:
                array.sources[number] = RowFile(files[file], shape, array.dtype)
        arrays[name] = array
    return arrays


def find_unneeded(arrays: Mapping[str, Parts], described: Mapping[str, Any]) -> set:
    """Return the files of :func:`open_parts` of which this process needs no row."""
    return {
        file
        for name, array in arrays.items()
        for number, file in enumerate(described[name]["files"])
        if number not in array.sources
    }
