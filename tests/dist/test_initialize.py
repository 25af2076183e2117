"""Initialize: two processes, refusals, and the loss of a process."""

import json
import os
import re
import signal
import socket
import subprocess
import sys

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


@pytest.mark.long
@pytest.mark.parametrize("n_started", [1, 2])
def test_a_process_that_never_joins_ends_the_others(start_processes, n_started):
    processes = start_processes("print('joined')", 3, timeout_s=5)
    for process in processes[n_started:]:
        process.kill()
    for process in processes[:n_started]:
        output, errors = process.communicate(timeout=60)
        assert not output and process.returncode == -signal.SIGABRT
        remedy = "not all processes have joined after [45] s, so XLA will abort"
        assert re.search(remedy, errors) and "start the same command" in errors


def test_kubernetes_without_its_package_is_refused(unused_jax, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with (
        pytest.warns(UserWarning, match=r"pip install jax\[k8s\]"),
        pytest.raises(ValueError, match=r"no cluster was found .* package of jax\[k8s"),
    ):
        dist.initialize()


SLURM = """
import json, os, sys
import jax
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 2)
import numpy as np
from jaxembed import dist
dist.initialize()
rules = dist.Rules(dist.make_mesh())
table = np.arange(22.0, dtype=np.float32).reshape(11, 2)
words = dist.to_words(dist.to_shards(table, rules), 11)
found = jax.process_index(), jax.process_count(), jax.device_count()
print(json.dumps([*found, bool((words == table).all())]))
"""


@pytest.mark.long
def test_the_tasks_of_slurm_are_joined():
    with socket.socket() as free:  # JAX takes a port from 61440 on, by the job's number
        ports = iter(range(61440, 65536))
        while True:
            try:
                free.bind(("0.0.0.0", port := next(ports)))
                break
            except OSError:
                continue
    job = {"SLURM_JOB_ID": str(port - 61440), "SLURM_NTASKS": "2"}
    job |= {"SLURM_STEP_NODELIST": "localhost", "SLURM_STEP_NUM_NODES": "1"}
    tasks = []
    for number in ("0", "1"):
        task = {"SLURM_PROCID": number, "SLURM_LOCALID": number}
        command = [sys.executable, "-c", SLURM]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        environment = os.environ | job | task
        tasks.append(subprocess.Popen(command, env=environment, text=True, **pipes))
    outputs = [task.communicate(timeout=120) for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], outputs
    found = [
        json.loads(output.splitlines()[-1]) for output, _ in outputs
    ]  # after Gloo's
    assert found == [[0, 2, 4, True], [1, 2, 4, True]]


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
