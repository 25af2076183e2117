"""Steps: the folders of the saves in a checkpoint, numbered from 0."""

import os
import shutil
from pathlib import Path

from jaxembed.train.checkpoint._lock import LOCK_NAME
from jaxembed.train.sharded._part_files import FOLDER

# Entries of the folder of a step.
ARRAYS = ("state", FOLDER)
ITEMS = (*ARRAYS, "meta", "_CHECKPOINT_METADATA", "commit_success.txt")
# A folder with a number as its name is a step if it has one of these files.
MARKS = ("meta/metadata", "state/_METADATA", "_CHECKPOINT_METADATA")
UNFINISHED = "orbax-checkpoint-tmp"  # part of the name of an unfinished folder


def list_steps(path: Path) -> list[int]:
    """Return the numbers of the steps, newest first.

    An empty folder counts, as a step whose files are lost. Other folders of the user,
    files and links do not.

    Example:
      >>> list_steps(Path("no/such/folder"))
      []
    """
    try:
        entries = list(path.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    steps = [int(e.name) for e in entries if _is_numbered(e) and _is_ours(e)]
    return sorted(steps, reverse=True)


def list_files(folder: Path) -> dict[str, Path]:
    """Return the files of the arrays of a step by their path in the step.

    Example:
      >>> list_files(Path("no/such/folder"))
      {}
    """
    paths = sorted(path for name in ARRAYS for path in (folder / name).rglob("*"))
    files = (path for path in paths if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path for path in files}


def has_checkpoint(path: Path) -> bool:
    """Return whether ``path`` holds a finished step.

    Example:
      >>> has_checkpoint(Path("no/such/folder"))
      False
    """
    return any(_is_marked(path / str(step)) for step in list_steps(path))


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise if a checkpoint must not be written into a folder.

    Args:
      path: a folder, which need not exist.
      overwrite: whether the folder may hold a checkpoint.

    Raises:
      FileExistsError: if the folder holds a checkpoint and ``overwrite`` is False, or
        if it holds other files and no checkpoint.
    """
    if has_checkpoint(path):
        if not overwrite:
            raise FileExistsError(
                f"{path} exists already: give another path, or overwrite=True."
            )
        return
    entries = list(path.iterdir()) if path.is_dir() else []
    if path.is_file() or not all(_is_left_over(entry.name) for entry in entries):
        raise FileExistsError(
            f"{path} exists and is not a checkpoint: give another path."
        )


def next_step(path: Path) -> int:
    """Return a number above all steps, under which no entry exists."""
    step = max(list_steps(path), default=-1) + 1
    while os.path.lexists(path / str(step)):
        step += 1
    return step


def remove_unfinished(path: Path, run: str | None = None) -> None:
    """Remove the folders that killed writers left. Call it within the lock only.

    Args:
      path: the folder of the checkpoint.
      run: begin of the names of folders to keep, in which other processes write.
    """
    for entry in path.iterdir():
        is_ours = run is not None and entry.name.startswith(run)
        is_folder = entry.is_dir() and not entry.is_symlink()
        if UNFINISHED in entry.name and is_folder and not is_ours:
            shutil.rmtree(entry, ignore_errors=True)


def remove_old(path: Path, keep: int) -> None:
    """Remove all but the newest ``keep`` steps. Call it within the lock only.

    The folder of a step is renamed first, so that a reader finds it whole or not at
    all. Files that the user put into it are left.
    """
    marked = [step for step in list_steps(path) if _is_marked(path / str(step))]
    for step in marked[keep:]:
        folder = path / str(step)
        removed = path / f"{step}.removed.{UNFINISHED}"
        strays = [entry for entry in folder.iterdir() if entry.name not in ITEMS]
        if any(UNFINISHED not in entry.name for entry in strays):
            removed.mkdir()
            for name in ITEMS:
                if (folder / name).exists():
                    (folder / name).rename(removed / name)
        else:
            folder.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)


def _is_numbered(entry: Path) -> bool:
    name = entry.name
    is_number = name.isascii() and name.isdigit() and str(int(name)) == name
    return is_number and entry.is_dir() and not entry.is_symlink()


def _is_ours(folder: Path) -> bool:
    try:
        return _is_marked(folder) or not any(folder.iterdir())
    except FileNotFoundError:  # a writer has just removed it
        return False


def _is_marked(folder: Path) -> bool:
    return any((folder / name).is_file() for name in MARKS)


def _is_left_over(name: str) -> bool:
    return name == LOCK_NAME or UNFINISHED in name
