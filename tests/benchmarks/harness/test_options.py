"""Options: help, workloads, the plan, progress and the final table."""

import importlib
import io
import json
import sys
from pathlib import Path

import pytest

import benchmarks
from benchmarks import lookup, sparse_step
from benchmarks.harness import options, plan

NAMES = sorted(path.stem for path in Path(benchmarks.__file__).parent.glob("[a-z]*.py"))
SMALL = ["--workload", "9x2x3", "--batch-sizes", "2", "--seconds", "0", "--peers"]


class Terminal(io.StringIO):
    """Text stream that is a terminal."""

    def isatty(self):
        return True


def parse(*flags, **settings):
    parser = options.make_parser("a", "Title.\n\nText.", peers=("flax",), **settings)
    arguments = parser.parse_args(flags)
    return [workload.name for workload in arguments.workload]


@pytest.mark.parametrize("name", NAMES)
def test_help_names_the_command_and_describes_each_option(name, capsys):
    main = importlib.import_module(f"benchmarks.{name}").main
    with pytest.raises(SystemExit):
        main(["--help"])
    words = capsys.readouterr().out
    assert words.startswith(f"usage: python -m benchmarks.{name} [-h]")
    assert "\nRun:     python -m benchmarks" in words and "{}" not in words
    described = words.split("\noptions:\n")[1].split("\n  -")
    for option in described:
        flag, *_ = option.split()
        assert "." in " ".join(option.split()[1:]) or "-h" in flag, option
    # Their data decide the sizes of these.
    has_sizes = name not in ("text_model", "ngrams", "streaming", "whole_reviews")
    flags = ("--workload", "--batch-sizes") if has_sizes else ()
    for flag in flags:
        (option,) = [one for one in described if f"-{one}".startswith(flag)]
        assert "(default: " in option


def test_large_adds_the_large_workloads(capsys):
    assert parse() == ["first", "second"]
    assert parse("--large") == ["first", "second", "large", "huge"]
    assert parse("--workload", "huge") == ["huge"]
    assert parse("--large", large=("9x9x9",)) == ["first", "second", "9x9x9"]
    with pytest.raises(SystemExit):
        parse("--large", "--workload", "huge")
    assert "not allowed with argument" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse("--large", large=())
    assert "unrecognized arguments: --large" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "about 10 s"),
        (44, "about 40 s"),
        (100, "about 2 min"),
        (3600, "about 60 min"),
        (8000, "about 2 h"),
    ],
)
def test_durations_are_rounded(seconds, words):
    assert plan.format_duration(seconds) == words


def test_the_plan_precedes_and_a_table_follows_the_lines(capsys, tmp_path):
    out = tmp_path / "lines.jsonl"
    lookup.main([*SMALL, "numpy", "--out", str(out)])
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert printed.out == out.read_text() and len(lines) == 6
    title, *plan_lines = printed.err.split("\n\n")[0].splitlines()
    assert title == lookup.__doc__.splitlines()[0]
    assert [line.split(":", 1)[1].strip() for line in plan_lines[:4]] == [
        "9x2x3: 9 rows of 2 numbers, texts of 3 ids",
        "2",
        "zipf",
        "jaxembed, numpy",
    ]
    assert plan_lines[4].startswith("  3 measurements, about 10 s")
    for what in {line["what"] for line in lines}:
        assert f"\n{what}\n| workload | batch size | ids " in printed.err
    assert "of jaxembed's first implementation" in printed.err
    assert 'mode="promise_in_bounds"' in printed.err
    assert printed.err.endswith(f"python -m benchmarks.report {out}\n")


def test_without_a_file_the_report_command_asks_for_it(capsys):
    lookup.main(SMALL)
    assert "benchmarks.report FILE, where FILE has the" in capsys.readouterr().err
    lookup.main([*SMALL, "--no-table"][:-2] + ["--peers", "--no-table"])
    assert "benchmarks.report" not in capsys.readouterr().err


def test_a_terminal_shows_the_table_only(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    lookup.main(SMALL)
    assert terminal.getvalue() == ""
    path = tmp_path / "runs/benchmarks/lookup.jsonl"
    assert path.read_text().count("\n") == 5
    assert "benchmarks.report runs/benchmarks/lookup.jsonl" in capsys.readouterr().err


def test_progress_counts_all_measurements(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    sizes = ["--workload", "60x4x5", "300x4x5", "--batch-sizes", "2", "4"]
    sparse_step.main([*sizes, "--seconds", "0"])
    shown = terminal.getvalue()
    assert "  4 measurements, about" in shown
    assert "0/4" in shown and "4/4" in shown
    assert "sparse step by table, 60x4x5, 4" in shown


def test_lines_before_an_error_are_in_the_table(monkeypatch, capsys):
    right = lookup.half_squares
    monkeypatch.setattr(
        lookup, "half_squares", lambda f: lambda *of: right(f)(*of).at[0].add(1e-3)
    )
    with pytest.raises(SystemExit, match="lookup with gradient: jaxembed is wrong"):
        lookup.main(SMALL)
    assert "\nlookup\n| workload " in capsys.readouterr().err
