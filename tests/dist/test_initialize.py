"""Initialize: two processes, refusals, and the loss of a process."""

import re
import signal
import socket

import jax
import pytest

from jaxembed import dist

SUM = """
import jax.numpy as jnp
import numpy as np
dist.initialize()  # again: nothing to do
mesh = jax.make_mesh((jax.device_count(),), ("data",))
spec = jax.NamedSharding(mesh, jax.P("data"))
mine = np.arange(2.0, dtype=np.float32) + 10 * pid
total = jax.jit(jnp.sum)(jax.make_array_from_process_local_data(spec, mine))
try:
    dist.initialize(n_processes=3)
except ValueError as error:
    refusal = str(error)
report(jax.process_index(), jax.device_count(), float(total), refusal)
"""


def test_two_processes_are_joined(run_processes):
    found = run_processes(SUM, n_devices=2)
    assert [line[:3] for line in found] == [[0, 4, 22.0], [1, 4, 22.0]]
    assert "already number 1 of 2" in found[1][3] and "n_processes=3" in found[1][3]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("node-0", 2, 0), ValueError, "coordinator must be 'HOST:PORT'"),
        (("node-0:99999", 2, 0), ValueError, "got 'node-0:99999'"),
        ((7, 2, 0), TypeError, "coordinator must be a string, got 7"),
        (("a:1", 2, 2), ValueError, "below n_processes = 2, got 2: the numbers"),
        (("a:1", 2.0, 0), TypeError, "n_processes must be an integer, got 2.0"),
        (("a:1", 0, 0), ValueError, "n_processes must be at least 1, got 0"),
        (("a:1", 2, -1), ValueError, "process_id must be at least 0, got -1"),
    ],
)
def test_a_bad_argument_is_refused(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        dist.initialize(*arguments)


def test_a_bad_number_of_seconds_is_refused():
    with pytest.raises(ValueError, match="heartbeat_s must be at least 1, got 0"):
        dist.initialize("a:1", 2, 0, heartbeat_s=0)


def test_it_is_refused_after_jax_was_used():
    jax.devices()
    with pytest.raises(ValueError, match="before JAX is used"):
        dist.initialize("127.0.0.1:1", 2, 0)
    assert not jax.distributed.is_initialized()


@pytest.fixture
def unused_jax(monkeypatch):
    """Make JAX look unused, for a call that fails before it starts a backend."""
    name = "jax._src.xla_bridge.backends_are_initialized"
    monkeypatch.setattr(name, lambda: False)


def test_no_cluster_is_refused(unused_jax):
    with pytest.raises(ValueError, match=r"no cluster was found .*n_processes= and "):
        dist.initialize()


def test_a_port_in_use_is_an_error(unused_jax):
    with socket.create_server(("0.0.0.0", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(OSError, match=f"cannot listen at {address}"):
            dist.initialize(address, 2, 0)


def test_a_coordinator_that_does_not_answer_is_an_error():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and not listening
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(TimeoutError, match=f"no process listens .* {address}"):
            dist.initialize(address, 2, 1, timeout_s=1)


WAIT = """
import time
print("joined", flush=True)
time.sleep(100)
"""


@pytest.mark.long
@pytest.mark.parametrize("dead", [0, 1])
def test_a_dead_process_ends_the_other(start_processes, dead):
    processes = start_processes(WAIT, heartbeat_s=2)
    for process in processes:
        assert process.stdout.readline() == "joined\n"
    processes[dead].kill()
    _, errors = processes[1 - dead].communicate(timeout=60)
    assert processes[1 - dead].returncode == -signal.SIGABRT
    assert "JAX distributed service detected fatal errors" in errors


@pytest.mark.long
def test_an_exception_in_one_process_ends_the_other(start_processes):
    code = WAIT + "\n" * 2
    code = code.replace("time.sleep(100)", "time.sleep(100) if pid else 1 / 0")
    processes = start_processes(code, shutdown_s=2)
    outputs = [process.communicate(timeout=60) for process in processes]
    assert "ZeroDivisionError" in outputs[0][1]
    assert "Shutdown barrier has failed" in outputs[1][1]
    assert [process.returncode for process in processes] == [-signal.SIGABRT] * 2
