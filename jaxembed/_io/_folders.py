"""Folders: replace a folder by another one."""

import ctypes
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from jaxembed._io._disk import sync
from jaxembed._io._temporary import SUFFIX

AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of Linux


def check_free(
    path: Path, content: str, is_ours: Callable[[Path], bool], *, overwrite: bool
) -> None:
    """Raise unless a folder may be created, or replaced by one of the same content.

    Args:
      path: the folder.
      content: content of the folder, for the error, such as "ids".
      is_ours: called with an existing folder that is not empty; returns whether it has
        this content and nothing else.
      overwrite: whether a folder of this content may be replaced.

    Raises:
      FileExistsError: if the folder must stay; names the reason and the remedy.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as parent:
      ...     check_free(Path(parent), "ids", lambda path: False, overwrite=False)
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise FileExistsError(f"{path} is a file: give a folder.")
    if not any(path.iterdir()):
        return
    if not is_ours(path):
        raise FileExistsError(
            f"{path} exists and contains other files than {content}: give another path."
        )
    if not overwrite:
        raise FileExistsError(
            f"{path} already contains {content}: give another path, or overwrite=True."
        )


def replace_folder(temporary: Path, path: Path) -> None:
    """Rename a temporary folder to ``path``, durably; remove the folder it replaces.

    On Linux the two folders are exchanged in one step, so that ``path`` is there at any
    moment. Elsewhere ``path`` is missing for the moment between two renames; a process
    killed then leaves the old folder as ``.NAME.HEX.jaxembed-old``.

    Args:
      temporary: folder of :func:`temporary`, complete.
      path: folder to create or replace, in the same folder.

    Raises:
      OSError: if the folder cannot be renamed; ``path`` is unchanged.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as parent:
      ...     new, old = Path(parent, "new"), Path(parent, "old")
      ...     new.mkdir(), old.mkdir(), Path(new, "a.txt").touch()
      ...     replace_folder(new, old)
      ...     os.listdir(parent), os.listdir(old)
      (None, None, None)
      (['old'], ['a.txt'])
    """
    if not path.exists():
        os.rename(temporary, path)
    elif exchange(temporary, path):
        sync(path.parent)  # before the old folder is removed
        shutil.rmtree(temporary, ignore_errors=True)
    else:
        old = temporary.name.removesuffix(SUFFIX) + ".jaxembed-old"
        _rename_both(temporary, path, path.with_name(old))
    sync(path.parent)


def exchange(first: Path, second: Path) -> bool:
    """Exchange two names in one step; return False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)  # glibc 2.28, musl 1.2.6
    if rename is None:
        return False
    names = [os.fsencode(os.path.abspath(path)) for path in (first, second)]
    return rename(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0


def _rename_both(temporary: Path, path: Path, old: Path) -> None:
    """Keep the old folder until the new one has its name."""
    os.rename(path, old)
    try:
        os.rename(temporary, path)
    except BaseException:
        os.rename(old, path)
        raise
    sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)
