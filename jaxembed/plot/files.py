"""Files: whole pictures, or none."""

import os
from pathlib import Path
from typing import Any


def write(figure: Any, path: Path) -> Path:
    """Writes beside, then renames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        figure.savefig(beside, format="png", dpi=150)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return path
