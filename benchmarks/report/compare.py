"""Compare: ratios of lines to earlier lines with the same machine and input."""

import json
from collections.abc import Sequence

from benchmarks.report.read import Line
from benchmarks.report.tables import digits, format_seconds, make_table

# Fields of the result and of the machine; every other field describes the input.
OUTCOMES = {"repeats", "ratio", "a_a", "noisy", "steps", "n_parallel", "copy_share"}
OUTCOMES |= {"load", "python", "versions", "val_accuracy_best", "difference"}
OUTCOMES |= {"accuracy_without_copies"}
OUTCOMES |= {"chunk"}  # name of n_parallel in older lines


def compare(now: Sequence[Line], before: Sequence[Line]) -> str:
    """Divide the times of lines by the times of earlier lines.

    Args:
      now: Lines.
      before: Earlier lines. A line is compared with the earlier line that has the same
        machine, implementation and input.

    Returns:
      Markdown: a sentence, then a row for each pair, the largest ratio first. A ratio
      is bold if it exceeds the noise, the sum of the noise of both lines: see
      ``Line.noise``.
    """
    earlier = {key: line for line in before if (key := identify(line)) is not None}
    pairs = [(earlier[key], one) for one in now if (key := identify(one)) in earlier]
    if not pairs:
        return "No earlier line has the same machine and input: nothing is compared."
    pairs.sort(key=lambda pair: pair[0].median_s / pair[1].median_s)
    n_slower, n_faster, rows = 0, 0, []
    for old, new in pairs:
        ratio = new.median_s / old.median_s
        is_beyond = max(ratio, 1 / ratio) - 1 > old.noise + new.noise
        n_slower += is_beyond and ratio > 1
        n_faster += is_beyond and ratio < 1
        row = [new.place.what, str(new.place), new.implementation]
        row += [format_seconds(old.median_s), format_seconds(new.median_s)]
        row.append(f"**{digits(ratio)}**" if is_beyond else digits(ratio))
        rows.append([*row, f"{100 * (old.noise + new.noise):.0f} %"])
    headers = ["measured", "where", "implementation", "before", "now", "ratio", "noise"]
    return (
        f"{len(pairs)} times are compared with earlier times: {n_slower} slower and "
        f"{n_faster} faster beyond the noise.\n\n{make_table(headers, rows)}"
    )


def identify(line: Line) -> str | None:
    """Return machine, implementation and input as text; None if not measured."""
    if line.left_out is not None or line.place.machine is None:
        return None
    inputs = {
        name: value
        for name, value in line.facts.items()
        if name not in OUTCOMES and not name.endswith(("_s", "_bytes", "accuracy"))
    }
    return json.dumps(inputs, sort_keys=True)
