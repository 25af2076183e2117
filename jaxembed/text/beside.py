"""Beside: a file that is written whole or not at all."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def write_beside(path: Path) -> Iterator[Path]:
    """A path to write to, which then becomes ``path``; of a failure nothing is left.

    Its name is its own, so that two writers at once do not share it.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = Path(folder, "a.txt")
      ...     with write_beside(path) as beside:
      ...         _ = beside.write_text("whole")
      ...     path.read_text()
      'whole'
    """
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
