"""Rows: the results of imdb_sequence as the lines of a table."""

from typing import Any, NamedTuple

import numpy as np

from jaxembed import stats

COLUMNS = (
    *("head", "start", "accuracy", "difference", "low", "high", "seconds"),
    "without_copies",  # of test reviews that are also training reviews
)


class Row(NamedTuple):
    """Results of one head with one kind of word vectors.

    Attributes:
      head: Name of the head.
      start: Kind of word vectors.
      is_correct: Whether each prediction is correct, ``bool[S, M]`` of S seeds.
      seconds: Median seconds of training, without compilation.
      facts: Entries of ``metrics.json``.
    """

    head: str
    start: str
    is_correct: np.ndarray
    seconds: float
    facts: dict[str, Any]


def make_lines(rows: list[Row], copies: np.ndarray | None) -> list[dict[str, Any]]:
    """Return the lines of the table, with the difference to the next row.

    Args:
      rows: Results, best row first.
      copies: ``bool[M]``, True for a test review that is also a training review; None
        if the reviews are not those of the test.
    """
    lines = []
    for place, row in enumerate(rows):
        line: dict[str, Any] = {"head": row.head, "start": row.start}
        line |= {"accuracy": float(row.is_correct.mean()), "seconds": row.seconds}
        rest = None if copies is None else row.is_correct[:, ~copies].mean()
        line["without_copies"] = None if rest is None else float(rest)
        found: tuple = (None, None, None)
        if place + 1 < len(rows):
            following = rows[place + 1].is_correct
            found = stats.bootstrap_difference(row.is_correct, following)[:3]
        lines.append(line | dict(zip(COLUMNS[3:6], found, strict=True)))
    return lines


def print_table(lines: list[dict[str, Any]]) -> None:
    """Print the table, best row first."""
    print("head         vectors          accuracy  seconds  above the next row (95 %)")
    for line in lines:
        words = f"{line['head']:<12} {line['start']:<16} {line['accuracy']:.4f}"
        words += f"  {line['seconds']:>9.1f}"
        if line["difference"] is not None:
            low, high = line["low"], line["high"]
            words += f"  {line['difference']:+.4f} ({low:+.4f} to {high:+.4f})"
        print(words)
