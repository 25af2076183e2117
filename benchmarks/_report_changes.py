"""Changes: what is slower or faster than in earlier lines, beyond its noise."""

import collections
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks._report_lines import Line
from benchmarks._report_tables import digits, find_copy, format_seconds, make_table


class Change(NamedTuple):
    """One measurement, now and before."""

    now: Line
    before: Line

    @property
    def ratio(self) -> float:
        """The time now over the time before: over 1 is slower."""
        return self.now.median_s / self.before.median_s

    @property
    def noise(self) -> float | None:
        """How far apart both may be without a change, if it can be told."""
        now, before = self.now.find_noise(), self.before.find_noise()
        return None if now is None or before is None else now + before

    @property
    def is_comparable(self) -> bool:
        """Whether both had the same input, and their noise is known."""
        return self.noise is not None and not self.find_differences()

    @property
    def is_beyond(self) -> bool:
        """Whether both are further apart than their noise, which is known."""
        apart = max(self.ratio, 1 / self.ratio) - 1
        return self.noise is not None and apart > self.noise

    def find_differences(self) -> list[str]:
        """The names of facts of the input in which both are not the same."""
        now, before = self.now.find_inputs(), self.before.find_inputs()
        names = dict.fromkeys([*now, *before])
        return [name for name in names if now.get(name) != before.get(name)]


class Changes(NamedTuple):
    """What a comparison finds.

    Attributes:
      slower: beyond its noise, the worst first.
      faster: likewise, the best first.
      compared: how many measurements of a machine in both can be compared.
      differences: how many are in both, but with another input, by the names of the
        facts in which it differs.
      run_once: how many are in both with the same input, but with unknown noise.
      only_now: how many are not in the earlier lines.
      only_before: how many are in the earlier lines only.
      elsewhere: how many are of a machine that is not in both, or not known.
      machines: of both, of the lines now, and of those before.
      copies: GB/s of a copy before and now, None if it is not known.
    """

    slower: list[Change]
    faster: list[Change]
    compared: int
    differences: dict[str, int]
    run_once: int
    only_now: int
    only_before: int
    elsewhere: int
    machines: tuple[list[str], list[str], list[str]]
    copies: tuple[float | None, float | None]


def compare(now: Sequence[Line], before: Sequence[Line]) -> Changes:
    """Lines against earlier ones of the same machine.

    A machine is a device and its number of cores; where a line does not name its
    device, there is no telling, and it is not compared. Nor is what had another input,
    such as other reviews, or was run but once, so that its noise is not known.

    Args:
      now: lines.
      before: earlier lines.

    Returns:
      What changed. Slower or faster is what did so by more than both noises together:
      of each line 5 %, or by how far jaxembed's first was from itself, or half of
      what the 10th and the 90th percentile are apart, whichever is the most.
    """
    machines = (_list_machines(now), _list_machines(before))
    shared = [name for name in machines[0] if name in machines[1]]
    new, new_elsewhere = _pick(now, shared)
    old, old_elsewhere = _pick(before, shared)
    both = [Change(new[key], old[key]) for key in new if key in old]
    differences = collections.Counter(", ".join(one.find_differences()) for one in both)
    n_alike = differences.pop("", 0)
    known = [one for one in both if one.is_comparable]
    changes = [one for one in known if one.is_beyond]
    changes.sort(key=lambda one: one.ratio)
    return Changes(
        slower=[one for one in reversed(changes) if one.ratio > 1],
        faster=[one for one in changes if one.ratio < 1],
        compared=len(known),
        differences=dict(differences),
        run_once=n_alike - len(known),
        only_now=len(new) - len(both),
        only_before=len(old) - len(both),
        elsewhere=new_elsewhere + old_elsewhere,
        machines=(shared, *machines),
        copies=(find_copy(old.values()), find_copy(new.values())),
    )


def _list_machines(lines: Sequence[Line]) -> list[str]:
    machines = (line.place.machine for line in lines)
    return list(dict.fromkeys(filter(None, machines)))


def _pick(lines: Sequence[Line], machines: Sequence[str]) -> tuple[dict, int]:
    """Measurements of some machines by what they are of, and the number of others."""
    measured = [line for line in lines if line.left_out is None]
    picked = {
        (line.place, line.implementation): line
        for line in measured
        if line.place.machine in machines
    }
    return picked, len(measured) - len(picked)


def render(changes: Changes) -> str:
    """The comparison in Markdown."""
    shared, now, before = (
        " and ".join(names) or "a device not named" for names in changes.machines
    )
    if not changes.machines[0]:
        return (
            f"The earlier lines are of {before}, these are of {now}: nothing is "
            "compared."
        )
    facts = [
        f"- On {shared}: {changes.compared} measurements are compared; "
        f"{changes.only_now} are only here, {changes.only_before} only in the earlier "
        "lines.",
        f"- {_describe_copies(*changes.copies)}",
    ]
    facts += [
        f"- {n} are in both with another input ({names}), and are not compared."
        for names, n in changes.differences.items()
    ]
    if changes.run_once:
        facts.append(
            f"- {changes.run_once} are in both, but were run once, so that their noise "
            "is not known, and are not compared."
        )
    if changes.elsewhere:
        facts.append(
            f"- {changes.elsewhere} more are of another or an unknown device, and are "
            "not compared."
        )
    parts = ["\n".join(facts)]
    for word, found in (("slower", changes.slower), ("faster", changes.faster)):
        parts.append(f"{len(found)} {word} by more than the noise of both.")
        if found:
            parts.append(tabulate(found))
    return "\n\n".join(parts)


def _describe_copies(before: float | None, now: float | None) -> str:
    if before is None or now is None:
        return "How fast the machine copies is not in the lines of both."
    return (
        f"The machine copied {digits(before)} GB/s before and copies {digits(now)} "
        f"GB/s now: {100 * (now / before - 1):+.0f} %."
    )


def tabulate(changes: Sequence[Change]) -> str:
    """A row for each change."""
    rows = [
        [
            change.now.place.what,
            change.now.place.words(),
            change.now.implementation,
            format_seconds(change.before.median_s),
            format_seconds(change.now.median_s),
            digits(change.ratio),
            f"{100 * (change.noise or 0):.0f} %",
        ]
        for change in changes
    ]
    headers = ["measured", "where", "implementation", "before", "now", "ratio", "noise"]
    return make_table(headers, rows)
