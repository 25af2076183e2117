"""The catalogue of programs, and the command: names, sizes and what is left out."""

import json
from importlib import metadata

import jax
import pytest

from benchmarks.harness.workloads import parse_workload
from benchmarks.tpu import __main__ as command
from benchmarks.tpu import target
from benchmarks.tpu.case import Size
from benchmarks.tpu.programs import FIXED, SIZED, list_jobs
from benchmarks.tpu.target import Compiled

SIZE = Size(rows=50, dim=3, batch_size=2, length=7)
TEXT = "HloModule m\n\nENTRY %main (a: f32[1]) -> f32[1] {\n}\n"


def count_bytes(shapes):
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(shapes))


@pytest.mark.parametrize("name", SIZED)
def test_a_program_takes_its_shapes(name):
    case = SIZED[name](SIZE)
    outputs = jax.eval_shape(case.function, *case.arguments)
    for position in case.donate:  # a donated argument has the shapes of a result
        kept = [x for x in jax.tree.leaves(case.arguments[position])]
        shapes = [(x.shape, x.dtype) for x in jax.tree.leaves(outputs)]
        assert all((x.shape, x.dtype) in shapes for x in kept)
    if ": gradient" in name:
        assert case.dense and count_bytes(outputs) >= 4 * 50
    if case.fewest_bytes is not None:
        assert case.fewest_bytes >= 4 * SIZE.n_ids


def test_the_fewest_bytes_of_a_bag():
    # 14 ids, 14 distinct rows of 3 numbers, 2 bags
    assert SIZED["bag mean"](SIZE).fewest_bytes == 14 * 4 + 14 * 12 + 2 * 12
    one_row = SIZE._replace(rows=1)
    assert SIZED["bag mean"](one_row).fewest_bytes == 14 * 4 + 12 + 2 * 12
    # table and moment of 14 rows, read and written, and the step of their last update
    step = SIZED["step, row-sparse RMSprop"](SIZE)
    assert step.fewest_bytes == 14 * 4 + 4 * 14 * 12 + 2 * 14 * 4


def test_a_word_names_a_program_or_the_programs_that_begin_with_it():
    workloads = [parse_workload("first"), parse_workload("90x4x5")]
    jobs = list_jobs(["bag mean", "evaluate"], workloads, [1, 8], ["v5e", "v6e"])
    found = [(job.program, job.generation, job.size[:3]) for job in jobs]
    sizes = [(10_000, 8, 1), (10_000, 8, 8), (90, 4, 1), (90, 4, 8)]
    fixed = FIXED["evaluate"][0][:3]
    assert found == [
        entry
        for tpu in ("v5e", "v6e")
        for entry in [
            *(("bag mean", tpu, size) for size in sizes),
            ("evaluate", tpu, fixed),
        ]
    ]
    names = {job.program for job in list_jobs(["bag"], workloads, [1], ["v5e"])}
    assert len(names) == 22 and all(name.startswith("bag ") for name in names)
    assert len(list_jobs([""], [], [], ["v4"])) == len(FIXED)


@pytest.fixture
def compiled(monkeypatch):
    """Replace the compiler of libtpu; a lookup is a program that it refuses."""
    made = []

    def compile_for(generation, function, arguments, donate):
        made.append((generation, jax.eval_shape(function, *arguments)))
        if len(made) == 2:
            raise RuntimeError("RESOURCE_EXHAUSTED:\n  too large")
        return Compiled(TEXT, 1.0, 2.0, 8, 4, 0, 2, 5.0)

    monkeypatch.setattr(target, "find_lack", lambda: None)
    monkeypatch.setattr(target, "find_versions", lambda: {"libtpu": "9"})
    monkeypatch.setattr(target, "compile_for", compile_for)
    return made


def test_each_program_has_a_line_and_a_refused_one_its_reason(
    compiled, tmp_path, capsys
):
    out = tmp_path / "tpu.jsonl"
    words = ["--programs", "lookup", "--workload", "50x3x7", "--batch-sizes", "2", "4"]
    command.main([*words, "--out", str(out), "--texts", str(tmp_path)])
    first, second = map(json.loads, out.read_text().splitlines())
    assert first["program"] == "lookup" and first["topology"] == "v5e"
    assert [first[n] for n in ("rows", "dim", "batch_size", "length")] == [50, 3, 2, 7]
    assert first["temp_bytes"] == 2 and first["versions"] == {"libtpu": "9"}
    assert "not executed" in first["what"]
    reason = "XLA does not compile it: RESOURCE_EXHAUSTED: too large"
    assert second["left_out"] == reason
    assert (tmp_path / "lookup-v5e-50-3-2-7.txt").read_text() == TEXT
    assert "2 measurements, about 10 s" in capsys.readouterr().err
    command.main([*words, "--out", str(out), "--resume"])
    assert len(compiled) == 2 and len(out.read_text().splitlines()) == 2


def test_without_libtpu_the_command_names_the_remedy(monkeypatch):
    def find(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(target, "version", find)
    with pytest.raises(SystemExit, match="libtpu is not installed: pip install"):
        command.main([])


def test_the_names_of_all_programs_are_listed(capsys):
    command.main(["--list"])
    assert capsys.readouterr().out.splitlines() == [*SIZED, *FIXED]
