"""lock: one writer at a time, readers without a lock, no lock file left behind."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxembed import train
from jaxembed.train.checkpoint import _joint
from jaxembed.train.checkpoint._lock import LOCK_NAME, lock

HOLD = """
import sys
from jaxembed.train.checkpoint import _files
from jaxembed.train.checkpoint._lock import lock
with lock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Start a process that holds the lock of ``tmp_path / "model"``."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "model")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == "held\n"
        yield process


def test_a_second_writer_is_refused_at_once(fit, tmp_path, holder):
    path = tmp_path / "model"
    message = f"{path}: process {holder.pid} on host {socket.gethostname()}. Wait"
    with pytest.raises(BlockingIOError, match=message):
        train.save(path, {"a": np.ones(2)}, overwrite=True)
    seen = []
    with pytest.raises(BlockingIOError, match=message):
        fit(checkpoint=path, on_epoch=seen.append)
    assert seen == [] and [entry.name for entry in path.iterdir()] == [LOCK_NAME]
    holder.communicate("")
    assert not path.exists()  # the holder wrote nothing
    train.save(path, {"a": np.ones(2)})


def test_kill_9_frees_the_lock(tmp_path, holder):
    path = tmp_path / "model"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (path / LOCK_NAME).exists()
    train.save(path, {"a": np.ones(2)})
    assert sorted(entry.name for entry in path.iterdir()) == ["0"]


def test_a_reader_takes_no_lock(tmp_path):
    path = tmp_path / "model"
    train.save(path, {"a": np.ones(2)})
    with lock(path):
        np.testing.assert_array_equal(train.restore(path)[0]["a"], 1)


def test_fit_holds_the_lock_for_the_whole_run(fit, tmp_path):
    refused = []

    def save(history):
        with pytest.raises(BlockingIOError, match=f"process {os.getpid()} on host"):
            train.save(tmp_path / "run", {"a": np.ones(2)}, overwrite=True)
        refused.append(len(history))

    fit(checkpoint=tmp_path / "run", epochs=2, on_epoch=save)
    assert refused == [1, 2]


def test_threads_exclude_each_other(tmp_path):
    """Count the holders inside of the lock."""
    holders, most, n_held = [0], [0], [0]

    def work():
        for _ in range(200):
            try:
                with lock(tmp_path / "model"):
                    holders[0] += 1
                    most[0] = max(most[0], holders[0])
                    n_held[0] += 1
                    holders[0] -= 1
            except BlockingIOError:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] and n_held[0] > 0
    assert not (tmp_path / "model" / LOCK_NAME).exists()


def test_a_folder_removed_while_it_is_created_is_created_again(tmp_path, monkeypatch):
    """Remove the folder between the two looks of Path.mkdir, as another writer does."""
    mkdir, calls = os.mkdir, []

    def find_it_first(path, *arguments):
        calls.append(path)
        if len(calls) == 1:
            raise FileExistsError(errno.EEXIST, "File exists", os.fspath(path))
        mkdir(path, *arguments)

    monkeypatch.setattr(os, "mkdir", find_it_first)
    with lock(tmp_path / "model"):
        assert (tmp_path / "model" / LOCK_NAME).exists()
    assert len(calls) == 2


def test_a_folder_that_cannot_be_created_is_refused(tmp_path, monkeypatch):
    def fail(path, **settings):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))

    monkeypatch.setattr(Path, "mkdir", fail)  # as in /proc
    with pytest.raises(FileNotFoundError, match="run"), lock(tmp_path / "run"):
        pass


def test_a_path_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for path in (tmp_path / "file", tmp_path / "dangling"):
        with pytest.raises(OSError):
            lock(path).__enter__()


def test_a_lock_file_that_was_removed_is_no_lock(tmp_path, monkeypatch):
    """Remove the file after it is opened, as a writer that ends at this moment does."""
    flock, calls = fcntl.flock, []

    def remove_first(descriptor, operation):
        flock(descriptor, operation)
        calls.append(descriptor)
        if len(calls) == 1:
            (tmp_path / LOCK_NAME).unlink()

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with lock(tmp_path):
        with pytest.raises(BlockingIOError):
            lock(tmp_path).__enter__()
    assert len(calls) == 2


def test_a_checkpoint_of_a_faster_writer_is_not_replaced(tmp_path, monkeypatch):
    """Save from another process after this process has found the folder free."""
    path, calls = tmp_path / "model", []

    def wait_for_another(folder):
        calls.append(folder)
        if len(calls) == 1:
            train.save(path, {"a": np.zeros(2)})
        return lock(folder)

    monkeypatch.setattr(_joint, "lock", wait_for_another)
    with pytest.raises(FileExistsError, match="model exists already"):
        train.save(path, {"a": np.ones(2)})
    np.testing.assert_array_equal(train.restore(path)[0]["a"], 0)


def test_a_file_system_without_locks_is_a_warning(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.warns(UserWarning, match="the file system of .* has no locks") as found:
        train.save(tmp_path / "model", {"a": np.ones(2)})
    assert len(found) == 1
    np.testing.assert_array_equal(train.restore(tmp_path / "model")[0]["a"], 1)


def test_another_error_of_the_lock_is_raised(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        train.save(tmp_path / "model", {"a": np.ones(2)})


def test_refused_arguments_create_no_folder(fit, tmp_path):
    with pytest.raises(ValueError, match="at least one array"):
        train.save(tmp_path / "model", {})
    with pytest.raises(TypeError, match="not JSON serializable"):
        train.save(tmp_path / "model", {"a": np.ones(2)}, {"key": object()})
    with pytest.raises(ValueError, match="keep must be at least 1, got 0"):
        train.save(tmp_path / "model", {"a": np.ones(2)}, keep=0)
    with pytest.raises(ValueError, match="params: embed"):
        fit(checkpoint=tmp_path / "model", params={"embed": {"x": jax.numpy.ones(2)}})
    assert not (tmp_path / "model").exists()
