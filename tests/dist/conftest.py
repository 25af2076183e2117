"""Processes of one run on this machine."""

import json
import socket
import subprocess
import sys

import pytest

PRELUDE = """
import json
import pathlib
import sys
import jax
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", {n_devices})
from jaxembed import dist
port, n, pid = map(int, sys.argv[1:])
def report(*found):
    pathlib.Path({folder!r}, f"{{pid}}.json").write_text(json.dumps(found))
dist.initialize(f"127.0.0.1:{{port}}", n, pid, **{options})
"""


@pytest.fixture
def start_processes(tmp_path):
    """Return a function that starts ``n`` processes of one run, and returns them.

    Their code has the number ``pid`` of the process and the function ``report``.
    """
    started = []

    def start(code, n=2, n_devices=1, **options):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        prelude = {"n_devices": n_devices, "options": options, "folder": str(tmp_path)}
        text = PRELUDE.format(**prelude) + code
        for pid in range(n):
            command = [sys.executable, "-c", text, *map(str, (port, n, pid))]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            started.append(subprocess.Popen(command, text=True, **pipes))
        return started[-n:]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run_processes(start_processes, tmp_path):
    """Return a function that runs ``n`` processes, and returns what each reports."""

    def run(code, n=2, n_devices=1, **options):
        processes = start_processes(code, n, n_devices, **options)
        outputs = [process.communicate(timeout=300) for process in processes]
        for process, (_, errors) in zip(processes, outputs, strict=True):
            assert process.returncode == 0, errors
        return [json.loads((tmp_path / f"{i}.json").read_text()) for i in range(n)]

    return run
