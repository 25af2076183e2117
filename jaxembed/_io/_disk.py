"""Disk: flush files to it, and explain a full one in one line."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Errors of a write for which the disk, the quota or the process has no room.
REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than this process or file system allows",
}


def is_full(error: BaseException) -> bool:
    """Return whether an error is that of a disk or quota without room."""
    return isinstance(error, OSError) and error.errno in REASONS


@contextmanager
def explain_disk(
    path: Path,
    n_bytes: int | None = None,
    *,
    remedy: str = "Free some space, or give a path on another disk.",
) -> Iterator[None]:
    """Replace the error of a full disk by one that names the file and its size.

    Args:
      path: the file or folder that the ``with`` block writes.
      n_bytes: number of bytes to write; None if it is unknown.
      remedy: advice, for the end of the error.

    Raises:
      OSError: with the ``errno`` of the original error, such as ``errno.ENOSPC``.

    Example:
      >>> with explain_disk(Path("no-folder/a.vec"), n_bytes=120):
      ...     raise OSError(errno.ENOSPC, "No space left on device")
      Traceback (most recent call last):
      OSError: [Errno 28] the disk is full: no-folder/a.vec needs 120 bytes. Free some
      space, or give a path on another disk.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in REASONS:
            raise
        free = _count_free(path) if error.errno == errno.ENOSPC else None
        needs = f"{path} needs {n_bytes:,} bytes" if n_bytes else f"{path} needs more"
        if free is not None:
            needs += f", and {free:,} are free" if n_bytes else f" than {free:,} bytes"
        message = f"{REASONS[error.errno]}: {needs}. {remedy}"
        raise OSError(error.errno, message) from error


def _count_free(path: Path) -> int | None:
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return None


def check_regular(path: Path, alternative: str = "a file") -> None:
    """Raise if a path is a device or a named pipe, whose reading could never end.

    Args:
      path: a path, which may be missing.
      alternative: name of the right kind of path, for the error.

    Raises:
      ValueError: if the path exists and is neither a file nor a folder.

    Example:
      >>> check_regular(Path("/dev/zero"))
      Traceback (most recent call last):
      ValueError: /dev/zero must be a file, got a device or a named pipe.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ValueError(f"{path} must be {alternative}, got a device or a named pipe.")


def sync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
