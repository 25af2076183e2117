"""Plots: whole PNGs, or nothing."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from jaxembed import plot, train

HISTORY = train.History([0.7, 0.5], [0.5, 0.8], [0.6, 0.55], [0.6, 0.7])


@pytest.mark.parametrize("validated", [True, False])
def test_curves_are_written(tmp_path, validated):
    history = HISTORY if validated else train.History([0.7], [0.5])
    path = plot.curves(history, tmp_path / "a" / "curves.png", "title")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.read_bytes().endswith(b"IEND\xaeB`\x82")
    assert list(path.parent.iterdir()) == [path]


def test_what_is_drawn_is_the_history(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(plot, "_write", lambda figure, path: drawn.update(f=figure))
    plot.curves(HISTORY, tmp_path / "x.png")
    lines = [line.get_ydata() for axes in drawn["f"].axes for line in axes.get_lines()]
    metrics = HISTORY.metrics()
    names = ("loss", "val_loss", "accuracy", "val_accuracy")
    assert [list(line) for line in lines] == [metrics[name] for name in names]
    labels = [axes.get_ylabel() for axes in drawn["f"].axes]
    assert labels == ["loss (nats)", "accuracy"]


def test_nothing_half_written_stays(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(plot.os, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        plot.curves(HISTORY, tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_history_is_refused(tmp_path):
    with pytest.raises(ValueError, match="the history is empty: train for at least"):
        plot.curves(train.History(), tmp_path / "x.png")


def test_words_are_drawn_where_they_are(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(plot, "_write", lambda figure, path: drawn.update(f=figure))
    points = np.array([[0.0, 0.0], [0.0, 0.001], [1.0, 1.0], [0.001, 0.0]])
    names = ["a$b$", "queen", "film", "princess"]
    plot.words(points, names, tmp_path / "x.png", "v$x_$")
    (axes,) = drawn["f"].axes
    np.testing.assert_array_equal(axes.get_lines()[0].get_xydata(), points)
    texts = [label for label in axes.texts]
    assert [label.get_text() for label in texts] == names
    renderer = FigureCanvasAgg(drawn["f"]).get_renderer()
    boxes = [label.get_window_extent(renderer) for label in texts]
    for i, box in enumerate(boxes):  # no label covers another
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_words_without_a_point_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"the shape \[2, 2\], .* got \[3, 2\]"):
        plot.words(np.zeros((3, 2)), ["a", "b"], tmp_path / "x.png")
