"""Processes: values of all of them, and errors that all raise."""

import jax
import pytest

from jaxembed.dist import _processes

CODE = """
import numpy as np
from jaxembed.dist import _processes
lists = _processes.gather([pid] * 200 * pid)
nothing = _processes.gather(None)
errors = []
try:
    _processes.check_equal("the data", ["same", pid], "give the same data.")
except ValueError as error:
    errors.append(str(error))
_processes.check_equal("the data", ["same"], "never seen")
try:
    error = BlockingIOError("locked") if pid == 0 else None
    _processes.share_error(error, "cannot take the lock")
except OSError as error:
    errors.append(f"{type(error).__name__}: {error}")
_processes.share_error(None, "cannot take the lock")
both = jax.make_mesh((4,), ("data",))
own = jax.make_mesh((2,), ("data",), devices=jax.local_devices())
joint = [_processes.is_joint(mesh) for mesh in (both, own, None)]
report(lists, nothing, errors, joint)
"""


def test_values_and_errors_of_two_processes(run_processes):
    for pid, found in enumerate(run_processes(CODE, n_devices=2)):
        lists, nothing, errors, joint = found
        assert lists == [[], [1] * 200] and nothing == [None, None]
        assert errors[0] == (
            "the data must be equal in all processes, and process 1 has "
            '["same", 1], process 0 ["same", 0]: give the same data.'
        )
        assert errors[1] == (
            "OSError: process 0 cannot take the lock: BlockingIOError: locked"
            if pid
            else "BlockingIOError: locked"
        )
        assert joint == [True, False, False]


def test_one_process_agrees_with_itself():
    _processes.check_equal("the data", [1], "give the same data.")
    _processes.share_error(None, "fails")
    with pytest.raises(FileExistsError, match="there"):
        _processes.share_error(FileExistsError("there"), "fails")


def test_a_mesh_without_a_process_is_refused(monkeypatch):
    class Device:
        def __init__(self, process_index):
            self.process_index = process_index

    class Mesh:
        class devices:  # noqa: N801
            flat = [Device(0), Device(2)]

    monkeypatch.setattr(jax, "process_count", lambda: 3)
    with pytest.raises(ValueError, match=r"lacks those of the processes \[1\]: use"):
        _processes.is_joint(Mesh())


MESSAGES = """
import threading
from jaxembed.dist import _processes
found = []
def answer():
    found.append(_processes.receive(f"to {pid}"))
thread = threading.Thread(target=answer)
thread.start()
total = _processes.gather(pid)  # a program, beside the thread that waits
_processes.send(f"to {1 - pid}", {"from": pid, "text": "é" * 5_000})
thread.join()
try:
    _processes.receive("never sent", most_s=0.2)
except TimeoutError as error:
    found.append(str(error))
report(total, found)
"""


def test_threads_exchange_messages(run_processes):
    for pid, (total, found) in enumerate(run_processes(MESSAGES)):
        assert total == [0, 1]
        assert found[0] == {"from": 1 - pid, "text": "é" * 5_000}
        assert found[1] == "the message never sent was not sent in 0 s."
