"""All benchmarks in one call, and what they are called with."""

import importlib
import json
from pathlib import Path

import pytest

from benchmarks import __main__ as everything
from benchmarks import _options


class Parsed(Exception):
    """Arguments were read, and nothing is run."""


@pytest.mark.parametrize("form", [[], ["--long", "--data", "a", "--vectors", "b"]])
def test_each_call_is_one_that_its_benchmark_takes(monkeypatch, tmp_path, form):
    calls = []
    monkeypatch.setattr(everything, "run", lambda words: calls.append(words) or True)
    monkeypatch.setattr(everything.report, "main", lambda words: None)
    everything.main([*form, "--out", str(tmp_path)])

    def parsed(arguments):
        raise Parsed

    monkeypatch.setattr(_options, "open_lines", parsed)
    for name, *flags in calls:
        module = importlib.import_module(f"benchmarks.{name}")
        with pytest.raises(Parsed):
            module.main(flags)
    folder = Path(everything.__file__).parent
    modules = {path.stem for path in folder.glob("[a-z]*.py")} - {"report"}
    # the short form does without those that take minutes for a measurement
    left_out = set() if form else {"notebook", "bigrams"}
    assert {name for name, *_ in calls} == modules - left_out


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
    with pytest.raises(SystemExit):
        everything.main(["--out", str(tmp_path), "--only", "nothing"])


def test_a_process_is_run_and_its_failure_seen(tmp_path, capsys):
    out = str(tmp_path / "lines.jsonl")
    flags = ["--workload", "9x2x3", "--batch-sizes", "2", "--ids", "zipf", "--peers"]
    assert everything.run(["lookup", *flags, "--seconds", "0", "--out", out])
    assert Path(out).read_text().count("\n") == 5
    assert not everything.run(["lookup", "--no-such-flag"])
    assert "lookup failed: exit status 2" in capsys.readouterr().out
