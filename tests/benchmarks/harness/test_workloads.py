"""Workloads: the kinds of ids that can be measured."""

import argparse

import pytest

from benchmarks.harness import workloads
from benchmarks.harness.lines import Lines

WORKLOAD = workloads.parse_workload("9x2x3")


@pytest.mark.parametrize("data", [None, "synthetic"])
def test_ids_of_synthetic_reviews_are_not_real(monkeypatch, read_lines, data):
    monkeypatch.setattr(workloads, "load_texts", lambda *_: pytest.fail("loaded"))
    arguments = argparse.Namespace(ids=["real", "zipf"], data=data, cache=None)
    found = workloads.find_texts(arguments, WORKLOAD, "lookup", Lines())
    assert found == (["zipf"], None)
    (line,) = read_lines()
    assert line["ids"] == "real" and line["workload"] == "9x2x3"
    assert line["left_out"].startswith("real ids need --data, a folder or an archive")
    assert ("synthetic reviews are not real" in line["left_out"]) == (data is not None)
