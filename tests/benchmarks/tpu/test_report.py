"""The report of compiled programs: table, earlier figures, plot and refusals."""

import json

import pytest

from benchmarks.tpu import report

LINE = {
    "program": "bag mean",
    "topology": "v5e",
    "rows": 1000,
    "dim": 16,
    "batch_size": 32,
    "length": 100,
    "temp_bytes": 640_000,
    "table_bytes": 64_000,
    "table_copies": ["copy f32[1000,16]{1,0}"],
    "table_moves": [],
    "gathers": 1,
    "scatters": 0,
    "sorts": 2,
    "loops": 0,
    "sparse_core": {"sort": 2},
    "modelled_bytes": 300,
    "fewest_bytes": 200,
    "compile_cpu_s": 1.25,
    "versions": {"libtpu": "9"},
}


def cells(table, row):
    return [cell.strip() for cell in table.splitlines()[row].strip("|").split("|")]


def test_a_row_has_the_figures_of_a_program():
    table = report.tabulate([LINE])
    expected = ["bag mean", "v5e", "1,000 x 16", "32 x 100", "0.6", "10.00", "1"]
    expected += ["1.5", "1 gather, 2 sorts (2)", "1.2"]
    assert cells(table, 2) == expected
    assert len(cells(table, 0)) == len(cells(table, 1)) == len(expected)


def test_an_earlier_figure_stands_before_a_new_one_that_differs():
    new = LINE | {"temp_bytes": 0, "table_copies": [], "sorts": 0, "sparse_core": {}}
    table = report.tabulate([new], {report.find_place(LINE): LINE})
    assert cells(table, 2)[4:] == [
        "0.6 → 0.0",
        "10.00 → 0.00",
        "1 → 0",
        "1.5",
        "1 gather, 2 sorts (2) → 1 gather",
        "1.2",
    ]


def test_unknown_traffic_is_empty_and_a_reason_is_shown():
    unknown = LINE | {"modelled_bytes": None}
    place = {name: LINE[name] for name in list(LINE)[:6]}
    table = report.tabulate([unknown, place | {"left_out": "too large"}])
    assert cells(table, 2)[7] == ""
    assert cells(table, 3)[4] == "too large"
    assert len(cells(table, 3)) == len(cells(table, 2))


def test_the_report_and_its_plot_are_written(tmp_path, capsys):
    new, old = tmp_path / "new.jsonl", tmp_path / "old.jsonl"
    lines = [LINE, LINE | {"temp_bytes": 0}]  # the last line is used
    new.write_text("".join(json.dumps(line) + "\n" for line in lines))
    old.write_text(json.dumps(LINE | {"temp_bytes": 7_000_000}))
    report.main([str(new), "--earlier", str(old)])
    text = (tmp_path / "new" / "report.md").read_text()
    assert capsys.readouterr().out.strip() == str(tmp_path / "new" / "report.md")
    assert "**none was\nexecuted**" in text and "7.0 → 0.0" in text
    assert "libtpu 9" in text and "![temporary memory](temporary.png)" in text
    assert (tmp_path / "new" / "temporary.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("words", ["{}", "no JSON", "[1]"])
def test_another_line_is_refused_with_its_number(tmp_path, capsys, words):
    path = tmp_path / "lines.jsonl"
    path.write_text(f"{json.dumps(LINE)}\n{words}\n")
    with pytest.raises(SystemExit):
        report.main([str(path)])
    assert f"{path}:2 must be a line of benchmarks.tpu" in capsys.readouterr().err
