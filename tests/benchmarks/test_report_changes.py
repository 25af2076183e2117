"""What became slower: lines against those of an earlier file."""

from pathlib import Path

import pytest

from benchmarks import (
    _report_changes,
    _report_lines,
    report,
)
from tests.benchmarks.conftest import a_line, read

RESULTS = sorted(Path(report.__file__).parent.glob("results/*.jsonl"))
PNG = b"\x89PNG"


def change(tmp_path, before, now):
    found = _report_changes.compare(
        read(tmp_path, *now, name="now"), read(tmp_path, *before, name="before")
    )
    return found, _report_changes.render(found)


def test_what_is_slower_than_its_noise_is_listed(tmp_path):
    sizes = {1: 1.09, 4: 1.12, 16: 1.4, 64: 0.93, 256: 0.8}
    before = [a_line(batch_size=size, copy_gb_per_s=30) for size in sizes]
    now = [
        a_line(batch_size=size, median_s=1e-3 * ratio, copy_gb_per_s=27)
        for size, ratio in sizes.items()
    ]
    found, words = change(
        tmp_path, [*before, a_line("flax")], [*now, a_line("torch"), a_line("keras")]
    )
    assert [one.now.place.batch_size for one in found.slower] == [16, 4]
    assert [one.now.place.batch_size for one in found.faster] == [256]
    assert "5 measurements are compared; 2 are only here, 1 only in" in words
    assert "copied 30.0 GB/s before and copies 27.0 GB/s now: -10 %" in words
    assert "2 slower by more" in words and "1 faster by more" in words
    slower = words.split("2 slower")[1].split("1 faster")[0]
    assert "| 1.00 ms | 1.40 ms |  1.40 |  10 % |" in slower
    assert "1.09" not in words and "0.930" not in words


@pytest.mark.parametrize(
    ("facts", "noise"),
    [
        ({}, 0.05),
        ({"a_a": 1.3}, 0.3),
        ({"a_a": 0.8}, 0.2),
        ({"a_a": 1.1, "p10_s": 0.6e-3, "p90_s": 1.4e-3}, 0.4),
    ],
)
def test_the_noise_of_a_line(tmp_path, facts, noise):
    (line,) = read(tmp_path, a_line(**facts))
    assert line.find_noise() == pytest.approx(noise)
    for ratio, n_slower in ((1 + noise + 0.04, 0), (1 + noise + 0.06, 1)):
        now = a_line(median_s=1e-3 * ratio)
        found, _ = change(tmp_path, [a_line(**facts)], [now])
        assert len(found.slower) == n_slower


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"device": "H100"}, {}),
        ({"cpus": 16}, {}),
        ({"device": None}, {}),
        ({"device": None}, {"device": None}),
    ],
)
def test_other_machines_are_not_compared(tmp_path, before, now):
    slow = a_line(median_s=1.0, **now)
    found, words = change(tmp_path, [a_line(**before)], [slow])
    assert not found.compared and not found.slower
    assert words.endswith("nothing is compared.")
    flax = a_line("flax")
    found, words = change(tmp_path, [a_line(**before), flax], [slow, flax])
    assert found.compared == 1 and not found.slower
    assert "more are of another or an unknown device" in words


@pytest.mark.parametrize(
    "facts",
    [{"data": "real"}, {"epochs": 9}, {"validation": 5}, {"pairs": 7}, {"flags": []}],
)
def test_other_inputs_are_not_compared(tmp_path, facts):
    now = [a_line(median_s=1.0, **facts), a_line("flax", median_s=1.0)]
    before = [a_line(data="embedded", epochs=2), a_line("flax", temp_bytes=3, steps=4)]
    found, words = change(tmp_path, before, now)
    assert [one.now.implementation for one in found.slower] == ["flax"]
    assert found.compared == 1 and sum(found.differences.values()) == 1
    assert "- 1 are in both with another input (" in words
    assert next(iter(facts)) in words


def test_what_was_run_once_is_not_compared(tmp_path):
    once = a_line(repeats=1)
    for before, now in ((once, a_line()), (a_line(), once)):
        found, words = change(tmp_path, [before], [now | {"median_s": 1.0}])
        assert not found.slower and not found.compared and found.run_once == 1
        assert "- 1 are in both, but were run once" in words
    measured_again = a_line(repeats=1, a_a=1.02)
    found, words = change(tmp_path, [measured_again], [a_line(median_s=1.0)])
    assert len(found.slower) == found.compared == 1 and "once" not in words


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_each_fact_of_stored_lines_is_known_to_be_of_input_or_not(path):
    """A new fact of what was found belongs to ``OUTCOMES``, or nothing is compared."""
    lines = [one for one in _report_lines.read([path]) if one.place.machine]
    inputs = {name for line in lines for name in line.find_inputs()}
    known = {"what", "workload", "batch_size", "ids", "distinct", "ids_in_step"}
    known |= {"rows", "words", "bytes", "num_words", "ids_given", "data", "flags"}
    known |= {"settings", "examples", "epochs", "validation", "skipped"}
    assert inputs <= known
