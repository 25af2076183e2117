"""Cache: entries that save time, and whose absence stops no work."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO

from jaxembed._io._replace import replace


def make_cache(folder: str | Path) -> Path:
    """Create the folder of a cache, without an error if the disk cannot be written.

    Returns:
      The folder, which exists or will be reported by :func:`write_cache`.

    Raises:
      OSError: if the path is a file, or leads through a file.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise type(error)(
            error.errno,
            f"cache_dir={folder} must be a folder, got a file: name another",
        ) from error
    except OSError:
        pass  # reported after the work, when the entry cannot be written
    return folder


def write_cache(
    path: Path,
    write: Callable[[IO[bytes]], object],
    *,
    n_bytes: int,
    stacklevel: int = 2,
) -> None:
    """Write a cache entry; warn if it cannot be written.

    The entry is not flushed to disk: if a power loss damages it, its digest shows
    that, and it is made again.

    Args:
      path: the entry. A folder of this name is damage, and is removed.
      write: called with the open file.
      n_bytes: size of the entry, for the warning about a full disk.
      stacklevel: number of calls from the warning up to the user's code, as in
        :func:`warnings.warn`.

    Warns:
      UserWarning: if the entry cannot be written; it says why.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        with replace(path, n_bytes=n_bytes) as beside, beside.open("wb") as stream:
            write(stream)
    except OSError as error:
        warnings.warn(
            f"the cache cannot be written, so the next load will take as long as this "
            f"one: {error}",
            stacklevel=stacklevel + 1,
        )
