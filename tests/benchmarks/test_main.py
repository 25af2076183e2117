"""All benchmarks in one call: commands, report and failures."""

import importlib
import json
from pathlib import Path

import pytest

from benchmarks import __main__ as everything
from benchmarks.harness import options


class Parsed(Exception):
    """Raised when the arguments were parsed, so that nothing runs."""


@pytest.mark.parametrize("form", [[], ["--large", "--data", "a", "--vectors", "b"]])
def test_each_call_is_one_that_its_benchmark_takes(monkeypatch, tmp_path, form):
    calls = []
    monkeypatch.setattr(everything, "run", lambda words: calls.append(words) or True)
    monkeypatch.setattr(everything, "write_report", lambda out: [])
    everything.main([*form, "--out", str(tmp_path)])

    def parsed(arguments):
        raise Parsed

    monkeypatch.setattr(options, "open_lines", parsed)
    for name, *flags in calls:
        module = importlib.import_module(f"benchmarks.{name}")
        with pytest.raises(Parsed):
            module.main(flags)
    folder = Path(everything.__file__).parent
    modules = {path.stem for path in folder.glob("[a-z]*.py")}
    # without --large, benchmarks with long measurements are left out
    too_long = set() if form else {"notebook", "ngrams", "text_model", "whole_reviews"}
    assert {name for name, *_ in calls} == modules - too_long


@pytest.mark.parametrize(
    ("form", "total"),
    [
        ([], "15 commands, about 5 min on two idle cores"),
        (["--large"], "28 commands, about 60 min on two idle cores"),
        (["--only", "lookup"], "1 commands, at most about 5 min on two idle cores"),
    ],
)
def test_the_total_is_printed_first(monkeypatch, tmp_path, capsys, form, total):
    monkeypatch.setattr(everything, "run", lambda words: True)
    monkeypatch.setattr(everything, "write_report", lambda out: [])
    everything.main([*form, "--out", str(tmp_path)])
    assert capsys.readouterr().out.splitlines()[0] == total


def test_measurements_that_need_large_have_lines(monkeypatch, tmp_path):
    monkeypatch.setattr(everything, "run", lambda words: True)
    monkeypatch.setattr(everything, "write_report", lambda out: [])
    for form, n_lines in ([], 10), (["--large"], 0), (["--only", "lookup"], 0):
        out = tmp_path / str(form)
        everything.main([*form, "--out", str(out)])
        path = out / "lines.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        assert len(lines) == n_lines
        assert all("python -m benchmarks --large" in line for line in lines)
    everything.main(["--out", str(tmp_path)])
    monkeypatch.undo()
    assert everything.write_report(tmp_path / "lines.jsonl") == []
    assert "large, huge" in (tmp_path / "report.md").read_text()


def test_a_benchmark_that_fails_does_not_stop_the_others(monkeypatch, tmp_path, capsys):
    seen = []

    def run(words):
        seen.append(words[0])
        out = Path(words[words.index("--out") + 1])
        line = {"what": words[0], "implementation": "jaxembed", "median_s": 1.0}
        with out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        return words[0] != "geometry"

    monkeypatch.setattr(everything, "run", run)
    flags = ["--out", str(tmp_path), "--only", "geometry", "tokenizer"]
    with pytest.raises(SystemExit, match="failed: geometry"):
        everything.main(flags)
    assert set(seen) == {"geometry", "tokenizer"}
    assert (tmp_path / "report.md").exists()
    with pytest.raises(SystemExit, match="failed: geometry"):
        everything.main(flags)
    assert (tmp_path / "lines-1.jsonl").read_text() == (
        tmp_path / "lines.jsonl"
    ).read_text()


def write_line(words):
    """Write a line as a benchmark does."""
    line = {"what": words[0], "implementation": "jaxembed", "median_s": 1.0}
    out = Path(words[words.index("--out") + 1])
    with out.open("a") as file:
        file.write(json.dumps(line | {"device": "EPYC"}) + "\n")
    return True


def call(tmp_path, monkeypatch, run=write_line, names=("geometry",)):
    """Run some benchmarks; return the final error, or None."""
    monkeypatch.setattr(everything, "run", run)
    try:
        everything.main(["--out", str(tmp_path), "--only", *names])
    except SystemExit as stop:
        return str(stop)
    return None


@pytest.mark.parametrize("names", [["nothing"], ["geometry", "nothing"]])
def test_a_wrong_name_changes_nothing(tmp_path, monkeypatch, capsys, names):
    (tmp_path / "lines.jsonl").write_text("lines")
    assert call(tmp_path, monkeypatch, names=names) == "2"
    error = capsys.readouterr().err
    assert "--only: unknown benchmark nothing; choose from bag, " in error
    assert [file.name for file in tmp_path.iterdir()] == ["lines.jsonl"]


def test_the_last_lines_that_are_not_empty_are_the_earlier(tmp_path, monkeypatch):
    def read_report():
        return (
            (tmp_path / "report.md").read_text().split("## Compared with earlier")[1:]
        )

    assert call(tmp_path, monkeypatch) is None and not read_report()
    (tmp_path / "lines.jsonl").rename(tmp_path / "lines-9.jsonl")
    (tmp_path / "lines-10.jsonl").touch()
    (tmp_path / "lines-1.jsonl").write_text("broken")
    (tmp_path / "lines-x.jsonl").write_text("of someone else")
    (tmp_path / "lines.jsonl").touch()  # of a run that stopped at once
    assert call(tmp_path, monkeypatch) is None
    assert "1 times are compared" in read_report()[0]
    assert not (tmp_path / "lines-11.jsonl").exists()
    assert call(tmp_path, monkeypatch) is None
    assert (tmp_path / "lines-11.jsonl").stat().st_size


def test_earlier_lines_that_are_broken_cost_only_the_comparison(tmp_path, monkeypatch):
    (tmp_path / "lines.jsonl").write_text('{"what": "loo')
    said = call(tmp_path, monkeypatch, lambda words: write_line(words) and False)
    assert said.startswith("failed: geometry\nthe report lacks the comparison with")
    assert "lines-1.jsonl:1: must be JSON" in said
    assert "1.00 s" in (tmp_path / "report.md").read_text()


def test_where_all_fail_there_is_no_report(tmp_path, monkeypatch):
    def run(words):
        Path(words[words.index("--out") + 1]).touch()
        return False

    said = call(tmp_path, monkeypatch, run)
    assert said.startswith("failed: geometry\nthe report is missing: ")
    assert not (tmp_path / "report.md").exists()


def test_reviews_are_real_only_if_they_are_given(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(everything, "run", lambda words: calls.append(words) or True)
    monkeypatch.setattr(everything, "write_report", lambda out: [])
    everything.main(["--large", "--out", str(tmp_path)])
    assert any("real" in words for words in calls)
    assert not any("--data" in words for words in calls)


@pytest.mark.long
def test_a_process_is_run_and_its_failure_seen(tmp_path, capsys):
    out = str(tmp_path / "lines.jsonl")
    flags = ["--workload", "9x2x3", "--batch-sizes", "2", "--ids", "zipf", "--peers"]
    assert everything.run(["lookup", *flags, "--seconds", "0", "--out", out])
    assert Path(out).read_text().count("\n") == 5
    assert not everything.run(["lookup", "--no-such-flag"])
    assert "lookup failed: exit status 2" in capsys.readouterr().out
