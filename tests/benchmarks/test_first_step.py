"""Benchmark of the time to a first step, in real processes."""

from math import nan

import pytest

from benchmarks import first_step


@pytest.mark.long
def test_processes_are_timed(read_lines):
    first_step.main(["--processes", "1"])
    lines = read_lines()
    whole, imports, rest = lines[::2]
    assert [line["implementation"] for line in lines] == ["jaxembed", "keras"] * 3
    assert whole["what"] == first_step.WHOLE and whole["a_a"] > 0
    assert whole["median_s"] > imports["median_s"] + rest["median_s"]


def test_a_step_that_fails_is_not_reported():
    with pytest.raises(SystemExit, match="(?s)failed:.*KeyError"):
        first_step.run("none")


# Trained before, not trained, risen, and not a number
@pytest.mark.parametrize(
    ("loss", "after"), [(0.5, 0.47), (0.69, 0.69), (0.69, 0.72), (0.69, nan)]
)
def test_losses_of_another_step_are_refused(loss, after):
    first_step.check("jaxembed", 0.693, 0.66)
    with pytest.raises(
        SystemExit, match=f"jaxembed is wrong: .* got {loss}, after a step"
    ):
        first_step.check("jaxembed", loss, after)


@pytest.mark.parametrize("flags", [["--workload", "large"], ["--batch-sizes", "8"]])
def test_there_is_one_model_of_one_size(flags):
    with pytest.raises(SystemExit):
        first_step.main(flags)
