"""Journal: metrics of finished replicates on disk, to resume a run."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from jaxembed._io import check_writable, hash_arrays, replace

Metrics = dict[str, np.ndarray]
Identity = dict[str, Any]  # JSON


@dataclasses.dataclass(frozen=True)
class Journal:
    """Where finished replicates are kept, and of which run they are.

    Attributes:
      path: a file of JSON, or None where nothing is kept.
      examples: ``int32[K, n]``, the examples of each replicate.
      identity: settings that identify the run, as JSON.
    """

    path: Path | None
    examples: np.ndarray
    identity: Identity

    def load(self) -> Metrics:
        """The metrics ``float64[k, epochs]`` of the first k of K replicates, if any.

        Raises:
          ValueError: if the file is damaged, or of another run: the error says in what
            they differ.
        """
        if self.path is None or not self.path.exists():
            return {}
        saved = read(self.path)
        differing = [
            n for n in self.identity if saved["run"].get(n) != self.identity[n]
        ]
        names = ["draws"] * (not self._has_draws(saved["draws"])) + differing
        if names:
            raise ValueError(
                f"{self.path} is of replicates with other {', '.join(names)}: give "
                "another file, or the same arguments as before."
            )
        return {
            name: rows[: len(self.examples)] for name, rows in saved["metrics"].items()
        }

    def save(self, metrics: Metrics) -> None:
        """Replaces the file by one with all that is finished, whole or not at all."""
        if self.path is None:
            return
        n_done = len(metrics["loss"])
        rows = {name: _to_json(array) for name, array in metrics.items()}
        draws = [hash_arrays({"draw": row}) for row in self.examples[:n_done]]
        whole = {"run": self.identity, "draws": draws, "metrics": rows}
        with replace(self.path, durable=True) as temporary:
            temporary.write_text(json.dumps(whole, allow_nan=False))

    def _has_draws(self, draws: list[str]) -> bool:
        return all(
            hash_arrays({"draw": row}) == digest
            for row, digest in zip(self.examples, draws, strict=False)
        )


def _to_json(array: np.ndarray) -> list[list[float | None]]:
    """A list for each row, with None for NaN, of which JSON has none."""
    return [[x if math.isfinite(x) else None for x in row] for row in array.tolist()]


def open_journal(checkpoint: str | Path | None) -> tuple[Path | None, Identity]:
    """The path of a journal, which can be written, and what it says of its run.

    Raises:
      OSError: if it cannot be written: now, rather than after hours.
      ValueError: if it is damaged.
    """
    if checkpoint is None:
        return None, {}
    path = Path(checkpoint)
    check_writable(path, "checkpoint")
    return path, read(path)["run"] if path.exists() else {}


def read(path: Path) -> dict[str, Any]:
    """What :meth:`Journal.save` wrote: "run", "draws" and "metrics".

    Raises:
      ValueError: if it is anything else.
    """
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise ValueError(f"it has {size:,} bytes")
        saved = json.loads(path.read_text())
        draws, run = saved["draws"], saved["run"]
        arrays = {name: _from_json(rows) for name, rows in saved["metrics"].items()}
        shapes = {array.shape for array in arrays.values()}
        is_ours = (
            isinstance(run, dict)
            and type(run["n_parallel"]) is int
            and run["n_parallel"] > 0
            and all(isinstance(digest, str) for digest in draws)
            and run["metrics"] == sorted(arrays)
            and shapes == {(len(draws), run["epochs"])}
        )
    except ERRORS as error:
        raise ValueError(f"{path} cannot be read ({error}): {REMEDY}") from error
    if not is_ours:
        raise ValueError(f"{path} has no metrics of replicates: {REMEDY}")
    return {"run": run, "draws": draws, "metrics": arrays}


def _from_json(rows: list[list[float | None]]) -> np.ndarray:
    for row in rows:
        for value in row:
            if value is not None and type(value) is not float:
                raise ValueError(f"{value!r:.40} is no metric")
    return np.array(rows, np.float64)


LARGEST = 2**28  # bytes: a million epochs of all metrics
ERRORS = (
    *(OSError, ValueError, TypeError, KeyError),
    *(AttributeError, RecursionError, OverflowError),
)
REMEDY = "give another file; if it is to be made anew, remove it."
