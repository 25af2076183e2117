"""Read: the newest whole step of a checkpoint, verified by its digests."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from flax.traverse_util import unflatten_dict

from jaxembed._io import check_regular
from jaxembed.optim._tables import Params
from jaxembed.train.checkpoint._arrays import hash_array, hash_file, hash_text
from jaxembed.train.checkpoint._orbax import read_leaves
from jaxembed.train.checkpoint._steps import has_checkpoint, list_files, list_steps

Found = TypeVar("Found")
# Looks at a folder whose steps are replaced by a writer while they are read.
N_LOOKS = 10


class Step(NamedTuple):
    """Contents of a step.

    Attributes:
      tree: nested dicts of NumPy arrays.
      meta: the JSON of the step: ``extra``, ``states``, ``versions``, and the
        digests of ``arrays`` and ``files``.
    """

    tree: Params
    meta: dict[str, Any]


def read_newest(
    path: Path, read: Callable[[Path], Found], *, warn: bool = True
) -> Found:
    """Return the contents of the newest step that is whole.

    If the steps were replaced meanwhile, those now there are read instead.

    Args:
      path: the folder of the checkpoint.
      read: reads the folder of a step, and raises if it is damaged.
      warn: whether to warn of damaged steps.

    Raises:
      FileNotFoundError: if ``path`` does not hold a checkpoint.
      ValueError: if all steps are damaged.

    Warns:
      UserWarning: if newer steps are damaged; names these and the step that was read.
    """
    for _ in range(N_LOOKS):
        steps = list_steps(path)
        if not has_checkpoint(path):
            raise FileNotFoundError(
                f"no checkpoint found in {path}: give a folder that train.save or "
                "train.fit(checkpoint=) wrote."
            )
        errors: dict[int, Exception] = {}
        found = _read_first(path, steps, read, errors)
        if not errors or list_steps(path) == steps:
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
) -> Found | None:
    """Return the first step that can be read, and add the errors of those before."""
    for step in steps:
        try:
            return read(path / str(step))
        except (PermissionError, MemoryError):  # no damage
            raise
        except Exception as error:  # Orbax and TensorStore raise many types
            errors[step] = error
    return None


def read_step(folder: Path) -> Step:
    """Return the arrays and the JSON of a step, after verifying its digests."""
    meta = read_meta(folder)
    # Before Orbax reads the files: it restores flipped bits without an error.
    for entry in (folder / "state").rglob("*"):
        check_regular(entry)
    files = list_files(folder)
    for name, digest in meta["files"].items():
        if name not in files or hash_file(files[name]) != digest:
            raise ValueError(f"the SHA-256 of {name} differs from the saved one.")
    leaves = read_leaves(folder / "state")
    found = {".".join(name): hash_array(leaf) for name, leaf in leaves.items()}
    for name in sorted(found.keys() | meta["arrays"].keys()):
        if found.get(name) != meta["arrays"].get(name):
            raise ValueError(f"the SHA-256 of {name} differs from the saved one.")
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
