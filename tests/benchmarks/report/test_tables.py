"""Tables and files of the report: ratios, marks and errors."""

import json

import pytest

from benchmarks.report import __main__ as report
from benchmarks.report import tables
from benchmarks.report.read import gather
from benchmarks.report.read import read as read_stored
from tests.benchmarks.report.conftest import RESULTS, STORED, a_line, find_row, read

PNG = b"\x89PNG"


def test_ratios_of_stored_lines(stored):
    markdown = tables.render(stored)
    row = find_row(markdown, "lookup with gradient", "500x8x5", "1", "zipf")
    assert row["jaxembed"] == "17.6 us" and row["of a copy"] == "3.48 %"
    assert row["torch"] == "11.3"  # 197.704 us / 17.557 us
    assert row["flax"] == "1.25"  # 21.966 / 17.557
    row = find_row(markdown, "lookup", "500x8x5", "16", "zipf")
    assert row["numpy"] == "**0.236**"  # 2.642 / 11.212
    assert row["torch"] == "**0.915**"  # 10.263 / 11.212
    # 12.462 / 11.212; jaxembed's own column has a time instead of a ratio
    assert row["jaxembed, ids checked"] == "1.11"
    rows = find_row(markdown, "lookup with gradient of rows", "500x8x5", "16", "equal")
    assert rows["jaxembed, ids checked"] == "15.3 us"
    assert rows["torch"] == "13.7"


def test_rows_ascend_and_workloads_come_by_size(tmp_path):
    places = [("9x9x9", 4), ("large", 1), ("first", 16), ("first", 4), ("9x9x9", 1)]
    lines = [a_line(workload=name, batch_size=size) for name, size in places]
    found = gather(read(tmp_path, *lines))
    assert [one.place[1:3] for one in found] == [
        ("first", 4),
        ("first", 16),
        ("large", 1),
        ("9x9x9", 1),
        ("9x9x9", 4),
    ]


def test_noise_is_marked_and_forgives_what_is_below_it(tmp_path):
    lines = []
    for size, again in ((4, 1.01), (16, 1.2)):
        facts = {"batch_size": size, "a_a": again, "noisy": again > 1.05}
        lines += [
            a_line(ratio=1.0, **facts),
            a_line("torch", ratio=0.9, **facts),
            a_line("flax", ratio=0.8, **facts),
            a_line("keras", ratio=0.97, **facts),
        ]
    markdown = tables.render(read(tmp_path, *lines))
    quiet = find_row(markdown, "lookup", "first", "4")
    noisy = find_row(markdown, "lookup", "first", "16")
    assert quiet["jaxembed"] == "1.00 ms" and noisy["jaxembed"] == "1.00 ms †"
    assert (quiet["torch"], noisy["torch"]) == ("**0.900**", "0.900")
    assert (quiet["flax"], noisy["flax"]) == ("**0.800**", "**0.800**")
    assert quiet["keras"] == "0.970"
    assert markdown.count("\n† noisy: ") == 1
    without = tables.render(read(tmp_path, *lines[:4]))
    assert "†" not in without


def test_summary(tmp_path):
    ratios = {1: 4.0, 4: 0.5, 16: 0.25, 64: 0.98}
    lines = [
        a_line(name, ratio=ratio if name == "torch" else 1.0, batch_size=size)
        for size, ratio in ratios.items()
        for name in ("jaxembed", "torch")
    ]
    markdown = tables.render(read(tmp_path, *lines))
    row = find_row(markdown, "Summary", "lookup", "torch")
    assert row["geometric mean"] == "0.837"  # (4 * 0.5 * 0.25 * 0.98) ** (1 / 4)
    assert row["least"] == "0.250 (first, 16)"
    assert row["greatest"] == "4.00 (first, 1)"
    assert row["jaxembed faster"] == "1 of 4"
    assert row["slower beyond noise"] == "2"


def test_what_is_far_from_itself_is_left_out_of_the_summary(tmp_path):
    lines = []
    for size, ratio, again in ((1, 9.0, 1.3), (4, 2.0, 1.2), (16, 0.01, 0.7)):
        facts = {"batch_size": size, "a_a": again, "noisy": True}
        lines += [a_line(ratio=1.0, **facts), a_line("torch", ratio=ratio, **facts)]
    markdown = tables.render(read(tmp_path, *lines))
    row = find_row(markdown, "Summary", "lookup", "torch")
    assert row["geometric mean"] == "2.00"
    assert row["least"] == row["greatest"] == "2.00 (first, 4)"
    assert row["jaxembed faster"] == "2 of 3" and row["left out"] == "2"
    assert "\nMean, least and greatest leave out 2 ratios, because " in markdown
    assert find_row(markdown, "lookup", "first", "1")["torch"] == "9.00"
    none_left = tables.render(read(tmp_path, *lines[:2]))
    row = find_row(none_left, "Summary", "lookup", "torch")
    assert "geometric mean" not in row and row["left out"] == "1"
    assert "left out" not in tables.render(read(tmp_path, *lines[2:4]))


def test_another_form_of_ours_is_no_peer(tmp_path):
    lines = read(tmp_path, a_line(ratio=1.0), a_line("jaxembed, scan", ratio=0.5))
    markdown = tables.render(lines)
    row = find_row(markdown, "Summary", "lookup", "jaxembed, scan")
    assert "slower beyond noise" not in row and "jaxembed faster" not in row
    assert find_row(markdown, "lookup", "first", "4")["jaxembed, scan"] == "0.500"


def test_a_ratio_that_is_missing_or_rounded_to_0_comes_from_the_medians(tmp_path):
    lines = read(
        tmp_path,
        a_line(ratio=1.0),
        a_line("numpy", median_s=2e-7, ratio=0.0),
        a_line("torch", median_s=3e-3),
    )
    row = find_row(tables.render(lines), "lookup", "first", "4")
    assert row["numpy"] == "**0.000200**" and row["torch"] == "3.00"


def test_the_last_of_two_lines_counts(tmp_path):
    left_out = a_line("torch", median_s=None, left_out="torch is missing")
    torch = a_line("torch", ratio=2.0)
    lines = [left_out, a_line(), torch, a_line("flax", ratio=5.0), torch | {"ratio": 3}]
    markdown = tables.render(read(tmp_path, *lines))
    assert find_row(markdown, "lookup", "first", "4")["torch"] == "3.00"
    assert "Left out" not in markdown
    # torch is first in the file, but only as left out
    assert list(find_row(markdown, "lookup", "first", "4"))[2] == "jaxembed"


def test_left_out_lines_are_told_by_reason(tmp_path, stored):
    words = "- there are no real ids without --data\n  - lookup, all: 60x4x3, real\n"
    assert words in tables.render(stored)
    lines = [a_line()]
    for size in (64, 256):
        facts = {"median_s": None, "left_out": "no memory", "batch_size": size}
        lines.append(a_line("all", **facts))
    lines.append(a_line("gensim", median_s=None, left_out="gensim is missing"))
    markdown = tables.render(read(tmp_path, *lines))
    assert markdown.count("- no memory\n  - lookup, all: first, 64; first, 256\n") == 1
    assert "- gensim is missing\n  - lookup, gensim: first, 4\n" in markdown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("{", "must be JSON, got '{'"),
        ("[1]", "must be a JSON object"),
        ('{"what": "a", "median_s": 1}', "implementation must be text, got None"),
        ('{"what": "a", "implementation": "b"}', "must have median_s or left_out"),
        (json.dumps(a_line(median_s=0)), "median_s must be above 0, got 0"),
        (json.dumps(a_line(median_s="1")), "median_s must be above 0, got '1'"),
        (json.dumps(a_line(batch_size="4")), "batch_size must be an integer, got '4'"),
    ],
)
def test_a_broken_line_is_named(tmp_path, capsys, words, message):
    path = tmp_path / "lines.jsonl"
    path.write_text(f"{json.dumps(a_line())}\n\n{words}\n")
    with pytest.raises(SystemExit):
        report.main([str(path)])
    error = capsys.readouterr().err
    assert f"{path}:3: " in error and message in error
    assert not (tmp_path / "lines").exists()


def test_no_lines_at_all(tmp_path, capsys):
    path = tmp_path / "lines.jsonl"
    path.write_text("\n")
    for file, message in (
        (path, "must have lines, got empty files"),
        (tmp_path / "a", "No such"),
    ):
        with pytest.raises(SystemExit):
            report.main([str(file)])
        error = capsys.readouterr().err
        assert message in error and str(file) in error


def test_all_is_written_and_printed(tmp_path, capsys):
    path = tmp_path / "cpu-x.jsonl"
    path.write_text(STORED.read_text())
    report.main([str(path), "--earlier", str(STORED)])
    printed = capsys.readouterr().out
    folder = tmp_path / "cpu-x"
    names = sorted(file.name for file in folder.iterdir())
    assert names == ["500x8x5.png", "60x4x3.png", "report.md"]
    assert (folder / "60x4x3.png").read_bytes()[:4] == PNG
    markdown = (folder / "report.md").read_text("utf-8")
    assert markdown.startswith("# Benchmarks on AMD EPYC, 2 cores\n")
    assert "![500x8x5](500x8x5.png)" in markdown and "torch 2.13.0+cpu" in markdown
    for words in ("| geometric mean |", "0 slower and 0 faster beyond the noise."):
        assert words in printed and words in markdown
    assert printed.endswith(f"\n{folder / 'report.md'}\n")


def test_out_is_where_it_is_written(tmp_path, capsys):
    report.main([str(STORED), "--out", str(tmp_path / "a/b")])
    assert (tmp_path / "a/b/report.md").is_file()
    assert "earlier lines" not in capsys.readouterr().out


def test_lines_as_they_once_were(tmp_path):
    """Read old lines without device and workload, whose ``ids`` is a number."""
    facts = {"device": None, "workload": None, "compile_s": {"jaxembed": [1.0, 2.0]}}
    lines = [
        a_line(name, what="step", batch_size=None, ids=3200, **facts)
        for name in ("jaxembed", "take")
    ]
    markdown = tables.render(read(tmp_path, *lines))
    assert markdown.startswith("# Benchmarks on an unnamed device\n")
    assert find_row(markdown, "step") == {"jaxembed": "1.00 ms", "take": "1.00"}


@pytest.mark.long
@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_results_can_be_read(tmp_path, capsys, path):
    report.main([str(path), "--out", str(tmp_path), "--earlier", str(path)])
    markdown = (tmp_path / "report.md").read_text("utf-8")
    whats = {json.loads(line)["what"] for line in path.read_text().splitlines()}
    assert all(
        f"\n## {what}\n" in markdown or f"- {what}, " in markdown for what in whats
    )


def test_two_machines_are_told_apart(tmp_path):
    lines = read(tmp_path, a_line("a|b"), a_line(device="H100", batch_size=16))
    markdown = tables.render(lines)
    assert markdown.startswith("# Benchmarks on EPYC, 2 cores and H100, 2 cores\n")
    assert "**Do not compare rows of different machines.**" in markdown
    assert "a\\|b" in markdown  # escaped, since a bar separates cells


def test_what_is_the_same_on_two_machines_is_kept_of_both(tmp_path):
    lines = []
    for device, ratio in (("EPYC", 2.0), ("H100", 8.0)):
        for size in (1, 4):
            facts = {"device": device, "batch_size": size}
            lines += [a_line(ratio=1.0, **facts), a_line("torch", ratio=ratio, **facts)]
    found = read(tmp_path, *lines)
    markdown = tables.render(found)
    for machine, ratio in (("EPYC, 2 cores", "2.00"), ("H100, 2 cores", "8.00")):
        row = find_row(markdown, "Summary", machine, "lookup", "torch")
        assert row["geometric mean"] == ratio
        assert find_row(markdown, "lookup", machine, "first", "4")["torch"] == ratio
    report.main([str(tmp_path / "lines.jsonl")])
    folder = tmp_path / "lines"
    names = {file.name for file in folder.iterdir()} - {"report.md"}
    assert names == {"first-EPYC-2-cores.png", "first-H100-2-cores.png"}
    assert "](first-H100-2-cores.png)" in (folder / "report.md").read_text()


def test_what_was_left_out_is_of_the_machine_of_its_file(tmp_path):
    lines = {"device": None, "cpus": None, "median_s": None, "left_out": "no memory"}
    read(tmp_path, a_line("flax", **lines), a_line(device="H100"), name="gpu")
    read(tmp_path, a_line(), a_line("flax"), name="cpu")
    found = read_stored([tmp_path / "cpu", tmp_path / "gpu"])
    flax = {line.place.machine: line.left_out for line in found if not line.is_ours}
    assert flax == {"EPYC, 2 cores": None, "H100, 2 cores": "no memory"}
    again = read_stored([tmp_path / "gpu", tmp_path / "gpu"])
    assert len(again) == 2
