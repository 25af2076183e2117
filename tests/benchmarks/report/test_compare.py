"""Compare: ratios to the lines of an earlier file."""

import json

import pytest

from benchmarks.report.compare import compare, identify
from benchmarks.report.read import read as read_stored
from tests.benchmarks.report.conftest import RESULTS, a_line, read


def find_rows(tmp_path, before, now):
    """Return the sentence, and the cells of each row."""
    lines = read(tmp_path, *now, name="now"), read(tmp_path, *before, name="before")
    sentence, *table = compare(*lines).split("\n\n")
    rows = "".join(table).splitlines()[2:]
    return sentence, [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]


def test_ratios_beyond_the_noise_are_marked(tmp_path):
    sizes = {1: 1.09, 4: 1.12, 16: 1.4, 64: 0.93, 256: 0.8}
    before = [a_line(batch_size=size) for size in sizes]
    now = [a_line(batch_size=s, median_s=1e-3 * ratio) for s, ratio in sizes.items()]
    sentence, rows = find_rows(
        tmp_path, [*before, a_line("flax")], [*now, a_line("torch"), a_line("keras")]
    )
    assert sentence.startswith("5 times are compared with earlier times: ")
    assert sentence.endswith("2 slower and 1 faster beyond the noise.")
    first = ["lookup", "first, 16", "jaxembed", "1.00 ms", "1.40 ms", "**1.40**"]
    assert rows[0] == [*first, "10 %"]
    ratios = ["**1.40**", "**1.12**", "1.09", "0.930", "**0.800**"]
    assert [row[5] for row in rows] == ratios


@pytest.mark.parametrize(
    ("facts", "noise"),
    [({}, 0.05), ({"a_a": 1.02}, 0.05), ({"a_a": 1.3}, 0.3), ({"a_a": 0.8}, 0.2)],
)
def test_the_noise_of_a_line(tmp_path, facts, noise):
    (line,) = read(tmp_path, a_line(**facts))
    assert line.noise == pytest.approx(noise)
    for ratio, n_slower in ((1 + noise + 0.04, 0), (1 + noise + 0.06, 1)):
        now = a_line(median_s=1e-3 * ratio)
        sentence, _ = find_rows(tmp_path, [a_line(**facts)], [now])
        assert f": {n_slower} slower" in sentence


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"device": "H100"}, {}),
        ({"cpus": 16}, {}),
        ({"device": None}, {}),
        ({"device": None}, {"device": None}),
        ({"median_s": None, "left_out": "no memory"}, {}),
    ],
)
def test_other_machines_are_not_compared(tmp_path, before, now):
    slow = a_line(median_s=1.0, **now)
    sentence, rows = find_rows(tmp_path, [a_line(**before)], [slow])
    assert sentence.endswith("nothing is compared.") and not rows
    flax = a_line("flax")
    sentence, rows = find_rows(tmp_path, [a_line(**before), flax], [slow, flax])
    assert [row[2] for row in rows] == ["flax"] and "0 slower" in sentence


@pytest.mark.parametrize(
    "facts",
    [{"data": "real"}, {"epochs": 9}, {"validation": 5}, {"pairs": 7}, {"flags": []}],
)
def test_other_inputs_are_not_compared(tmp_path, facts):
    now = [a_line(median_s=1.0, **facts), a_line("flax", median_s=1.0, n_parallel=6)]
    other = {"temp_bytes": 3, "steps": 4, "chunk": 5}  # fields of the result
    before = [a_line(data="synthetic", epochs=2), a_line("flax", **other)]
    sentence, rows = find_rows(tmp_path, before, now)
    assert [row[2] for row in rows] == ["flax"] and ": 1 slower" in sentence


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_each_fact_of_stored_lines_describes_the_input_or_is_an_outcome(path):
    """Require that new facts of results are in ``OUTCOMES``: else nothing matches."""
    inputs = {
        name
        for line in read_stored([path])
        for name in json.loads(identify(line) or "{}")
    }
    known = {"what", "workload", "batch_size", "ids", "distinct", "ids_in_step"}
    known |= {"rows", "words", "bytes", "num_words", "ids_given", "data", "flags"}
    known |= {"settings", "examples", "epochs", "validation", "skipped"}
    known |= {"implementation", "device", "cpus", "orders", "letters"}
    known |= {"n_train", "n_test", "texts"}
    assert inputs <= known
