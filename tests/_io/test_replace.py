"""Replace: files and folders are whole or as they were; a full disk is explained."""

import errno
import os
import resource
from contextlib import contextmanager

import pytest

from jaxembed import _io
from jaxembed._io import _folders


@contextmanager
def largest_file(n_bytes):
    """Limit the size of files, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_line_and_the_old_file_stays(tmp_path):
    path = tmp_path / "a.vec"
    path.write_text("old")
    message = (
        rf"the file is larger .*: {path} needs 5,000 bytes\. Free some space, or give "
        r"a path on another disk\.$"
    )
    with largest_file(1000), pytest.raises(OSError, match=message) as caught:
        with _io.replace(path, n_bytes=5000) as beside:
            beside.write_bytes(bytes(5000))
    assert caught.value.errno == errno.EFBIG and "\n" not in str(caught.value)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.vec"]


@pytest.mark.parametrize(
    ("n_bytes", "needs"),
    [
        (None, r"needs more than [\d,]+ bytes"),
        (7, r"needs 7 bytes, and [\d,]+ are free"),
    ],
)
def test_a_full_disk_keeps_its_error_number(tmp_path, n_bytes, needs):
    message = rf"the disk is full: {tmp_path}/a {needs}\. Free some space"
    with pytest.raises(OSError, match=message) as caught:
        with _io.replace(tmp_path / "a", n_bytes=n_bytes):
            raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.errno == errno.ENOSPC
    with pytest.raises(PermissionError, match="Permission denied"):
        with _io.replace(tmp_path / "a"):
            raise PermissionError(errno.EACCES, "Permission denied")


@pytest.mark.parametrize("durable", [False, True])
def test_files_are_flushed_before_and_folders_after_the_rename(
    tmp_path, monkeypatch, durable
):
    calls = []
    fsync, rename = os.fsync, os.replace

    def record_sync(descriptor):
        calls.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(os, "replace", lambda *a: calls.append("rename") or rename(*a))
    with _io.replace(tmp_path / "a", durable=durable) as beside:
        beside.write_text("whole")
    expected = [beside.name, "rename", tmp_path.name] if durable else ["rename"]
    assert calls == expected


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_is_replaced(tmp_path, monkeypatch, exchanges):
    if exchanges:
        monkeypatch.setattr(_folders, "_rename_both", None)  # fails if it is called
    else:  # as on a system that cannot exchange two names
        monkeypatch.setattr(_folders, "exchange", lambda *_: False)
    path = tmp_path / "model"
    for name in ("first", "second"):
        with _io.temporary(path, folder=True) as beside:
            (beside / name).touch()
            _io.replace_folder(beside, path)
        assert os.listdir(path) == [name]
    assert os.listdir(tmp_path) == ["model"]


def test_both_names_exist_at_any_moment(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    (first / "a").mkdir(parents=True)
    (second / "b").mkdir(parents=True)
    assert _folders.exchange(first, second)
    assert os.listdir(first) == ["b"] and os.listdir(second) == ["a"]
    assert not _folders.exchange(first, tmp_path / "none")


def test_a_failed_second_rename_restores_the_folder(tmp_path, monkeypatch):
    path, rename, calls = tmp_path / "model", os.rename, []
    (path / "old").mkdir(parents=True)

    def fail_at_second(*names):
        calls.append(names)
        if len(calls) == 2:
            raise KeyboardInterrupt
        rename(*names)

    monkeypatch.setattr(_folders, "exchange", lambda *_: False)
    monkeypatch.setattr(os, "rename", fail_at_second)
    with pytest.raises(KeyboardInterrupt):
        with _io.temporary(path, folder=True) as beside:
            _io.replace_folder(beside, path)
    assert os.listdir(path) == ["old"] and os.listdir(tmp_path) == ["model"]


def test_a_path_is_checked_before_a_long_computation(tmp_path):
    _io.check_writable(tmp_path / "new" / "a.csv", "out")
    assert os.listdir(tmp_path / "new") == []
    with pytest.raises(IsADirectoryError, match=r"out=.* is a folder: name a file"):
        _io.check_writable(tmp_path, "out")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(
        ValueError, match="pipe must be a file, got a device or a named"
    ):
        _io.check_writable(tmp_path / "pipe", "out")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"out=.*cannot be written: .*Name another file"):
        _io.check_writable(tmp_path / "file" / "a.csv", "out")
