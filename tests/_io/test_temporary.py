"""Temporary files: removed after a killed process, and kept while in use."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from jaxembed import _io
from jaxembed._io import _temporary

HOLD = """
import sys
from pathlib import Path
from jaxembed import _io
with _io.temporary(Path(sys.argv[1]), folder=sys.argv[2] == "folder") as beside:
    print(beside, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def hold(tmp_path):
    """Return a function that starts a process with a temporary file."""
    started = []

    def start(kind="file"):
        command = [sys.executable, "-c", HOLD, str(tmp_path / "a.vec"), kind]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_only_files_of_killed_processes_are_removed(hold, tmp_path, kind):
    running, kept = hold(kind)
    killed, left = hold(kind)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert os.path.exists(left)
    if kind == "folder":
        open(f"{left}/weights", "w").close()
    with _io.replace(tmp_path / "b.vec") as beside:
        beside.touch()
    assert sorted(map(str, tmp_path.iterdir())) == sorted([kept, f"{tmp_path}/b.vec"])
    running.communicate()
    assert os.listdir(tmp_path) == ["b.vec"]


@pytest.mark.parametrize(
    "name", ["a.vec", ".a.vec.jaxembed-tmp", "x.jaxembed-tmp", f".a.{'0' * 32}"]
)
def test_other_files_are_kept(tmp_path, name):
    (tmp_path / name).touch()
    _io.remove_abandoned(tmp_path)
    assert os.listdir(tmp_path) == [name]
    _io.remove_abandoned(tmp_path / "none")  # no error


def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / f".a.{'0' * 32}.jaxembed-tmp")
    _io.remove_abandoned(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_file_removed_before_it_is_locked_is_created_again(tmp_path, monkeypatch):
    lock, calls = _temporary._lock, []

    def lock_late(descriptor, *, wait):
        if wait and not calls:  # another process removes the file in between
            calls.append(next(tmp_path.iterdir()).unlink())
        return lock(descriptor, wait=wait)

    monkeypatch.setattr(_temporary, "_lock", lock_late)
    with _io.temporary(tmp_path / "a") as beside:
        assert beside.exists() and calls == [None]


def test_threads_in_one_folder_do_not_remove_each_others_files(tmp_path):
    errors = []

    def write(number):
        try:
            for _ in range(50):
                with _io.replace(tmp_path / f"{number}") as beside:
                    beside.write_text(str(number))
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        str(number): str(number) for number in range(4)
    }


def test_without_locks_nothing_is_removed(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(37, "No locks available")

    left = tmp_path / f".a.{'0' * 32}.jaxembed-tmp"
    left.touch()
    monkeypatch.setattr(_temporary.fcntl, "flock", refuse)
    with _io.replace(tmp_path / "b") as beside:
        beside.write_text("whole")
    assert sorted(os.listdir(tmp_path)) == [left.name, "b"]
