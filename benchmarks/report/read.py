"""Read: stored lines from files, checked and grouped into measurements."""

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
    """Measured operation, its input and the machine; None for an unknown field."""

    what: str  # name of the measurement
    workload: str | None  # name or sizes of the workload
    batch_size: int | None  # number of texts, words or draws in a batch
    ids: str | None  # kind of ids
    machine: str | None  # device and number of cores

    def __str__(self) -> str:
        """Return workload, batch size and kind of ids, as "first, 16, zipf"."""
        return ", ".join(str(part) for part in self[1:4] if part is not None)


class Line(NamedTuple):
    """Stored line."""

    place: Place  # place of the measurement
    implementation: str  # name of the measured implementation
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
        """True if the implementation belongs to jaxembed."""
        return self.implementation.startswith("jaxembed")

    @property
    def noise(self) -> float:
        """Relative difference to expect between two equal medians of the same turns.

        This is 5 %, or the difference of jaxembed's first implementation from its
        control measurement (``a_a``) if that is larger.
        """
        return max(NOISE, abs((self.number("a_a") or 1) - 1))

    def number(self, name: str) -> float | None:
        """Return the field if it is a finite number, else None."""
        value = self.facts.get(name)
        if not isinstance(value, int | float) or not math.isfinite(value):
            return None
        return float(value)


class Measurement(NamedTuple):
    """Lines of all implementations in one place."""

    place: Place  # place of all lines
    ours: Line  # line of jaxembed's first implementation
    peers: list[Line]  # all other lines

    @property
    def is_noisy(self) -> bool:
        """True if jaxembed's first implementation differed from its control."""
        return any(line.facts.get("noisy") is True for line in (self.ours, *self.peers))

    def ratio(self, peer: Line) -> float:
        """Divide the time of a peer by jaxembed's; above 1, jaxembed is faster."""
        return peer.number("ratio") or peer.median_s / self.ours.median_s

    def is_behind(self, peer: Line) -> bool:
        """Return whether another library is faster beyond the noise of the turns."""
        noise = max(self.ours.noise, peer.noise)
        return not peer.is_ours and self.ratio(peer) < 1 / (1 + noise)


def read(paths: Sequence[Path]) -> list[Line]:
    """Read the lines of files; the last line of a place and implementation is used.

    Args:
      paths: Files of JSON lines.

    Returns:
      Lines, in the order in which each place and implementation first appear.

    Raises:
      ValueError: If a line is not a benchmark's line, with its file and number; or if
        the files are empty.
    """
    lines = {}
    for path in paths:
        numbered = enumerate(path.read_text("utf-8").splitlines(), 1)
        found = [parse(words, f"{path}:{n}") for n, words in numbered if words.strip()]
        machines = {line.place.machine for line in found} - {None}
        for line in found:
            place = line.place
            if line.left_out is not None and len(machines) == 1:
                # A left-out line does not name its machine, but the file has only one.
                place = place._replace(machine=next(iter(machines)))
            lines[place, line.implementation] = line._replace(place=place)
    if not lines:
        names = ", ".join(map(str, paths))
        raise ValueError(
            f"{names}: must have lines, got empty files: run a benchmark with --out."
        )
    return list(lines.values())


def parse(words: str, where: str) -> Line:
    """Parse and check a JSON line; errors begin with ``where``."""
    try:
        facts = json.loads(words)
    except ValueError as error:
        raise ValueError(f"{where}: must be JSON, got {words[:60]!r}.") from error
    if not isinstance(facts, dict):
        raise ValueError(f"{where}: must be a JSON object, got {words[:60]!r}.")
    return make_line(facts, where)


def make_line(facts: dict[str, Any], where: str) -> Line:
    """Check the fields of a line and return the line; errors begin with ``where``."""
    for name, kind in TYPES.items():
        value = facts.get(name)
        if not isinstance(value, kind) and (name in REQUIRED or value is not None):
            word = "text" if kind is str else "an integer"
            raise ValueError(f"{where}: {name} must be {word}, got {value!r}.")
    median = facts.get("median_s", 1)
    if not isinstance(median, int | float) or not 0 < median < math.inf:
        raise ValueError(f"{where}: median_s must be above 0, got {median!r}.")
    if not {"median_s", "left_out"} & facts.keys():
        raise ValueError(f"{where}: must have median_s or left_out, got neither.")
    workload, batch_size = facts.get("workload"), facts.get("batch_size")
    ids, device = facts.get("ids"), facts.get("device")
    ids = ids if isinstance(ids, str) else None  # in old lines it is the number of ids
    # The number of cores distinguishes machines with the same device.
    machine = device and f"{device}, {facts.get('cpus', '?')} cores"
    place = Place(facts["what"], workload, batch_size, ids, machine)
    return Line(place, facts["implementation"], facts)


def gather(lines: Iterable[Line]) -> list[Measurement]:
    """Group lines by place, in the order of a table.

    Args:
      lines: Lines; left-out lines are skipped.

    Returns:
      Measurements, sorted by name and by machine in their order of appearance; then by
      workload, named workloads first; by batch size; and by kind of ids.
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
    """Return the rank of each distinct value, by order of appearance."""
    return {value: number for number, value in enumerate(dict.fromkeys(values))}


def _split(place: Place, lines: list[Line]) -> Measurement:
    """Split lines into jaxembed's first line, with ratio 1, and all other lines."""
    ours = min(lines, key=lambda line: (line.number("ratio") != 1, not line.is_ours))
    return Measurement(place, ours, [line for line in lines if line is not ours])
