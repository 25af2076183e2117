"""Tables: the report in Markdown, from stored lines."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

from benchmarks._report_lines import Line, Measurement, gather

NOISY = "†"
NOISY_NOTE = (
    f"{NOISY} noisy: in these turns jaxembed's first was 5 % or more away from itself, "
    "so that smaller differences say nothing."
)
UNSTEADY = 0.25  # of which the ratio says nothing
HOW_TO_READ = (
    "A ratio is the time of an implementation over that of jaxembed's first, in the "
    "same turns: over 1, jaxembed is faster. **Bold** is where jaxembed is behind by "
    "more than the noise of the turns: 5 %, or by how far its first was from itself "
    'if that is more. Times are medians. "Of a copy" is the share of the machine\'s '
    "copy bandwidth that jaxembed's first reaches with the fewest bytes there are to "
    "move; it can be over 100 % where all of it is in a cache."
)


def render(
    lines: Sequence[Line],
    *,
    pictures: Mapping[str, str] | None = None,
    changes: str = "",
) -> str:
    """The whole report.

    Args:
      lines: to report.
      pictures: file names by workload.
      changes: the comparison with earlier lines, in Markdown.

    Returns:
      Markdown.
    """
    measurements = gather(lines)
    machines = name_machines(measurements)
    parts = [describe(lines), HOW_TO_READ]
    parts += ["## Summary", summarize(measurements)]
    if pictures:
        parts.append("## Against batch size")
        parts += [f"![{name}]({file})" for name, file in pictures.items()]
    for what in dict.fromkeys(found.place.what for found in measurements):
        rows = [found for found in measurements if found.place.what == what]
        parts += [f"## {what}", tabulate(rows, machines)]
    left_out = list_left_out(lines)
    if left_out:
        parts += ["## Left out", left_out]
    if changes:
        parts += ["## Against earlier lines", changes]
    return "\n\n".join(parts) + "\n"


def describe(lines: Sequence[Line]) -> str:
    """The heading: machines, versions, load and copy bandwidth."""
    of_lines = (line.place.machine for line in lines)
    machines = list(dict.fromkeys(filter(None, of_lines)))
    parts = ["# Benchmarks on " + (" and ".join(machines) or "a device not named")]
    if len(machines) > 1:
        parts.append("**More than one machine: no row is to be held against another.**")
    facts = []
    versions = _find_versions(lines)
    if versions:
        facts.append(f"- Versions: {', '.join(versions)}.")
    loads = [load for line in lines if (load := line.find_number("load")) is not None]
    if loads:
        facts.append(f"- Load while measuring: {min(loads):g} to {max(loads):g}.")
    copy = find_copy(lines)
    if copy is not None:
        facts.append(f"- A copy of a large array: {digits(copy)} GB/s.")
    return "\n\n".join([*parts, *(["\n".join(facts)] if facts else [])])


def find_copy(lines: Iterable[Line]) -> float | None:
    """GB/s of a copy, the median of the lines that know it."""
    rates = [rate for line in lines if (rate := line.find_number("copy_gb_per_s"))]
    return statistics.median(rates) if rates else None


def _find_versions(lines: Sequence[Line]) -> list[str]:
    found: dict[str, dict[str, None]] = {}
    for line in lines:
        pairs = {"python": line.facts.get("python"), **line.facts.get("versions", {})}
        for name, version in pairs.items():
            if version not in (None, "missing"):
                found.setdefault(name, {})[str(version)] = None
    return [f"{name} {' and '.join(versions)}" for name, versions in found.items()]


def summarize(measurements: Sequence[Measurement]) -> str:
    """A row for what was measured and each implementation but jaxembed's first."""
    found: dict[tuple[str, str, str], list[tuple[Measurement, Line]]] = {}
    machines = name_machines(measurements)
    for measurement in measurements:
        place = measurement.place
        for peer in measurement.peers:
            key = machines[place.machine], place.what, peer.implementation
            found.setdefault(key, []).append((measurement, peer))
    if not found:
        return "There is nothing to compare jaxembed with."
    rows = [[*key, *_sum_up(pairs)] for key, pairs in found.items()]
    headers = ["machine", "measured", "implementation", "geometric mean", "least"]
    headers += ["greatest", "jaxembed faster", "behind beyond noise", "left out"]
    table = make_table(*_drop_empty(headers, rows))
    n_left_out = sum(int(row[-1] or 0) for row in rows)
    if not n_left_out:
        return table
    return (
        f"{table}\n\n{n_left_out} ratios are left out of means, least and greatest: "
        f"in their turns jaxembed's first was more than {100 * UNSTEADY:.0f} % away "
        "from itself. The tables below have them."
    )


def _sum_up(pairs: Sequence[tuple[Measurement, Line]]) -> list[str]:
    """Cells of a row of the summary, from those that were steady enough."""
    ratios = {
        measurement.place: measurement.find_ratio(peer)
        for measurement, peer in pairs
        if peer.find_turn_noise() <= UNSTEADY
    }
    cells = ["", "", ""]
    if ratios:
        # Rounded, for the mean of one number must be written as that number is.
        cells[0] = digits(float(f"{statistics.geometric_mean(ratios.values()):.6g}"))
        for i, end in enumerate((min, max), 1):
            place = end(ratios, key=lambda place: ratios[place])
            where = place.words()
            cells[i] = digits(ratios[place]) + (f" ({where})" if where else "")
    n_faster = sum(measurement.find_ratio(peer) > 1 for measurement, peer in pairs)
    n_behind = sum(measurement.is_behind(peer) for measurement, peer in pairs)
    counts = [f"{n_faster} of {len(pairs)}", str(n_behind)]
    cells += ["", ""] if pairs[0][1].is_ours else counts
    return [*cells, str(len(pairs) - len(ratios) or "")]


def name_machines(measurements: Sequence[Measurement]) -> dict[str | None, str]:
    """What to call each machine: nothing, if there is only one."""
    machines = dict.fromkeys(found.place.machine for found in measurements)
    is_one = len(machines) == 1
    return {name: "" if is_one else name or "not named" for name in machines}


def tabulate(
    measurements: Sequence[Measurement], machines: Mapping[str | None, str]
) -> str:
    """A row for each place of one thing that was measured, and notes below."""
    ours = " or ".join(dict.fromkeys(m.ours.implementation for m in measurements))
    names = dict.fromkeys(p.implementation for m in measurements for p in m.peers)
    headers = ["machine", "workload", "batch size", "ids", ours, "of a copy", *names]
    rows = []
    for measurement in measurements:
        _, *where, machine = measurement.place
        row = [machines[machine]]
        row += ["" if part is None else str(part) for part in where]
        mark = f" {NOISY}" if measurement.is_noisy else ""
        row.append(format_seconds(measurement.ours.median_s) + mark)
        share = measurement.ours.find_number("copy_share")
        row.append("" if share is None else f"{digits(100 * share)} %")
        peers = {peer.implementation: peer for peer in measurement.peers}
        row += [
            _format_cell(measurement, peers[name]) if name in peers else ""
            for name in names
        ]
        rows.append(row)
    table = make_table(*_drop_empty(headers, rows))
    is_noisy = any(measurement.is_noisy for measurement in measurements)
    return f"{table}\n\n{NOISY_NOTE}" if is_noisy else table


def _drop_empty(
    headers: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[list[str], list[list[str]]]:
    """Without columns that nothing has, such as a batch size of a tokenizer."""
    kept = [i for i in range(len(headers)) if any(row[i] for row in rows)]
    return [headers[i] for i in kept], [[row[i] for i in kept] for row in rows]


def _format_cell(measurement: Measurement, peer: Line) -> str:
    ratio = digits(measurement.find_ratio(peer))
    return f"**{ratio}**" if measurement.is_behind(peer) else ratio


def list_left_out(lines: Iterable[Line]) -> str:
    """For each reason, what has no measurement for it."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for line in lines:
        if line.left_out is not None:
            who = f"{line.place.what}, {line.implementation}"
            wheres = reasons.setdefault(line.left_out, {}).setdefault(who, [])
            wheres.append(line.place.words())
    items = []
    for reason, whos in reasons.items():
        items.append(f"- {reason}")
        for who, wheres in whos.items():
            where = "; ".join(filter(None, wheres))
            items.append(f"  - {who}" + (f": {where}" if where else ""))
    return "\n".join(items)


def make_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, with numbers on the right.

    Args:
      headers: of the columns.
      rows: of cells.

    Returns:
      Its lines, padded for those who read them as they are.
    """
    columns = zip(headers, *rows, strict=True)
    aligned = [_align(header, cells) for header, *cells in columns]
    lines = zip(*aligned, strict=True)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _align(header: str, cells: Sequence[str]) -> list[str]:
    header, *cells = (cell.replace("|", "\\|") for cell in (header, *cells))
    is_number = all(cell.lstrip("*")[:1].isdigit() for cell in cells if cell)
    width = max(3, *map(len, (header, *cells)))
    rule = "-" * (width - 1) + (":" if is_number else "-")
    side = ">" if is_number else "<"
    return [f"{cell:{side}{width}}" for cell in (header, rule, *cells)]


def digits(value: float) -> str:
    """Three digits that count, and no exponent: 0.0251, 1.06, 15.9, 1240."""
    places = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:.{max(places, 0)}f}"


def format_seconds(seconds: float) -> str:
    """In s, ms or us."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{digits(seconds / size)} {unit}"
    return f"{digits(seconds / 1e-6)} us"
