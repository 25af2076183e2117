"""Stored lines: read from files, checked, and grouped into measurements."""

import json
import math
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness.lines import NOISE
from benchmarks.harness.workloads import KINDS, WORKLOADS

TYPES = {"what": str, "implementation": str, "workload": str, "batch_size": int}
REQUIRED = ("what", "implementation")


class Place(NamedTuple):
    """What a measurement is of, without the implementation; unknown fields are None."""

    what: str
    workload: str | None
    batch_size: int | None
    ids: str | None
    machine: str | None

    def __str__(self) -> str:
        """Name workload, batch size and kind of ids, as "first, 16, zipf"."""
        return ", ".join(str(part) for part in self[1:4] if part is not None)


class Line(NamedTuple):
    """A stored line."""

    place: Place  # measurement that the line belongs to
    implementation: str  # name of the implementation that was measured
    facts: dict[str, Any]  # all fields of the line

    @property
    def median_s(self) -> float:
        """Median of the seconds, above 0."""
        return self.facts["median_s"]

    @property
    def left_out(self) -> str | None:
        """Reason for a missing measurement; None for a measurement."""
        return None if "median_s" in self.facts else str(self.facts["left_out"])

    @property
    def is_ours(self) -> bool:
        """Whether the implementation is a form of jaxembed."""
        return self.implementation.startswith("jaxembed")

    @property
    def noise(self) -> float:
        """Relative difference that two medians of the same turns may have."""
        return max(NOISE, abs((self.number("a_a") or 1) - 1))

    def number(self, name: str) -> float | None:
        """Return a field that is a finite number, else None."""
        value = self.facts.get(name)
        if not isinstance(value, int | float) or not math.isfinite(value):
            return None
        return float(value)


class Measurement(NamedTuple):
    """All implementations in one place."""

    place: Place  # where they were measured
    ours: Line  # line of jaxembed's first implementation
    peers: list[Line]  # all other lines

    @property
    def is_noisy(self) -> bool:
        """Whether jaxembed's first implementation differed from itself."""
        return any(line.facts.get("noisy") is True for line in (self.ours, *self.peers))

    def ratio(self, peer: Line) -> float:
        """Divide the time of a peer by ours; above 1, jaxembed is faster."""
        return peer.number("ratio") or peer.median_s / self.ours.median_s

    def is_behind(self, peer: Line) -> bool:
        """Return whether another library is faster beyond the noise of the turns."""
        noise = max(self.ours.noise, peer.noise)
        return not peer.is_ours and self.ratio(peer) < 1 / (1 + noise)


def read(paths: Sequence[Path]) -> list[Line]:
    """Read the lines of files; of a place and implementation, the last line counts.

    Args:
      paths: Files of JSON lines.

    Returns:
      The lines, in the order in which each place and implementation first came.

    Raises:
      ValueError: If a line is not one of a benchmark, with the file and the number of
        the line; or if no file has a line.
    """
    lines = {}
    for path in paths:
        numbered = enumerate(path.read_text("utf-8").splitlines(), 1)
        found = [parse(words, f"{path}:{n}") for n, words in numbered if words.strip()]
        machines = {line.place.machine for line in found} - {None}
        for line in found:
            place = line.place
            if line.left_out is not None and len(machines) == 1:
                # A line without a measurement does not name the file's one machine.
                place = place._replace(machine=next(iter(machines)))
            lines[place, line.implementation] = line._replace(place=place)
    if not lines:
        names = ", ".join(map(str, paths))
        raise ValueError(f"{names}: there are no lines: run a benchmark with --out.")
    return list(lines.values())


def parse(words: str, where: str) -> Line:
    """Parse and check a line; errors begin with ``where``."""
    try:
        facts = json.loads(words)
    except ValueError as error:
        raise ValueError(f"{where}: must be JSON, got {words[:60]!r}.") from error
    if not isinstance(facts, dict):
        raise ValueError(f"{where}: must be a JSON object, got {words[:60]!r}.")
    for name, kind in TYPES.items():
        value = facts.get(name)
        if not isinstance(value, kind) and (name in REQUIRED or value is not None):
            word = "text" if kind is str else "an integer"
            raise ValueError(f"{where}: {name} must be {word}, got {value!r}.")
    median = facts.get("median_s", 1)
    if not isinstance(median, int | float) or not 0 < median < math.inf:
        raise ValueError(f"{where}: median_s must be above 0, got {median!r}.")
    if not {"median_s", "left_out"} & facts.keys():
        raise ValueError(f"{where}: must have median_s or left_out, has neither.")
    workload, batch_size = facts.get("workload"), facts.get("batch_size")
    ids, device = facts.get("ids"), facts.get("device")
    ids = ids if isinstance(ids, str) else None  # once the number of ids
    # Devices of one name are told apart by the cores beside them.
    machine = device and f"{device}, {facts.get('cpus', '?')} cores"
    place = Place(facts["what"], workload, batch_size, ids, machine)
    return Line(place, facts["implementation"], facts)


def gather(lines: Iterable[Line]) -> list[Measurement]:
    """Group lines by place, in the order of a table.

    Args:
      lines: Lines; those without a measurement are passed over.

    Returns:
      Measurements: by what was measured and by machine, as they came; then by
      workload, the named ones first, by batch size, and by kind of ids.
    """
    places: dict[Place, list[Line]] = {}
    for line in lines:
        if line.left_out is None:
            places.setdefault(line.place, []).append(line)
    whats = _number(place.what for place in places)
    machines = _number(place.machine for place in places)
    workloads = _number([*WORKLOADS, *(place.workload for place in places)])
    kinds = _number([*KINDS, *(place.ids for place in places)])

    def rank(place: Place) -> tuple[int, ...]:
        workload, kind = workloads[place.workload], kinds[place.ids]
        machine = machines[place.machine]
        return whats[place.what], machine, workload, place.batch_size or 0, kind

    return [_split(place, places[place]) for place in sorted(places, key=rank)]


def _number(values: Iterable[Hashable]) -> dict[Hashable, int]:
    """Number distinct values in the order in which they come."""
    return {value: number for number, value in enumerate(dict.fromkeys(values))}


def _split(place: Place, lines: list[Line]) -> Measurement:
    """Find the line by which all were divided; a peer may be as fast."""
    ours = min(lines, key=lambda line: (line.number("ratio") != 1, not line.is_ours))
    return Measurement(place, ours, [line for line in lines if line is not ours])
