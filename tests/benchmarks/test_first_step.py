"""The benchmark of the time to a first step, in real processes."""

import pytest

from benchmarks import first_step


def test_processes_are_timed(read_lines):
    first_step.main(["--processes", "1"])
    lines = read_lines()
    whole, imports, rest = lines[::2]
    assert [line["implementation"] for line in lines] == ["jaxembed", "keras"] * 3
    assert whole["what"] == first_step.WHOLE and whole["a_a"] > 0
    assert whole["median_s"] > imports["median_s"] + rest["median_s"]


def test_a_step_that_fails_or_is_wrong_is_not_reported(monkeypatch, read_lines):
    monkeypatch.setattr(first_step, "CLOSE", 0)
    with pytest.raises(SystemExit, match="jaxembed is wrong: its first loss is 0.6"):
        first_step.main(["--processes", "1", "--peers"])
    with pytest.raises(SystemExit, match="(?s)failed:.*KeyError"):
        first_step.run("none")
    assert read_lines() == []


@pytest.mark.parametrize("flags", [["--workload", "large"], ["--batch-sizes", "8"]])
def test_there_is_one_model_of_one_size(flags):
    with pytest.raises(SystemExit):
        first_step.main(flags)
