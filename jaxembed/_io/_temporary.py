"""Temporary: files and folders beside their target, removed after a killed process.

A temporary name is ``.NAME.HEX.jaxembed-tmp``. A process locks its temporary files
while it writes them. The lock ends with the process, so a file without a lock is
abandoned.
"""

import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUFFIX = ".jaxembed-tmp"
# No link is followed, and a named pipe is not waited for.
FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
NAME = re.compile(rf"\..+\.[0-9a-f]{{32}}{re.escape(SUFFIX)}")


@contextmanager
def temporary(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """Create a temporary file beside ``path``, locked; remove it afterwards.

    Abandoned temporary files in the folder of ``path`` are removed first.

    Args:
      path: the file or folder to replace later. Its parent folder must exist.
      folder: whether to create a folder instead of a file.

    Yields:
      The temporary path. The ``with`` block may rename it.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as parent:
      ...     with temporary(Path(parent, "a.txt")) as beside:
      ...         print(re.sub("[0-9a-f]{32}", "HEX", beside.name))
      ...     os.listdir(parent)
      .a.txt.HEX.jaxembed-tmp
      []
    """
    remove_abandoned(path.parent)
    beside, descriptor = _create(path, folder)
    try:
        yield beside
    finally:
        # Removed before the lock ends: no other process removes it at the same time.
        _remove(beside)
        os.close(descriptor)


def _create(path: Path, folder: bool) -> tuple[Path, int]:
    """Create a locked file or folder; return its path and the open lock."""
    while True:
        beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}{SUFFIX}")
        if folder:
            beside.mkdir()
        else:
            beside.touch(exist_ok=False)
        try:
            descriptor = os.open(beside, os.O_RDONLY)
        except FileNotFoundError:
            continue
        _lock(descriptor, wait=True)
        # Another process may have removed the file before it was locked.
        if os.fstat(descriptor).st_nlink and beside.exists():
            return beside, descriptor
        os.close(descriptor)


def _lock(descriptor: int, *, wait: bool) -> bool:
    """Lock an open file; return False if it is locked, or cannot be locked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # locked, or a file system without locks
        return False
    return True


def remove_abandoned(folder: Path) -> None:
    """Remove the temporary files that killed processes left in a folder."""
    try:
        names = [name for name in os.listdir(folder) if NAME.fullmatch(name)]
    except OSError:
        return
    for name in names:
        try:
            descriptor = os.open(folder / name, FLAGS)
        except OSError:
            continue
        if _lock(descriptor, wait=False):
            _remove(folder / name)
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    try:
        path.unlink(missing_ok=True)
    except OSError:
        pass  # a folder that cannot be written; the next run tries again
