"""Journal: save metrics of finished replicates to a file, and resume from it.

The first line has the identity of the run, each other line the metrics of a replicate.
Each line ends with a SHA-256 of its contents. The SHA-256 of a replicate also covers
the first line, so a line of another run does not match.
"""

import dataclasses
import hashlib
import json
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxembed._io import check_writable, hash_arrays, replace
from jaxembed.train.checkpoint._lock import lock

Identity = dict[str, Any]  # JSON
LARGEST = 2**28  # bytes: a million epochs of all metrics
ERRORS = (
    *(OSError, ValueError, TypeError, KeyError),
    *(AttributeError, RecursionError, OverflowError),
)
REMEDY = "give another file, or remove it to train again."


class Row(NamedTuple):
    """Finished replicate.

    Attributes:
      draw: SHA-256 of the numbers of its examples.
      metrics: a number for each epoch by name of the metric, None for NaN.
    """

    draw: str
    metrics: dict[str, list[float | None]]


@dataclasses.dataclass(frozen=True)
class Journal:
    """File of the finished replicates, and identity of their run.

    Attributes:
      path: a file with one JSON object for each line; None to save nothing.
      examples: ``int32[K, n]``, numbers of the examples of each replicate.
      identity: settings that identify the run, as JSON.
    """

    path: Path | None
    examples: np.ndarray
    identity: Identity

    def load(self) -> dict[int, Row]:
        """Return the saved replicates by number, without damaged lines.

        Raises:
          ValueError: if the file is not a journal, or belongs to another run; the error
            names the settings that differ.

        Warns:
          UserWarning: if lines are damaged.
        """
        if self.path is None or not self.path.exists():
            return {}
        run, rows, n_damaged = read(self.path)
        differing = [n for n in self.identity if run.get(n) != self.identity[n]]
        names = ["draws"] * (not self._has_draws(rows)) + differing
        if names:
            raise ValueError(
                f"{self.path} belongs to replicates that differ in {', '.join(names)}: "
                "give another file, or the same arguments as before."
            )
        if n_damaged:
            warnings.warn(
                f"damaged lines in {self.path}: {n_damaged}. Their SHA-256 does not "
                "match, so their replicates are trained again.",
                stacklevel=5,  # the caller of replicates.run
            )
        return rows

    def row(self, number: int, metrics: dict[str, np.ndarray]) -> Row:
        """Return a finished replicate from its ``float64[epochs]`` metrics."""
        draw = hash_arrays({"draw": self.examples[number]})
        return Row(draw, {name: _to_json(array) for name, array in metrics.items()})

    def save(self, rows: dict[int, Row]) -> None:
        """Save all finished replicates by number; replace the file atomically."""
        if self.path is None:
            return
        first = _seal({"run": self.identity})
        lines = [first]
        for number in sorted(rows):
            content = {"replicate": number, **rows[number]._asdict()}
            lines.append(_seal(content, first["sha256"]))
        with replace(self.path, durable=True) as temporary:
            temporary.write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    def _has_draws(self, rows: dict[int, Row]) -> bool:
        return all(
            hash_arrays({"draw": draw}) == rows[number].draw
            for number, draw in enumerate(self.examples)
            if number in rows
        )


@contextmanager
def open_journal(
    checkpoint: str | Path | None,
) -> Iterator[tuple[Path | None, Identity]]:
    """Lock a journal; yield its path, and the identity of the run in it.

    The checks run here, so that an error does not occur after hours of training.

    Raises:
      BlockingIOError: if another process holds the lock.
      OSError: if the file cannot be written.
      ValueError: if the file is not a journal.
    """
    if checkpoint is None:
        yield None, {}
        return
    path = Path(checkpoint)
    check_writable(path, "checkpoint")
    with lock(path, is_file=True):
        yield path, read(path)[0] if path.exists() else {}


def read(path: Path) -> tuple[Identity, dict[int, Row], int]:
    """Return what :meth:`Journal.save` wrote.

    Returns:
      The identity of the run, the replicates of undamaged lines by number, and the
      number of damaged lines.

    Raises:
      ValueError: if the file is too large, or its first line is damaged.
    """
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise ValueError(f"it has {size:,} bytes")
        first, *rest = path.read_bytes().splitlines() or [b""]
        run, seal = _read_first(first)
    except ERRORS as error:
        raise ValueError(f"{path} cannot be read ({error}): {REMEDY}") from error
    rows: dict[int, Row] = {}
    n_damaged = 0
    for line in rest:
        try:
            number, row = _read_row(line, run, seal)
        except ERRORS:
            n_damaged += 1
        else:
            rows[number] = row
    return run, rows, n_damaged


def _read_first(line: bytes) -> tuple[Identity, str]:
    """Return the identity of the run, and the SHA-256 of the first line."""
    sealed = json.loads(line)
    if sealed != _seal({"run": sealed["run"]}):
        raise ValueError("its first line is damaged: the SHA-256 does not match")
    run = sealed["run"]
    if type(run["n_parallel"]) is not int or run["n_parallel"] < 1:
        raise ValueError(f"n_parallel must be positive, got {run['n_parallel']!r:.40}")
    return run, sealed["sha256"]


def _read_row(line: bytes, run: Identity, seal: str) -> tuple[int, Row]:
    """Return a replicate and its number; raise one of ``ERRORS`` for a damaged line."""
    sealed = json.loads(line)
    number, row = sealed["replicate"], Row(sealed["draw"], sealed["metrics"])
    if sealed != _seal({"replicate": number, **row._asdict()}, seal):
        raise ValueError("the SHA-256 does not match")
    values = [value for values in row.metrics.values() for value in values]
    is_ours = (
        type(number) is int
        and sorted(row.metrics) == run["metrics"]
        and {len(values) for values in row.metrics.values()} == {run["epochs"]}
        and all(value is None or type(value) is float for value in values)
    )
    if not is_ours:
        raise ValueError("the line has other metrics than those of the run")
    return number, row


def _seal(content: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Return ``content`` with the SHA-256 of ``before`` and of its JSON."""
    text = before + json.dumps(content, sort_keys=True, allow_nan=False)
    return {**content, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def _to_json(values: np.ndarray) -> list[float | None]:
    """Return a list with None for NaN, which JSON cannot store."""
    return [x if math.isfinite(x) else None for x in values.tolist()]
