"""Accuracy: the stored numbers are those of the result files, and all are drawn."""

import json

import pytest

from benchmarks.report import accuracy

LINES = accuracy.RESULTS.parent / "cpu-amd-epyc-2-cores-2026-11-30.jsonl"


def test_the_triples_are_measurements_of_the_same_work():
    lines = map(json.loads, LINES.read_text().splitlines())
    medians = {
        line["implementation"]: line["median_s"]
        for line in lines
        if line["what"] == "ngrams of 1 to 3 words: from tokens to weights"
    }
    points = {
        p["name"]: p["seconds"] for p in accuracy.read(accuracy.RESULTS)["points"]
    }
    assert points["jaxembed, words to triples"] == medians["jaxembed"]
    assert points["fastText, words to triples"] == medians["fasttext"]


def test_each_point_is_drawn_filled_if_it_was_measured():
    results = accuracy.read(accuracy.RESULTS)
    axes = accuracy.draw(results).axes[0]
    assert len(axes.lines) == len(axes.texts) == len(results["points"])
    for line, text, point in zip(
        axes.lines, axes.texts, results["points"], strict=True
    ):
        assert line.get_xdata()[0] == point["seconds"]
        assert line.get_ydata()[0] == point["test_accuracy"]
        assert (line.get_markerfacecolor() != "none") == point["is_measured"]
        assert text.get_text().startswith(point["name"])


@pytest.mark.parametrize(
    ("change", "error"),
    [({"seconds": 0}, "seconds above 0"), ({"source": None}, r"lacks \['source'\]")],
)
def test_a_point_without_source_or_time_is_refused(tmp_path, change, error):
    results = accuracy.read(accuracy.RESULTS)
    point = results["points"][0] | change
    results["points"][0] = {k: v for k, v in point.items() if v is not None}
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    with pytest.raises(ValueError, match=error):
        accuracy.read(path)
