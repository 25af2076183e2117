"""Curves: the values of the history, chance, and PNG files written atomically."""

import itertools
import sys

import numpy as np
import pytest

from jaxembed import plot, train
from jaxembed.plot import _style
from jaxembed.stats._intervals import Interval

HISTORY = train.History([0.7, 0.5], [0.5, 0.8], [0.6, 0.55], [0.6, 0.7])


@pytest.mark.parametrize("validated", [True, False])
def test_curves_are_written(tmp_path, validated):
    history = HISTORY if validated else train.History([0.7], [0.5])
    path = plot.curves(history, tmp_path / "a" / "curves.png", "title")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.read_bytes().endswith(b"IEND\xaeB`\x82")
    assert list(path.parent.iterdir()) == [path]


def test_the_values_are_those_of_the_history(tmp_path, drawn):
    plot.curves(HISTORY, tmp_path / "x.png")
    (figure,) = drawn
    lines = [line.get_ydata() for axes in figure.axes for line in axes.get_lines()]
    metrics = HISTORY.metrics()
    names = ("loss", "val_loss", "accuracy", "val_accuracy")
    assert [list(line) for line in lines] == [metrics[name] for name in names]
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["loss (nats)", "accuracy"]
    assert [axes.get_title() for axes in figure.axes] == ["Loss", "Accuracy"]


def test_chance_is_a_dotted_line_in_the_panel_of_the_accuracy(tmp_path, drawn):
    plot.curves(HISTORY, tmp_path / "x.png", chance=0.5)
    loss, accuracy = drawn[0].axes
    assert len(loss.get_lines()) == 2
    line = accuracy.get_lines()[2]
    assert set(line.get_ydata()) == {0.5} and line.get_linestyle() == ":"
    named = [text.get_text() for text in accuracy.get_legend().get_texts()]
    assert named == ["training", "validation", "chance (0.5)"]


@pytest.mark.parametrize("title", ["", "a$title$", "a long title, " * 16])
def test_the_title_covers_nothing(tmp_path, drawn, texts, assert_inside, title):
    plot.curves(HISTORY, tmp_path / "x.png", title, chance=0.5)
    boxes = texts(drawn[0])
    assert_inside(drawn[0], boxes)
    for (a, first), (b, second) in itertools.combinations(boxes, 2):
        assert not first.overlaps(second), (a, b)
    assert (boxes[0][0].replace("\n", " ") == title.strip()) == bool(title)


def test_a_missing_matplotlib_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (
        lambda path: plot.curves(HISTORY, path),
        lambda path: plot.replicates({"a": [[0.5]]}, path),
        lambda path: plot.learning_curve([1], {"a": [Interval(1, 1, 1, 2)]}, path),
        lambda path: plot.words(np.eye(2), ["a", "b"], path),
    ):
        with pytest.raises(ImportError, match=r"pip install '\.\[plot\]'"):
            draw(tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_no_file(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(KeyboardInterrupt):
        plot.curves(HISTORY, tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_history_is_refused(tmp_path):
    with pytest.raises(ValueError, match="the history is empty: train for at least"):
        plot.curves(train.History(), tmp_path / "x.png")


@pytest.mark.parametrize(
    ("title", "width", "lines"),
    [
        ("", 10, []),
        ("short; title", 14, ["short; title"]),
        ("one two three; four five", 14, ["one two three;", "four five"]),
        ("one two three; four five", 10, ["one two", "three;", "four five"]),
        ("no place for a break", 10, ["no place", "for a", "break"]),
        ("x" * 20, 12, ["x" * 10, "x" * 10]),
    ],
)
def test_titles_are_broken_into_similar_lines(title, width, lines):
    assert _style._break_lines(title, width) == lines


def test_a_history_without_accuracy_has_one_panel(tmp_path, drawn):
    history = train.History(loss=[0.7, 0.5], val_loss=[0.6, 0.55])
    plot.curves(history, tmp_path / "x.png", chance=0.5, loss_unit="variance")
    (axes,) = drawn[0].axes
    assert axes.get_ylabel() == "loss (variance)" and axes.get_title() == "Loss"
    assert [list(line.get_ydata()) for line in axes.get_lines()] == [
        [0.7, 0.5],
        [0.6, 0.55],
    ]
