"""Words: where their points are, with no label on another."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from jaxembed import plot


def test_words_are_drawn_where_they_are(tmp_path, drawn):
    points = np.array([[0.0, 0.0], [0.0, 0.001], [1.0, 1.0], [0.001, 0.0]])
    names = ["a$b$", "queen", "film", "princess"]
    plot.words(points, names, tmp_path / "x.png", "v$x_$")
    (axes,) = drawn[0].axes
    np.testing.assert_array_equal(axes.get_lines()[0].get_xydata(), points)
    texts = list(axes.texts)
    assert [label.get_text() for label in texts] == names
    renderer = FigureCanvasAgg(drawn[0]).get_renderer()
    boxes = [label.get_window_extent(renderer) for label in texts]
    for i, box in enumerate(boxes):  # no label covers another
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_words_without_a_point_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"the shape \[2, 2\], .* got \[3, 2\]"):
        plot.words(np.zeros((3, 2)), ["a", "b"], tmp_path / "x.png")
