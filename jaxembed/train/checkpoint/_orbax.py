"""Orbax: trees of arrays in folders, and errors of the system as OSError."""

import logging
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


def write_leaves(folder: Path, leaves: Leaves) -> None:
    """Write arrays into an empty folder, in Orbax's form.

    Raises:
      OSError: if the operating system refuses, such as on a full disk.
    """
    import orbax.checkpoint as ocp

    # Compressed, weights are a tenth smaller, and take four times the processor time.
    handler = ocp.PyTreeCheckpointHandler(use_compression=False)
    try:
        with _quiet(), _os_errors():
            arguments = ocp.args.PyTreeSave(unflatten_dict(leaves))
            handler.save(folder, args=arguments)
            handler.finalize(folder)
    finally:
        handler.close()


def read_leaves(folder: Path) -> Leaves:
    """Return the arrays that :func:`write_leaves` wrote, as NumPy arrays."""
    import orbax.checkpoint as ocp

    handler = ocp.PyTreeCheckpointHandler()
    try:
        with _quiet():
            saved = handler.metadata(folder).tree
            as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(np.ndarray), saved)
            arguments = ocp.args.PyTreeRestore(restore_args=as_numpy)
            return flatten_dict(handler.restore(folder, args=arguments))
    finally:
        handler.close()


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
def _os_errors() -> Iterator[None]:
    """Raise an error of the system, which TensorStore wraps, as OSError."""
    try:
        yield
    except ValueError as error:
        found = re.search(r"os_error_code='(\d+)'", str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1]))) from error
