"""Tables: the report in Markdown."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.report.read import Line, Measurement, gather

NOISY = "†"
NOISY_NOTE = (
    f"{NOISY} noisy: two measurements of jaxembed's first implementation differ by 5 % "
    "or more. Smaller differences in this row are noise."
)
UNSTEADY = 0.25  # noise above which the summary ignores a ratio
HOW_TO_READ = """\
The first column of times is the median time of jaxembed's first implementation. Every
other column is a ratio: the time of an implementation divided by that time, measured
in the same turns. Above 1, jaxembed is faster. **Bold**: jaxembed is slower by more
than the noise, which is 5 %, or the difference between two measurements of jaxembed's
first implementation if that is larger.

"jaxembed" checks in each call that the ids are in bounds. "jaxembed, ids checked" does
not: it uses `mode="promise_in_bounds"`, for ids that were checked before, as in
training. "torch" uses all cores.

"Of a copy" is a share of the copy bandwidth, which is measured by adding 1 to an array
of 256 MB. The share counts the fewest bytes that an implementation must read and write.
It is above 100 % if these bytes are in a cache. In the plots each implementation has
its own share, and higher is better; but a dense step must move more bytes than a
row-sparse step, so that it may have a higher share and still be slower."""


def render(
    lines: Sequence[Line],
    *,
    pictures: Mapping[str, str] | None = None,
    changes: str = "",
) -> str:
    """Render the whole report.

    Args:
      lines: Lines to report.
      pictures: File names of the plots, by title.
      changes: Comparison with earlier lines, in Markdown.

    Returns:
      Markdown.
    """
    measurements = gather(lines)
    parts = [describe(lines), HOW_TO_READ, "## Summary", summarize(measurements)]
    if pictures:
        parts.append("## Time by batch size")
        parts += [f"![{name}]({file})" for name, file in pictures.items()]
    machines = name_machines(measurements)
    for what in dict.fromkeys(found.place.what for found in measurements):
        rows = [found for found in measurements if found.place.what == what]
        parts += [f"## {what}", tabulate(rows, machines)]
    left_out = list_left_out(lines)
    if left_out:
        parts += ["## Left out", left_out]
    if changes:
        parts += ["## Compared with earlier lines", changes]
    return "\n\n".join(parts) + "\n"


def describe(lines: Sequence[Line]) -> str:
    """Return the heading: machines, versions, load and copy bandwidth."""
    machines = list(dict.fromkeys(filter(None, (x.place.machine for x in lines))))
    parts = ["# Benchmarks on " + (" and ".join(machines) or "an unnamed device")]
    if len(machines) > 1:
        parts.append("**Do not compare rows of different machines.**")
    facts = []
    versions: dict[str, dict[str, None]] = {}
    for line in lines:
        found = {"python": line.facts.get("python"), **line.facts.get("versions", {})}
        for name, version in found.items():
            if version not in (None, "missing"):
                versions.setdefault(name, {})[version] = None
    if versions:
        named = (f"{name} {' and '.join(found)}" for name, found in versions.items())
        facts.append(f"- Versions: {', '.join(named)}.")
    loads = [load for line in lines if (load := line.number("load")) is not None]
    if loads:
        facts.append(f"- Load while measuring: {min(loads):g} to {max(loads):g}.")
    rates = [rate for line in lines if (rate := line.number("copy_gb_per_s"))]
    if rates:
        copy = digits(statistics.median(rates))
        facts.append(f"- Copy bandwidth: {copy} GB/s read and written (256 MB array).")
    return "\n\n".join(filter(None, [*parts, "\n".join(facts)]))


def name_machines(measurements: Sequence[Measurement]) -> dict[str | None, str]:
    """Return the name of each machine; a single machine has an empty name."""
    machines = dict.fromkeys(found.place.machine for found in measurements)
    return {name: "" if len(machines) == 1 else name or "unnamed" for name in machines}


def summarize(measurements: Sequence[Measurement]) -> str:
    """Return a table with a row for each measurement and implementation."""
    found: dict[tuple[str, str, str], list[tuple[Measurement, Line]]] = {}
    machines = name_machines(measurements)
    for measurement in measurements:
        place = measurement.place
        for peer in measurement.peers:
            key = machines[place.machine], place.what, peer.implementation
            found.setdefault(key, []).append((measurement, peer))
    if not found:
        return "Only jaxembed's first implementations were measured."
    rows = [[*key, *_sum_up(pairs)] for key, pairs in found.items()]
    headers = ["machine", "measured", "implementation", "geometric mean", "least"]
    headers += ["greatest", "jaxembed faster", "slower beyond noise", "left out"]
    table = make_table(headers, rows)
    n_left_out = sum(int(row[-1] or 0) for row in rows)
    if not n_left_out:
        return table
    return (
        f"{table}\n\nMean, least and greatest leave out {n_left_out} ratios, because "
        "two measurements of jaxembed's first implementation differ by more than "
        f"{100 * UNSTEADY:.0f} %. The tables below include these ratios."
    )


def _sum_up(pairs: Sequence[tuple[Measurement, Line]]) -> list[str]:
    """Return the cells of a summary row; mean and extremes ignore unsteady ratios."""
    steady = [
        (measurement.ratio(peer), str(measurement.place))
        for measurement, peer in pairs
        if peer.noise <= UNSTEADY
    ]
    cells = ["", "", ""]
    if steady:
        # Rounded, so that the mean of one number has the same digits as the number.
        mean = statistics.geometric_mean(ratio for ratio, _ in steady)
        cells = [digits(float(f"{mean:.6g}"))]
        for end in (min, max):
            ratio, where = end(steady, key=lambda pair: pair[0])
            cells.append(digits(ratio) + (f" ({where})" if where else ""))
    n_faster = sum(measurement.ratio(peer) > 1 for measurement, peer in pairs)
    n_behind = sum(measurement.is_behind(peer) for measurement, peer in pairs)
    counts = [f"{n_faster} of {len(pairs)}", str(n_behind)]
    cells += ["", ""] if pairs[0][1].is_ours else counts
    return [*cells, str(len(pairs) - len(steady) or "")]


def tabulate(
    measurements: Sequence[Measurement], machines: Mapping[str | None, str]
) -> str:
    """Return the table of one measurement, with a row for each place."""
    ours = " or ".join(dict.fromkeys(m.ours.implementation for m in measurements))
    names = dict.fromkeys(p.implementation for m in measurements for p in m.peers)
    headers = ["machine", "workload", "batch size", "ids", ours, "of a copy", *names]
    rows = []
    for measurement in measurements:
        _, *where, machine = measurement.place
        row = [
            machines[machine],
            *("" if part is None else str(part) for part in where),
        ]
        mark = f" {NOISY}" if measurement.is_noisy else ""
        row.append(format_seconds(measurement.ours.median_s) + mark)
        share = measurement.ours.number("copy_share")
        row.append("" if share is None else f"{digits(100 * share)} %")
        cells = dict.fromkeys(names, "")
        for peer in measurement.peers:
            ratio = digits(measurement.ratio(peer))
            is_behind = measurement.is_behind(peer)
            cells[peer.implementation] = f"**{ratio}**" if is_behind else ratio
        rows.append([*row, *cells.values()])
    is_noisy = any(measurement.is_noisy for measurement in measurements)
    return make_table(headers, rows) + (f"\n\n{NOISY_NOTE}" if is_noisy else "")


def list_left_out(lines: Iterable[Line]) -> str:
    """List the missing measurements by reason."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for line in lines:
        if line.left_out is not None:
            who = f"{line.place.what}, {line.implementation}"
            places = reasons.setdefault(line.left_out, {}).setdefault(who, [])
            places.append(str(line.place))
    items = []
    for reason, whos in reasons.items():
        items.append(f"- {reason}")
        for who, places in whos.items():
            where = "; ".join(filter(None, places))
            items.append(f"  - {who}" + (f": {where}" if where else ""))
    return "\n".join(items)


def make_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table without empty columns.

    Args:
      headers: Headers of the columns.
      rows: Cells of each row.

    Returns:
      Lines padded for reading as plain text; columns of numbers are right-aligned.
    """
    columns = [list(column) for column in zip(headers, *rows, strict=True)]
    aligned = [_align(column) for column in columns if any(column[1:])]
    lines = zip(*aligned, strict=True)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _align(column: list[str]) -> list[str]:
    header, *cells = (cell.replace("|", "\\|") for cell in column)
    is_number = all(cell.lstrip("*")[:1].isdigit() for cell in cells if cell)
    width = max(3, *map(len, (header, *cells)))
    rule = "-" * (width - 1) + (":" if is_number else "-")
    side = ">" if is_number else "<"
    return [f"{cell:{side}{width}}" for cell in (header, rule, *cells)]


def digits(value: float) -> str:
    """Format with three significant digits: 0.0251, 1.06, 15.9, 1240."""
    places = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:.{max(places, 0)}f}"


def format_seconds(seconds: float) -> str:
    """Format in s, ms or us."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{digits(seconds / size)} {unit}"
    return f"{digits(seconds / 1e-6)} us"
