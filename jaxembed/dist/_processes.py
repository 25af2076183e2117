"""Processes: values on which the processes of a run must agree."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from jaxembed.dist._mesh import Rules

LEAST = 256  # bytes of a message; a longer one is padded to a power of two


def is_joint(mesh: Mesh | Rules | None) -> bool:
    """Return whether a mesh has devices of several processes.

    Raises:
      ValueError: if it lacks the devices of some processes of the run.

    Example:
      >>> is_joint(None)
      False
    """
    if mesh is None or jax.process_count() == 1:
        return False
    mesh = mesh.mesh if isinstance(mesh, Rules) else mesh
    members = {device.process_index for device in mesh.devices.flat}
    if len(members) == 1:
        return False
    missing = sorted(set(range(jax.process_count())) - members)
    if missing:
        raise ValueError(
            f"a mesh of several processes must have devices of all of them, and lacks "
            f"those of the processes {missing}: use all of jax.devices()."
        )
    return True


def gather(value: Any) -> list[Any]:
    """Return the values of all processes, in their order. All must call it.

    Args:
      value: what JSON can hold.

    Example:
      >>> gather({"n": 3})
      [{'n': 3}]
    """
    if jax.process_count() == 1:
        return [value]
    text = json.dumps(value).encode()
    sizes = multihost_utils.process_allgather(np.array([len(text)], np.int32))
    longest = max(LEAST, int(sizes.max()))
    padded = np.zeros(1 << (longest - 1).bit_length(), np.uint8)
    padded[: len(text)] = np.frombuffer(text, np.uint8)
    rows = np.asarray(multihost_utils.process_allgather(padded))
    rows = rows.reshape(jax.process_count(), -1)
    pairs = zip(rows, sizes.reshape(-1), strict=True)
    return [json.loads(row[:size].tobytes()) for row, size in pairs]


def check_equal(name: str, value: Any, remedy: str) -> None:
    """Raise in all processes if their values differ. All must call it.

    Args:
      name: name of the value, for the error.
      value: what JSON can hold.
      remedy: end of the error.

    Raises:
      ValueError: names the first process whose value differs from that of process 0.
    """
    found = gather(value)
    for number, other in enumerate(found):
        if other != found[0]:
            raise ValueError(
                f"{name} must be equal in all processes, and process {number} has "
                f"{_shorten(other)}, process 0 {_shorten(found[0])}: {remedy}"
            )


def share_error(error: Exception | None, doing: str) -> None:
    """Raise in all processes if one of them has an error. All must call it.

    Args:
      error: error of this process, which is raised; or None.
      doing: sentence about the failed action, for the other processes.

    Raises:
      Exception: the error of this process.
      OSError: if another process has one; has its text.
    """
    found = gather(None if error is None else f"{type(error).__name__}: {error}")
    if error is not None:
        raise error
    texts: Sequence[tuple[int, str]] = [(i, x) for i, x in enumerate(found) if x]
    if texts:
        raise OSError(f"process {texts[0][0]} {doing}: {texts[0][1]}")


def do_in_first(action: Callable[[], object], doing: str) -> None:
    """Do something in process 0 while the others wait. All must call it.

    Args:
      action: called in process 0.
      doing: sentence about a failure, for the other processes.

    Raises:
      Exception: in process 0 the error of ``action``, in the others OSError.
    """
    error = None
    if jax.process_index() == 0:
        try:
            action()
        except Exception as raised:
            error = raised
    share_error(error, doing)


def _shorten(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def join(array: np.ndarray) -> np.ndarray:
    """Return the arrays of all processes, joined along the first axis. All call it.

    Args:
      array: ``dtype[N, ...]``, of one shape in all processes.

    Returns:
      ``dtype[n * N, ...]`` for n processes, in their order.

    Example:
      >>> join(np.array([3, 1]))
      array([3, 1])
    """
    if jax.process_count() == 1:
        return array
    return np.asarray(multihost_utils.process_allgather(array, tiled=True))
