"""Orbax: trees of arrays in folders, and errors of the system as OSError."""

import logging
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

Leaves = dict[tuple[str, ...], Any]
MAX_RATIO = 1 << 16  # above that of Zstandard, which takes 4 bytes for 128 KiB of zeros


def write_leaves(folder: Path, leaves: Leaves) -> None:
    """Write arrays into an empty folder, in Orbax's form.

    Raises:
      OSError: if the operating system refuses, such as on a full disk, or in a process
        other than 0 of several.
    """
    import orbax.checkpoint as ocp

    if jax.process_index():  # Orbax would leave out NumPy arrays without an error
        raise PermissionError(
            f"process {jax.process_index()} of {jax.process_count()} cannot write "
            f"{folder}, since Orbax writes in process 0 only: save there, if "
            "jax.process_index() is 0."
        )
    # Compressed, weights are a tenth smaller, and take four times the processor time.
    handler = ocp.PyTreeCheckpointHandler(use_compression=False)
    try:
        with _quiet(), _os_errors(folder):
            arguments = ocp.args.PyTreeSave(unflatten_dict(leaves))
            handler.save(folder, args=arguments)
            handler.finalize(folder)
    finally:
        handler.close()


def read_leaves(folder: Path) -> Leaves:
    """Return the arrays that :func:`write_leaves` wrote, as NumPy arrays.

    Raises:
      ValueError: if the files state more bytes than they can hold.
    """
    import orbax.checkpoint as ocp

    handler = ocp.PyTreeCheckpointHandler()
    try:
        with _quiet():
            saved = handler.metadata(folder).tree
            _check_size(folder, jax.tree.leaves(saved))
            as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(np.ndarray), saved)
            arguments = ocp.args.PyTreeRestore(restore_args=as_numpy)
            return flatten_dict(handler.restore(folder, args=arguments))
    finally:
        handler.close()


def _check_size(folder: Path, leaves: list[Any]) -> None:
    """Raise before memory is allocated that the files cannot fill."""
    n_bytes = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if n_bytes > MAX_RATIO * size:
        raise ValueError(
            f"its arrays have {n_bytes} bytes by their shapes, which {size} bytes of "
            "files cannot hold."
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop the log lines of Orbax, whose threads log errors that are raised too."""
    logger = logging.getLogger("absl")

    def keep(record: logging.LogRecord) -> bool:
        return "orbax" not in record.pathname

    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)


@contextmanager
def _os_errors(folder: Path) -> Iterator[None]:
    """Raise an error of the system, which TensorStore wraps, as OSError."""
    try:
        yield
    except ValueError as error:
        found = re.search(r"os_error_code='(\d+)'", str(error))
        if found is None:
            raise
        code = int(found[1])
        raise OSError(code, os.strerror(code), str(folder)) from error
