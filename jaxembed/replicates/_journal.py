"""Journal: save metrics of finished replicates to a file, and resume from it."""

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
    """File of the finished replicates, and identity of their run.

    Attributes:
      path: a JSON file; None to save nothing.
      examples: ``int32[K, n]``, numbers of the examples of each replicate.
      identity: settings that identify the run, as JSON.
    """

    path: Path | None
    examples: np.ndarray
    identity: Identity

    def load(self) -> Metrics:
        """Return the saved metrics, ``float64[k, epochs]`` of the first k replicates.

        Raises:
          ValueError: if the file is damaged or belongs to another run; the error names
            the settings that differ.
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
                f"{self.path} belongs to replicates that differ in {', '.join(names)}: "
                "give another file, or the same arguments as before."
            )
        return {
            name: rows[: len(self.examples)] for name, rows in saved["metrics"].items()
        }

    def save(self, metrics: Metrics) -> None:
        """Save the metrics of all finished replicates; replace the file atomically."""
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
    """Return a list for each row, with None for NaN, which JSON cannot store."""
    return [[x if math.isfinite(x) else None for x in row] for row in array.tolist()]


def open_journal(checkpoint: str | Path | None) -> tuple[Path | None, Identity]:
    """Return the path of a writable journal, and the identity of the run in it.

    The checks run here, so that an error does not occur after hours of training.

    Raises:
      OSError: if the file cannot be written.
      ValueError: if the file is damaged.
    """
    if checkpoint is None:
        return None, {}
    path = Path(checkpoint)
    check_writable(path, "checkpoint")
    return path, read(path)["run"] if path.exists() else {}


def read(path: Path) -> dict[str, Any]:
    """Return the "run", "draws" and "metrics" that :meth:`Journal.save` wrote.

    Raises:
      ValueError: if the file has other contents.
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
        raise ValueError(f"{path} must have metrics of replicates: {REMEDY}")
    return {"run": run, "draws": draws, "metrics": arrays}


def _from_json(rows: list[list[float | None]]) -> np.ndarray:
    for row in rows:
        for value in row:
            if value is not None and type(value) is not float:
                raise ValueError(f"a metric must be a float or null, got {value!r:.40}")
    return np.array(rows, np.float64)


LARGEST = 2**28  # bytes: a million epochs of all metrics
ERRORS = (
    *(OSError, ValueError, TypeError, KeyError),
    *(AttributeError, RecursionError, OverflowError),
)
REMEDY = "give another file, or remove it to train again."
