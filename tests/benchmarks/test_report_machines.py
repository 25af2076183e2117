"""The report of lines of two machines."""

from benchmarks import (
    _report_lines,
    _report_tables,
    report,
)
from tests.benchmarks.conftest import a_line, find_row, read


def test_two_machines_are_told_apart(tmp_path):
    lines = read(tmp_path, a_line("a|b"), a_line(device="H100", batch_size=16))
    markdown = _report_tables.render(lines)
    assert markdown.startswith("# Benchmarks on EPYC, 2 cores and H100, 2 cores\n")
    assert "**More than one machine" in markdown
    assert "a\\|b" in markdown  # or it would be two cells


def test_what_is_the_same_on_two_machines_is_kept_of_both(tmp_path):
    lines = []
    for device, ratio in (("EPYC", 2.0), ("H100", 8.0)):
        for size in (1, 4):
            facts = {"device": device, "batch_size": size}
            lines += [a_line(ratio=1.0, **facts), a_line("torch", ratio=ratio, **facts)]
    found = read(tmp_path, *lines)
    markdown = _report_tables.render(found)
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
    found = _report_lines.read([tmp_path / "cpu", tmp_path / "gpu"])
    flax = {line.place.machine: line.left_out for line in found if not line.is_ours}
    assert flax == {"EPYC, 2 cores": None, "H100, 2 cores": "no memory"}
    again = _report_lines.read([tmp_path / "gpu", tmp_path / "gpu"])
    assert len(again) == 2
