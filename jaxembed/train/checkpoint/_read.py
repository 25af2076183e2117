"""Read: the newest whole step of a checkpoint, verified by its digests."""

import json
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from flax.traverse_util import unflatten_dict

from jaxembed._io import check_regular
from jaxembed.dist._processes import gather, share_error
from jaxembed.optim._tables import Params
from jaxembed.train.checkpoint._arrays import hash_array, hash_file, hash_text
from jaxembed.train.checkpoint._orbax import read_leaves
from jaxembed.train.checkpoint._steps import (
    ARRAYS,
    has_checkpoint,
    list_files,
    list_steps,
)
from jaxembed.train.sharded._part_files import FOLDER, find_unneeded, open_parts
from jaxembed.train.sharded._parts import Share

Found = TypeVar("Found")
# Looks at a folder whose steps are replaced by a writer while they are read.
N_LOOKS = 10
N_THREADS = 8


class Step(NamedTuple):
    """Contents of a step.

    Attributes:
      tree: nested dicts of NumPy arrays, and of :class:`Parts` of large ones.
      meta: the JSON of the step: ``extra``, ``states``, ``versions``, and the
        digests of ``arrays`` and ``files``.
    """

    tree: Params
    meta: dict[str, Any]


def read_newest(
    path: Path,
    read: Callable[[Path], Found],
    *,
    warn: bool = True,
    is_joint: bool = False,
) -> Found:
    """Return the contents of the newest step that is whole.

    If the steps were replaced meanwhile, those now there are read instead.

    Args:
      path: the folder of the checkpoint.
      read: reads the folder of a step, and raises if it is damaged.
      warn: whether to warn of damaged steps.
      is_joint: whether all processes call this function. They then read the same step,
        the newest that is whole in all of them.

    Raises:
      FileNotFoundError: if ``path`` does not hold a checkpoint.
      OSError: in a joint run, if another process may not read a file.
      ValueError: if all steps are damaged.

    Warns:
      UserWarning: if newer steps are damaged; names these and the step that was read.
    """

    def look() -> tuple[list[int], bool]:
        seen = list_steps(path), has_checkpoint(path)
        return tuple(gather(seen)[0]) if is_joint else seen

    for _ in range(N_LOOKS):
        steps, is_there = look()
        if not is_there:
            raise FileNotFoundError(
                f"no checkpoint found in {path}: give a folder that train.save or "
                "train.fit(checkpoint=) wrote."
            )
        errors: dict[int, Exception] = {}
        found = _read_first(path, steps, read, errors, is_joint)
        if not errors or look()[0] == steps:
            break
    if errors:
        newest = max(errors)
        problem = f"the checkpoint {path} is damaged in step {newest}"
        reason = _line(errors[newest])
    if found is None:
        raise ValueError(
            f"{problem}, and no earlier step is whole: {reason} Train again, or "
            "restore a copy."
        ) from errors[newest]
    if errors and warn:
        whole = steps[len(errors)]
        warnings.warn(
            f"{problem}: {reason} Step {whole} is restored instead.", stacklevel=3
        )
    return found


def _read_first(
    path: Path,
    steps: list[int],
    read: Callable[[Path], Found],
    errors: dict[int, Exception],
    is_joint: bool,
) -> Found | None:
    """Return the first step that can be read, and add the errors of those before."""
    for step in steps:
        refusal = error = found = None
        try:
            found = read(path / str(step))
        except (PermissionError, MemoryError) as raised:  # no damage
            refusal = raised
        except Exception as raised:  # Orbax and TensorStore raise many types
            error = raised
        if is_joint:
            share_error(refusal, "cannot read the checkpoint")
            error = _share_damage(error)
        elif refusal is not None:
            raise refusal
        if error is None:
            return found
        errors[step] = error
    return None


def _share_damage(error: Exception | None) -> Exception | None:
    """Return the error of this process, or that of another process, or None."""
    texts = gather(None if error is None else _line(error))
    others = [f"process {i} finds: {text}" for i, text in enumerate(texts) if text]
    return ValueError(others[0]) if error is None and others else error


def read_step(folder: Path, share: Share | None = None) -> Step:
    """Return the arrays and the JSON of a step, after verifying its digests.

    Args:
      folder: the folder of the step.
      share: shards of this process; None for all. Parts that have no row of them are
        not read, and their digests are not verified.
    """
    meta = read_meta(folder)
    # Before Orbax reads the files: it restores flipped bits without an error.
    for entry in (entry for name in ARRAYS for entry in (folder / name).rglob("*")):
        check_regular(entry)
    files, described = list_files(folder), meta.get("parts", {})
    named = {file for form in described.values() for file in form["files"]}
    saved = {name for name in meta["files"] if name.startswith(f"{FOLDER}/")}
    if unknown := named ^ saved:
        raise ValueError(f"only one list of meta/metadata names {min(unknown)}.")
    parts = open_parts(described, files, share)
    others = find_unneeded(parts, described)
    verify = {n: digest for n, digest in meta["files"].items() if n not in others}
    with ThreadPoolExecutor(N_THREADS) as pool:
        found = pool.map(lambda n: n in files and hash_file(files[n]), verify)
        for (name, digest), one in zip(verify.items(), found, strict=True):
            if one != digest:
                raise ValueError(f"the SHA-256 of {name} differs from the saved one.")
    leaves = read_leaves(folder / "state")
    arrays = {".".join(name): hash_array(leaf) for name, leaf in leaves.items()}
    for name in sorted(arrays.keys() | meta["arrays"].keys()):
        if arrays.get(name) != meta["arrays"].get(name):
            raise ValueError(f"the SHA-256 of {name} differs from the saved one.")
    leaves |= {tuple(name.split(".")): array for name, array in parts.items()}
    return Step(unflatten_dict(leaves), meta)


def read_meta(folder: Path) -> dict[str, Any]:
    """Return the JSON of a step, after verifying its digest."""
    path = folder / "meta" / "metadata"
    check_regular(path)
    meta = json.loads(path.read_text())
    if "text" not in meta:
        raise ValueError("an older jaxembed wrote it in another form.")
    if hash_text(meta["text"]) != meta["sha256"]:
        raise ValueError("the SHA-256 of meta/metadata differs from the saved one.")
    return json.loads(meta["text"])


def _line(error: Exception) -> str:
    """Return the text of an error in one line of at most 200 characters."""
    text = " ".join(str(error).split())
    text = text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"
    text = text if len(text) <= 200 else f"{text[:200]} ..."
    return text if text.endswith(".") else f"{text}."
