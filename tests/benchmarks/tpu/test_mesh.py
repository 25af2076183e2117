"""Steps on meshes of TPUs: links, balance of shards, tables, and the command line."""

import json

import numpy as np
import pytest

from benchmarks.tpu import mesh
from benchmarks.tpu.mesh import __main__ as command
from benchmarks.tpu.mesh.balance import draw_ids, find_fullest, measure
from benchmarks.tpu.mesh.links import (
    copy_seconds,
    exchange_seconds,
    find_axes,
    network_seconds,
)
from benchmarks.tpu.mesh.plans import JOBS, list_collectives
from benchmarks.tpu.mesh.report import tabulate
from benchmarks.tpu.text import parse

LINE = {
    "program": "large table",
    "topology": "v5e:16x16",
    "rows": 1000,
    "dim": 8,
    "optimizer": "RMSprop",
    "batch_size": 64,
    "argument_bytes": 4_000_000_000,
    "temp_bytes": 2_000_000,
    "temp_limit_bytes": 3_000_000,
    "exchanged_bytes": 64_000_000,
}


def test_half_of_the_bytes_cross_the_middle_of_a_slice():
    # 8 chips send 2 bytes each to the other half, on two rows of links.
    assert exchange_seconds("v5e:8x2", 4) == pytest.approx(16 / (2 * 4.5e10))
    # A ring has twice the links: 16 rows, both ways around.
    assert exchange_seconds("v6e:16x16", 4) == pytest.approx(256 / (32 * 9e10))
    assert network_seconds("v5e:4x4", 3.125e9) == 1
    # Four strips of 16 x 4 chips, each a ring of 16 with four rows.
    assert exchange_seconds("v5e:16x16", 4, 4) == pytest.approx(64 / (8 * 4.5e10))
    # 2 copies: each of 8 pairs sends 2 bytes across one of 8 links, each way.
    assert copy_seconds("v5e:8x2", 4, 2) == pytest.approx(16 / (8 * 4.5e10))
    assert find_axes("v5e:4x8") == (4, 8)


def test_ids_follow_the_law_of_zipf():
    ids = draw_ids(np.random.default_rng(0), 1000, 100_000)
    assert 0 <= ids.min() and ids.max() < 1000
    share = np.log(2) / np.log(1001)
    assert np.mean(ids == 0) == pytest.approx(share, rel=0.05)
    assert np.mean(ids == 1) == pytest.approx(np.log(1.5) / np.log(1001), rel=0.05)


def test_dealt_rows_and_distinct_ids_fill_shards_evenly():
    assert find_fullest(np.array([0, 1, 1, 3]), 4) == 2
    found = measure(1_000_000, 16)
    assert found["in blocks"] > 10 > 2 > found["dealt in turn"]
    assert found["distinct, dealt in turn"] < 1.1


def test_a_table_has_a_row_for_each_line():
    failed = {**LINE, "left_out": "XLA does not compile it: no"}
    del failed["exchanged_bytes"]
    scaled = {**LINE, "program": "weak scaling", "exchanged_bytes": 32_000_000}
    doubled = {**scaled, "exchanged_bytes": 64_000_000}
    large, scaling = tabulate([LINE, failed, scaled, doubled]).split("\n\n")
    cells = [cell.strip() for cell in large.splitlines()[2].split("|")]
    assert cells[1:6] == ["1,000 x 8, v5e:16x16", "RMSprop", "64", "4.00", "25%"]
    assert cells[6:11] == ["2.0", "3.0", "64.0", "2.84", "20.5"]
    copied = {**LINE, "data": 4, "copied_bytes": 90_000_000}
    cells = [cell.strip() for cell in tabulate([copied]).splitlines()[2].split("|")]
    assert cells[1] == "1,000 x 8, v5e:16x16, data=4"
    # 64 MB in strips of 16 x 4 chips take 2.84 ms as well, 90 MB of copies 2 ms.
    assert cells[8:10] == ["154.0", "4.84"]
    widths = {line.count("|") for line in large.splitlines()}
    assert widths == {11}
    assert "does not compile" in large.splitlines()[3]
    assert [line.split("|")[5].strip() for line in scaling.splitlines()[2:]] == [
        "1.00",
        "2.00",
    ]


def test_each_collective_is_listed_with_its_bytes():
    text = """
ENTRY %main (a: f32[4,8]) -> f32[4,8] {
  %a = f32[4,8]{1,0} parameter(0)
  ROOT %b = f32[4,8]{1,0} all-to-all(%a), dimensions={0}
}
"""
    stored = parse(text).stored()
    assert list_collectives(stored) == [("all-to-all", "f32[4,8]{1,0}", 128)]


def test_the_jobs_are_those_of_the_report(tmp_path, capsys):
    assert mesh.__doc__ and len({*JOBS}) == len(JOBS) == 12
    assert {job.n_chips for job in JOBS} == {4, 16, 64, 256}
    assert all(job.rows % job.n_chips == 0 for job in JOBS)
    (tmp_path / "lines.jsonl").write_text(json.dumps(LINE) + "\n")
    command.main(["--report", str(tmp_path / "lines.jsonl")])
    assert "| 1,000 x 8, v5e:16x16 | RMSprop |" in capsys.readouterr().out
