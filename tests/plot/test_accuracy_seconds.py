"""Accuracy against seconds: what is drawn, and refusals."""

import matplotlib.figure
import numpy as np
import pytest

from jaxembed import plot

POINTS = {"pooled": (2.0, 0.89), "convolution": (80.0, 0.9), "lstm": (400.0, 0.88)}


def test_each_model_is_a_point_with_its_name(tmp_path, monkeypatch):
    saved = []
    save = matplotlib.figure.Figure.savefig

    def keep(figure, *arguments, **options):
        saved.append(figure)
        return save(figure, *arguments, **options)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", keep)
    path = plot.accuracy_seconds(POINTS, tmp_path / "new" / "a.png", "Title $1$")
    assert path.read_bytes().startswith(b"\x89PNG")
    (axes,) = saved[0].axes
    (line,) = axes.lines
    assert list(zip(*line.get_data(), strict=True)) == list(POINTS.values())
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.texts] == list(POINTS)
    places = axes.transData.transform(list(POINTS.values()))
    for place, label in zip(places, axes.texts, strict=True):
        box = label.get_window_extent()
        nearest = np.clip(place, box.min, box.max)
        assert np.linalg.norm(nearest - place) < 20  # pixels
        assert axes.bbox.containsx(box.x0) and axes.bbox.containsx(box.x1)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ({}, "at least one model"),
        ({"a": (0.0, 0.5)}, r"points\['a'\] must be seconds above 0"),
        ({"a": (1.0, 1.5)}, "an accuracy from 0 to 1, got 1.0 and 1.5"),
        ({"a": (float("nan"), 0.5)}, "got nan and 0.5"),
    ],
)
def test_refusals(points, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        plot.accuracy_seconds(points, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
