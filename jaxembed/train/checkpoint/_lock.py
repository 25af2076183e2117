"""Lock: one writer at a time in the folder of a checkpoint."""

import errno
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK_NAME = ".jaxembed-lock"
TRIES = 100  # to create a folder that other writers may remove
# Errors of file systems that have no locks.
WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def lock(path: str | Path, *, is_file: bool = False) -> Iterator[None]:
    """Hold the lock of a folder, or of a file. Readers take no lock.

    The operating system frees the lock when the process ends, also by ``kill -9``. The
    file of the lock is removed afterwards, and so is the folder if this call created it
    and nothing was written into it.

    Args:
      path: a folder, created if it does not exist; or a file.
      is_file: True if ``path`` is a file, whose lock is a file beside it.

    Raises:
      BlockingIOError: at once, if another writer holds the lock; names its host and its
        process id.
      OSError: if the folder cannot be created or written.

    Warns:
      UserWarning: if the file system has no locks.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder, lock(folder):
      ...     with lock(folder):  # doctest: +ELLIPSIS
      ...         pass
      Traceback (most recent call last):
      BlockingIOError: another process writes the checkpoint ...: process ...
    """
    path = Path(path)
    file = path.with_name(f".{path.name}{LOCK_NAME}") if is_file else path / LOCK_NAME
    is_new = not file.parent.exists()
    descriptor = _acquire(file, path)
    try:
        yield
    finally:
        # Before the lock is free, so that no other writer's file is removed.
        file.unlink(missing_ok=True)
        os.close(descriptor)
        if is_new:
            with suppress(OSError):  # the folder is not empty
                file.parent.rmdir()


def _acquire(path: Path, target: Path) -> int:
    """Return the descriptor of the lock's file, which is locked until it is closed."""
    n_left = TRIES
    while True:
        n_left -= 1
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # another writer has just removed the folder
            if not n_left:  # no folder can be created there, as in /proc
                raise
            continue
        except FileExistsError:
            # mkdir looks at the folder after it has found it, and may find it removed.
            if os.path.lexists(path.parent) and not path.parent.is_dir():
                raise
            continue
        try:
            _flock(descriptor, target)
            if _is_at(descriptor, path):
                with suppress(OSError):  # a full disk: only the name of the holder
                    os.truncate(descriptor, 0)
                    os.write(
                        descriptor, f"{os.getpid()} {socket.gethostname()}".encode()
                    )
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # another writer has just removed this file


def _flock(descriptor: int, target: Path) -> None:
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        process, _, host = os.read(descriptor, 300).decode().partition(" ")
        raise BlockingIOError(
            f"another process writes the checkpoint {target}: process "
            f"{process or 'unknown'} on host {host or 'unknown'}. Wait until it ends, "
            "or give another path."
        ) from error
    except (ImportError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in WITHOUT_LOCKS:
            raise
        warnings.warn(
            f"the file system of {target} has no locks ({error}): let one process at a "
            "time write this checkpoint.",
            stacklevel=6,
        )


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether the open file is still the file at ``path``."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
