"""Benchmark of row-sparse steps: checked, then timed."""

import pytest

from benchmarks import sparse_step
from benchmarks.harness import machine

SIZES = ["300x4x5", "60x4x5"]
SMALL = ["--workload", *SIZES, "--batch-sizes", "2", "4", "--seconds", "0"]


def run(read_lines, *arguments):
    sparse_step.main([*SMALL, *arguments])
    return read_lines()


def test_each_kind_of_ids_has_its_lines(read_lines):
    lines = run(read_lines)
    found = [(line["batch_size"], line["ids"], line["rows"]) for line in lines]
    assert found == [
        (batch_size, ids, rows)
        for batch_size in (2, 4)
        for ids in ("zipf", "uniform")
        for rows in (60, 300)
    ]
    names = ["jaxembed, 60 rows", "jaxembed, 300 rows"]
    assert [line["implementation"] for line in lines] == names * 4
    assert {line["workload"] for line in lines} == {"60x4x5"}
    assert {line["ids_in_step"] for line in lines} == {10, 20}
    # Temporary memory does not grow with the vocabulary.
    assert lines[0]["temp_bytes"] == lines[1]["temp_bytes"] > 0


@pytest.mark.parametrize("wrong", ["all", "first", "last", "none moved"])
def test_wrong_tables_are_not_timed(monkeypatch, capsys, wrong):
    right = sparse_step.sparse_step

    def wrongly(carry, ids):
        (table, state), _ = right(carry, ids)
        is_large = len(table) == 300
        table = {
            "all": table + 1e-5,
            "first": table.at[0].add(1e-6 * is_large),  # of the large table, as below
            "last": table.at[-1].add(1e-6 * is_large),
            "none moved": carry[0],
        }[wrong]
        return (table, state), None

    monkeypatch.setattr(sparse_step, "sparse_step", wrongly)
    with pytest.raises(SystemExit, match="a table is wrong"):
        sparse_step.main(SMALL)
    assert not capsys.readouterr().out


def test_a_table_without_room_is_left_out(monkeypatch, read_lines):
    monkeypatch.setattr(machine, "find_free", lambda: 15_000)
    missing, *lines = run(read_lines, "--batch-sizes", "2")
    assert missing["implementation"] == "jaxembed, 300 rows"
    assert "GiB of free memory may be used" in missing["left_out"]
    assert [line["rows"] for line in lines] == [60, 60]


@pytest.mark.parametrize(
    "sizes", [["60x4x5"], ["60x4x5", "60x4x5"], ["6x4x5", "9x3x5"]]
)
def test_tables_that_cannot_be_compared_are_refused(sizes, capsys):
    with pytest.raises(SystemExit):
        sparse_step.main(["--workload", *sizes])
    assert "--workload must" in capsys.readouterr().err
