"""Processes: values on which the processes of a run must agree."""

import json
import math
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from jaxembed.dist._mesh import Rules

WAIT_S = 5.0  # between two looks whether a message must still be waited for
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


def send(name: str, value: Any) -> None:
    """Send a value to the other processes. A thread may call it beside a program.

    Args:
      name: name of the message, which no other message of the run has.
      value: what JSON can hold.
    """
    _find_client().key_value_set(name, json.dumps(value))


def receive(name: str, *, most_s: float = math.inf) -> Any:
    """Wait for a message of :func:`send`. A thread may call it beside a program.

    One process receives a message, once.

    Args:
      name: name of the message.
      most_s: seconds after which to stop waiting.

    Raises:
      TimeoutError: if the message has not been sent.
    """
    client, end = _find_client(), time.monotonic() + most_s
    while True:
        left = min(WAIT_S, max(0.001, end - time.monotonic()))
        try:
            text = client.blocking_key_value_get(name, int(1000 * left))
        except jax.errors.JaxRuntimeError as error:
            if "DEADLINE_EXCEEDED" not in str(error):
                raise
        else:
            client.key_value_delete(name)
            return json.loads(text)
        if time.monotonic() >= end:
            raise TimeoutError(f"the message {name} was not sent in {most_s:.0f} s.")


def _find_client() -> Any:
    """Return the client of the service that joins the processes.

    JAX exports none. The public functions that exchange values between processes run
    programs on the devices, which a thread must not do while a training runs.
    """
    from jax._src import distributed

    return distributed.global_state.client


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
