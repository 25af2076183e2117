"""Read: the newest whole step of a checkpoint, verified by its digests."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from flax.traverse_util import unflatten_dict

from jaxembed.optim._tables import Params
from jaxembed.train.checkpoint._arrays import describe, hash_array, hash_text
from jaxembed.train.checkpoint._orbax import Leaves, read_leaves
from jaxembed.train.checkpoint._steps import has_checkpoint, list_steps

Found = TypeVar("Found")
# Looks at a folder whose steps are replaced by a writer while they are read.
N_LOOKS = 10


class Step(NamedTuple):
    """Contents of a step.

    Attributes:
      tree: nested dicts of NumPy arrays.
      meta: the JSON of the step: ``extra``, ``states``, ``versions`` and ``arrays``.
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
            raise FileNotFoundError(f"no checkpoint found in {path}.")
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
        except PermissionError:
            raise
        except Exception as error:  # Orbax and TensorStore raise many types
            errors[step] = error
    return None


def read_step(folder: Path) -> Step:
    """Return the arrays and the JSON of a step, after verifying its digests."""
    meta = read_meta(folder)
    arrays = meta["arrays"]
    leaves = read_leaves(
        folder / "state", lambda shapes: _compare(shapes, arrays, "shape", describe)
    )
    _compare(leaves, arrays, "sha256", hash_array)
    return Step(unflatten_dict(leaves), meta)


def read_meta(folder: Path) -> dict[str, Any]:
    """Return the JSON of a step, after verifying its digest."""
    meta = json.loads((folder / "meta" / "metadata").read_text())
    if "text" not in meta:
        raise ValueError("an older jaxembed wrote it in another form.")
    if hash_text(meta["text"]) != meta["sha256"]:
        raise ValueError("the SHA-256 of meta differs from the saved one.")
    return json.loads(meta["text"])


def _compare(
    found: Leaves, arrays: dict, name: str, measure: Callable[[Any], str]
) -> None:
    """Raise if arrays differ from the saved ones."""
    measured = {".".join(names): measure(leaf) for names, leaf in found.items()}
    for array in sorted(measured.keys() | arrays.keys()):
        saved = arrays.get(array, {}).get(name)
        if measured.get(array) != saved:
            label = "SHA-256" if name == "sha256" else name
            raise ValueError(f"the {label} of {array} differs from the saved one.")


def _line(error: Exception) -> str:
    """Return the text of an error in one line of at most 200 characters."""
    text = " ".join(str(error).split())
    text = text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"
    text = text if len(text) <= 200 else f"{text[:200]} ..."
    return text if text.endswith(".") else f"{text}."
