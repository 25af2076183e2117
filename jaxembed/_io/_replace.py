"""Replace: write a file whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxembed._io._disk import check_regular, explain_disk, sync
from jaxembed._io._temporary import temporary


@contextmanager
def replace(
    path: Path, *, durable: bool = False, n_bytes: int | None = None
) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``, then rename it to ``path``.

    The temporary name is unique, so two writers never share a file. If the ``with``
    block raises, the temporary file is removed and ``path`` is unchanged.

    Args:
      path: the file to create or replace. Its folder must exist.
      durable: whether to flush the file to disk before the rename and the folder after
        it, so that after a power loss ``path`` is the old file or the new one, and the
        new one once this function has returned.
      n_bytes: size of the file, for the error of a full disk; None if it is unknown.

    Yields:
      The temporary path, which the ``with`` block must write.

    Raises:
      OSError: if the file cannot be written; with ``errno.ENOSPC`` on a full disk.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = Path(folder, "a.txt")
      ...     with replace(path) as beside:
      ...         _ = beside.write_text("whole")
      ...     path.read_text()
      'whole'
    """
    with explain_disk(path, n_bytes), temporary(path) as beside:
        yield beside
        if durable:
            sync(beside)
        os.replace(beside, path)
        if durable:
            sync(path.parent)


def check_writable(path: Path, name: str) -> None:
    """Raise if ``path`` cannot be written; call this before a long computation.

    Args:
      path: the file to write later. Its folder is created if missing.
      name: name of the argument that holds the path, for the error message.

    Raises:
      IsADirectoryError: if ``path`` is a folder.
      OSError: if the folder cannot be created or written.
      ValueError: if ``path`` is a device or a named pipe.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{name}={path} is a folder: name a file in it.")
    check_regular(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary(path):
            pass
    except OSError as error:
        raise OSError(
            f"{name}={path} cannot be written: {error.strerror}. Name another file."
        ) from error
