"""Lines that were stored: read, checked, and put together to measurements."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks._lines import NOISE
from benchmarks._workloads import KINDS, WORKLOADS

# What a measurement finds and on what; what no name here has is of its input.
OUTCOMES = {
    "implementation",
    "repeats",
    "ratio",
    "a_a",
    "noisy",
    "steps",
    "chunk",
    "n_parallel",
}
OUTCOMES |= {"copy_share", "device", "cpus", "load", "python", "versions"}
OUTCOMES |= {"val_accuracy_best", "left_out"}


class Place(NamedTuple):
    """What was measured and where, but not of whom; what is not known is None."""

    what: str
    workload: str | None
    batch_size: int | None
    ids: str | None
    machine: str | None

    def words(self) -> str:
        """Without what was measured and the machine, as "first, 16, zipf"."""
        parts = (self.workload, self.batch_size, self.ids)
        return ", ".join(str(part) for part in parts if part is not None)


class Line(NamedTuple):
    """A stored line.

    Attributes:
      place: of the measurement.
      implementation: that was measured.
      facts: the whole line.
    """

    place: Place
    implementation: str
    facts: dict[str, Any]

    @property
    def median_s(self) -> float:
        """Seconds; checked when it was read."""
        return self.facts["median_s"]

    @property
    def left_out(self) -> str | None:
        """Why there is no measurement, or None if there is one."""
        return None if "median_s" in self.facts else str(self.facts["left_out"])

    def find_inputs(self) -> dict[str, Any]:
        """The facts that describe what was measured, and not how it went."""
        return {
            name: value
            for name, value in self.facts.items()
            if name not in OUTCOMES and not name.endswith(("_s", "_bytes", "accuracy"))
        }

    def find_number(self, name: str) -> float | None:
        """A fact, if it is a number, also one of a dict by implementation."""
        value = self.facts.get(name)
        if isinstance(value, dict):  # as lines once were
            value = value.get(self.implementation)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if math.isfinite(value) else None

    def find_spread(self) -> tuple[float, float]:
        """The 10th and the 90th percentile in seconds, or else the median twice."""
        low, high = self.find_number("p10_s"), self.find_number("p90_s")
        return low or self.median_s, high or self.median_s

    @property
    def is_ours(self) -> bool:
        """Whether it is jaxembed in another form, such as with ids checked before."""
        return self.implementation.startswith("jaxembed")

    def find_turn_noise(self) -> float:
        """How far two medians of one thing may be apart in the same turns."""
        again = self.find_number("a_a")
        return max(NOISE, 0 if again is None else abs(again - 1))

    def find_noise(self) -> float | None:
        """How far the median may be off in another run; one call alone cannot tell."""
        if self.facts.get("repeats") == 1 and self.find_number("a_a") is None:
            return None
        low, high = self.find_spread()
        return max(self.find_turn_noise(), (high - low) / 2 / self.median_s)


class Measurement(NamedTuple):
    """All implementations in one place.

    Attributes:
      place: that it is.
      ours: the line of jaxembed's first.
      peers: all other lines.
    """

    place: Place
    ours: Line
    peers: list[Line]

    @property
    def is_noisy(self) -> bool:
        """Whether the first was too far from itself."""
        return any(line.facts.get("noisy") is True for line in (self.ours, *self.peers))

    def find_ratio(self, peer: Line) -> float:
        """The time of a peer over ours: over 1, jaxembed is faster."""
        ratio = peer.find_number("ratio")
        # Rounded to 0 if it is very small; and the oldest lines have none.
        return ratio if ratio else peer.median_s / self.ours.median_s

    def is_behind(self, peer: Line) -> bool:
        """Whether a peer, not another form of ours, is faster beyond the noise."""
        if peer.is_ours:
            return False
        noise = max(self.ours.find_turn_noise(), peer.find_turn_noise())
        return self.find_ratio(peer) < 1 / (1 + noise)


def read(paths: Sequence[Path]) -> list[Line]:
    """The lines of files; of two of one place and implementation, the last.

    Args:
      paths: of files of JSON lines.

    Returns:
      The lines, each where its first was.

    Raises:
      ValueError: names the file and the line, if a line is none of a benchmark, or the
        files, if there is none at all.
    """
    lines = {}
    for path in paths:
        numbered = enumerate(path.read_text("utf-8").splitlines(), 1)
        found = [parse(words, f"{path}:{n}") for n, words in numbered if words.strip()]
        for line in _name_machine(found):
            lines[line.place, line.implementation] = line
    if not lines:
        raise ValueError(
            f"{', '.join(map(str, paths))}: there are no lines: run a benchmark with "
            "--out to get some."
        )
    return list(lines.values())


def _name_machine(lines: Sequence[Line]) -> list[Line]:
    """What was left out names no machine: it is of the file's, if that has but one."""
    machines = {line.place.machine for line in lines} - {None}
    if len(machines) != 1:
        return list(lines)
    (machine,) = machines
    return [
        line
        if line.left_out is None
        else line._replace(place=line.place._replace(machine=machine))
        for line in lines
    ]


def parse(words: str, where: str) -> Line:
    """A line, checked; ``where`` is named if it is wrong."""
    try:
        facts = json.loads(words)
    except ValueError as error:
        raise ValueError(f"{where}: must be JSON, got {words[:60]!r}.") from error
    if not isinstance(facts, dict):
        raise ValueError(f"{where}: must be a JSON object, got {words[:60]!r}.")
    _check(facts, "what", str, where)
    _check(facts, "implementation", str, where)
    for name, kind in {"workload": str, "batch_size": int}.items():
        if facts.get(name) is not None:
            _check(facts, name, kind, where)
    if "median_s" in facts:
        median = facts["median_s"]
        is_number = isinstance(median, int | float) and not isinstance(median, bool)
        if not is_number or not 0 < median < math.inf:
            raise ValueError(f"{where}: median_s must be above 0, got {median!r}.")
    elif "left_out" not in facts:
        raise ValueError(f"{where}: must have median_s or left_out, has neither.")
    return Line(_find_place(facts), facts["implementation"], facts)


def _find_place(facts: dict[str, Any]) -> Place:
    ids = facts.get("ids")  # once it was how many there are
    # Devices of one name are told apart by the cores beside them.
    device, cpus = facts.get("device"), facts.get("cpus")
    return Place(
        what=facts["what"],
        workload=facts.get("workload"),
        batch_size=facts.get("batch_size"),
        ids=ids if isinstance(ids, str) else None,
        machine=None if device is None else f"{device}, {cpus or '?'} cores",
    )


def _check(facts: dict[str, Any], name: str, kind: type, where: str) -> None:
    value = facts.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        word = {str: "text", int: "an integer"}[kind]
        raise ValueError(f"{where}: {name} must be {word}, got {value!r}.")


def gather(lines: Iterable[Line]) -> list[Measurement]:
    """Lines of the same place together, in the order of a table.

    Args:
      lines: of which those without a measurement are passed over.

    Returns:
      What was measured, and its machines, in the order in which they came; of each,
      the named workloads from small to large and then the others, ascending batch
      sizes, and kinds of ids.
    """
    places: dict[Place, list[Line]] = {}
    for line in lines:
        if line.left_out is None:
            places.setdefault(line.place, []).append(line)
    whats = list(dict.fromkeys(place.what for place in places))
    machines = list(dict.fromkeys(place.machine for place in places))
    workloads = list(dict.fromkeys([*WORKLOADS, *(place.workload for place in places)]))

    def rank(place: Place) -> tuple[int, int, int, int, int, str]:
        kind = KINDS.index(place.ids) if place.ids in KINDS else len(KINDS)
        what, workload = whats.index(place.what), workloads.index(place.workload)
        machine = machines.index(place.machine)
        return what, machine, workload, place.batch_size or 0, kind, place.ids or ""

    return [_split(place, places[place]) for place in sorted(places, key=rank)]


def _split(place: Place, lines: list[Line]) -> Measurement:
    """The first of jaxembed is the one by which all were divided."""

    def rank(line: Line) -> tuple[bool, bool]:
        is_ours = line.implementation.startswith("jaxembed")
        return line.find_number("ratio") != 1, not is_ours  # a peer may be as fast

    ours = min(lines, key=rank)
    return Measurement(place, ours, [line for line in lines if line is not ours])
