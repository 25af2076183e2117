"""Initialize: join the processes of a training run on several hosts."""

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence

import jax

from jaxembed._checks import check_count

REMEDY = (
    "Give coordinator='HOST:PORT' (an address of process 0), n_processes= and "
    "process_id=, or start the processes with SLURM, on a TPU pod, by Open MPI, or on "
    "Kubernetes with the package of jax[k8s]."
)
USED = (
    "dist.initialize must be called before JAX is used, and a program, jax.devices or "
    "a conversion to a JAX array has used it: call it first."
)

LATE = """
dist.initialize: not all processes have joined after {waited:.0f} s, so XLA will abort
this process in {left:.0f} s. A process was not started, or has died: read its log, and
start the same command again on all hosts. If hosts start minutes apart, call
dist.initialize(timeout_s=300).
"""


def initialize(
    coordinator: str | None = None,
    n_processes: int | None = None,
    process_id: int | None = None,
    *,
    local_devices: Sequence[int] | None = None,
    heartbeat_s: int = 20,
    shutdown_s: int = 40,
    timeout_s: int = 60,
) -> None:
    """Join this process with the other processes of a run.

    Each process calls it once, before any other use of JAX. Afterwards,
    ``jax.devices()`` are the devices of all processes. Without arguments, JAX finds the
    other processes by the variables of SLURM or Open MPI, by the metadata of a TPU pod,
    or by the API of Kubernetes. With SLURM and Open MPI, each process then takes the
    device whose number is its number on the host; give ``local_devices`` to change
    that.

    A process that dies ends all others within ``heartbeat_s`` seconds and a few more.
    XLA writes "Terminating process because the JAX distributed service detected fatal
    errors" with the number of the dead process, and aborts the process with SIGABRT,
    which Python cannot catch. Start the same command again to resume from a checkpoint.
    If not all processes have joined after ``timeout_s`` seconds, XLA aborts those that
    wait. The remedy is written to stderr just before.

    Args:
      coordinator: address of process 0, ``"HOST:PORT"``, with any free port.
      n_processes: number of processes. With 1, nothing is done.
      process_id: number of this process, from 0 to ``n_processes - 1``.
      local_devices: numbers of the GPUs of this host that the process takes; None for
        all.
      heartbeat_s: seconds without a sign of life after which a process counts as dead.
      shutdown_s: seconds that a process which has ended, or has raised an exception,
        waits for the end of the others. Later, all processes are aborted.
      timeout_s: seconds to wait for the other processes. Give more if hosts start
        minutes apart.

    Raises:
      TypeError: if a number is not an integer, or ``coordinator`` is not a string.
      ValueError: if arguments are missing and no cluster is found, if ``process_id`` is
        out of range, if JAX has already been used, or if the process has joined
        another run. A second call that agrees with the first does nothing.
      OSError: if the port is in use, or no process 0 answers in ``timeout_s`` seconds.

    Example:
      >>> initialize(n_processes=1)  # one process: nothing to join
      >>> initialize("node-0", 2, 0)
      Traceback (most recent call last):
      ValueError: coordinator must be 'HOST:PORT', such as 'node-0:8476', got 'node-0'.
    """
    _check(coordinator, n_processes, process_id)
    seconds = {"heartbeat_s": heartbeat_s, "shutdown_s": shutdown_s}
    for name, value in {**seconds, "timeout_s": timeout_s}.items():
        check_count(name, value)
    if jax.distributed.is_initialized():
        return _check_agreement(n_processes, process_id)
    if n_processes == 1:
        return
    is_explicit = None not in (coordinator, n_processes, process_id)
    if is_explicit and process_id:
        timeout_s = _await_coordinator(str(coordinator), timeout_s)
    elif is_explicit:
        _check_port(str(coordinator))
    try:
        with _warn_before(timeout_s):
            jax.distributed.initialize(
                coordinator,
                n_processes,
                process_id,
                local_device_ids=local_devices,
                cluster_detection_method="deactivate" if is_explicit else None,
                initialization_timeout=timeout_s,
                heartbeat_timeout_seconds=heartbeat_s,
                shutdown_timeout_seconds=shutdown_s,
            )
    except ValueError as error:
        raise ValueError(f"no cluster was found ({error}). {REMEDY}") from error
    except RuntimeError as error:
        if "must be called before" not in str(error):
            raise
        raise ValueError(USED) from error


@contextlib.contextmanager
def _warn_before(timeout_s: int) -> Iterator[None]:
    """Write the remedy to stderr before XLA aborts the process, unless all join."""
    waited = 0.9 * timeout_s
    words = LATE.format(waited=waited, left=timeout_s - waited)
    timer = threading.Timer(waited, lambda: print(words, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _check(
    coordinator: str | None, n_processes: int | None, process_id: int | None
) -> None:
    if coordinator is not None:
        if not isinstance(coordinator, str):
            raise TypeError(f"coordinator must be a string, got {coordinator!r}.")
        host, colon, port = coordinator.rpartition(":")
        if not (host and colon and port.isdecimal() and 0 < int(port) < 2**16):
            raise ValueError(
                "coordinator must be 'HOST:PORT', such as 'node-0:8476', got "
                f"{coordinator!r}."
            )
    if n_processes is not None:
        check_count("n_processes", n_processes)
    if process_id is not None:
        check_count("process_id", process_id, least=0)
        if n_processes is not None and process_id >= n_processes:
            raise ValueError(
                f"process_id must be below n_processes = {n_processes}, got "
                f"{process_id}: the numbers begin with 0."
            )


def _check_agreement(n_processes: int | None, process_id: int | None) -> None:
    """Raise if the process has joined a run of other numbers."""
    asked = n_processes, process_id
    joined = jax.process_count(), jax.process_index()
    if any(x not in (None, y) for x, y in zip(asked, joined, strict=True)):
        raise ValueError(
            f"this process is already number {joined[1]} of {joined[0]}, and "
            f"dist.initialize was called again with n_processes={n_processes} and "
            f"process_id={process_id}: call it once."
        )


def _check_port(coordinator: str) -> None:
    """Raise if another program listens at the port of process 0."""
    try:
        socket.create_server(("", int(coordinator.rpartition(":")[2]))).close()
    except OSError as error:
        raise OSError(
            f"process 0 cannot listen at {coordinator} ({error}): give another port to "
            "all processes."
        ) from error


def _await_coordinator(coordinator: str, timeout_s: int) -> int:
    """Wait until process 0 listens, since XLA aborts the process if it does not.

    Returns:
      The seconds that are left, at least 1.

    Raises:
      OSError: if it does not listen in time.
    """
    host, _, port = coordinator.rpartition(":")
    end = time.monotonic() + timeout_s
    while True:
        try:
            with socket.create_connection((host.strip("[]"), int(port)), 5):
                return max(1, int(end - time.monotonic()))
        except OSError as error:
            if time.monotonic() > end:
                raise TimeoutError(
                    f"no process listens at the coordinator {coordinator} after "
                    f"{timeout_s} s ({error}): start process 0, and check the address "
                    "and the firewall."
                ) from error
            time.sleep(0.2)
