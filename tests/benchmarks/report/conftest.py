"""Fixtures of the report's tests: stored lines, made lines, and rows of tables."""

import json
from pathlib import Path

import pytest

import benchmarks
from benchmarks.report.read import read as read_stored

STORED = Path(__file__).with_name("lines.jsonl")
RESULTS = sorted(Path(benchmarks.__file__).parent.glob("results/*.jsonl"))


def a_line(implementation="jaxembed", **facts):
    line = {"what": "lookup", "implementation": implementation, "median_s": 1e-3}
    line |= {"device": "EPYC", "cpus": 2, "workload": "first", "batch_size": 4}
    return {key: value for key, value in (line | facts).items() if value is not None}


def read(tmp_path, *lines, name="lines.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return read_stored([path])


def find_row(markdown, heading, *starts):
    """Return the cells, by header, of a row of the table below a heading."""
    table = markdown.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [row.strip("|").split("|") for row in table.splitlines() if row[:1] == "|"]
    headers, _, *cells = [[cell.strip() for cell in row] for row in rows]
    (found,) = [row for row in cells if row[: len(starts)] == list(starts)]
    return dict(zip(headers, found, strict=True))


@pytest.fixture(scope="module")
def stored():
    return read_stored([STORED])
