"""Run the code cells of a notebook in order, without Jupyter, and print facts.

Run:     python run_cells.py NOTEBOOK FACTS [HIDDEN ...]
Prints:  the output of each cell, by its id, and the value of each expression of FACTS,
         a JSON list, as one line of JSON. The packages HIDDEN look not installed.
"""

import contextlib
import io
import json
import sys
import types
from importlib import metadata
from pathlib import Path
from typing import Any


class Picture:
    """Stand-in for ``IPython.display.Image``, which accepts whole PNG files only."""

    def __init__(self, path: Path, width: int):
        data = path.read_bytes()
        if not (data.startswith(b"\x89PNG") and data.endswith(b"IEND\xaeB`\x82")):
            raise ValueError(f"{path} is not a whole PNG file.")


def hide(packages: list[str]) -> None:
    """Make packages look not installed."""
    real = metadata.distribution

    def distribution(name: str) -> metadata.Distribution:
        if name in packages:
            raise metadata.PackageNotFoundError(name)
        return real(name)

    metadata.distribution = distribution


def run(path: Path, facts: list[str]) -> dict[str, Any]:
    """Execute the cells in one namespace, and evaluate the facts in it."""
    display = types.ModuleType("IPython.display")
    display.Image = Picture  # type: ignore[attr-defined]
    sys.modules["IPython.display"] = display
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        with contextlib.redirect_stdout(io.StringIO()) as stdout:
            code = compile("".join(cell["source"]), f"cell {cell['id']}", "exec")
            exec(code, names)
        printed[cell["id"]] = stdout.getvalue()
    return {"printed": printed, "facts": {fact: eval(fact, names) for fact in facts}}


if __name__ == "__main__":
    hide(sys.argv[3:])
    print(json.dumps(run(Path(sys.argv[1]), json.loads(sys.argv[2]))))
