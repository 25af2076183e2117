"""Input and output: atomic file replacement, array hashes, progress bars."""

import hashlib
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from tqdm import tqdm


@contextmanager
def replace(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``, then rename it to ``path``.

    The temporary name is unique, so two writers never share a file. If the ``with``
    block raises, the temporary file is removed and ``path`` is unchanged.

    Args:
      path: the file to create or replace. Its folder must exist.
      durable: whether to flush the file to disk before the rename, so that a power loss
        cannot leave an empty file at ``path``.

    Yields:
      The temporary path, which the ``with`` block must write.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = Path(folder, "a.txt")
      ...     with replace(path) as temporary:
      ...         _ = temporary.write_text("whole")
      ...     path.read_text()
      'whole'
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield temporary
        if durable:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path, name: str) -> None:
    """Raise if ``path`` cannot be written; call this before a long computation.

    Args:
      path: the file to write later. Its folder is created if missing.
      name: name of the argument that holds the path, for the error message.

    Raises:
      IsADirectoryError: if ``path`` is a folder.
      OSError: if the folder cannot be created or written.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{name}={path} is a folder: name a file in it.")
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        raise OSError(
            f"{name}={path} cannot be written: {error.strerror}. Name another file."
        ) from error


def hash_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of the names, dtypes, shapes and bytes of arrays.

    Args:
      arrays: arrays by name. Their order does not matter.

    Returns:
      64 hexadecimal digits.

    Example:
      >>> hash_arrays({"a": np.zeros(3)}) == hash_arrays({"a": -np.zeros(3)})
      False
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        # View as bytes: the buffer protocol does not support bfloat16.
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def progress_bar(
    total: int, *, progress: bool | None, initial: int = 0, unit: str = "it"
) -> tqdm:
    """Return a progress bar on stderr.

    Args:
      total: total number of units.
      progress: whether to show the bar; None to show it only in a terminal.
      initial: number of units already done.
      unit: name of one unit.

    Returns:
      A ``tqdm`` bar, which is also a context manager.
    """
    disable = None if progress is None else not progress  # None: terminal only
    return tqdm(total=total, initial=initial, disable=disable, unit=unit)
