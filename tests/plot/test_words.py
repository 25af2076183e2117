"""Words: points, groups, shares of variance, and labels that do not collide."""

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from jaxembed import plot
from jaxembed.plot._labels import place_labels


def draw(path, drawn, points, names, **options):
    plot.words(points, names, path / "x.png", "v$x_$", **options)
    return drawn[-1].axes[0]


def assert_apart(figure):
    """Assert that no label covers a label, a point or the edge of the axes."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    (axes,) = figure.axes
    boxes = [label.get_window_extent(renderer) for label in axes.texts]
    for first, second in itertools.combinations(boxes, 2):
        assert not first.overlaps(second)
    area = axes.bbox
    points = np.concatenate([line.get_xydata() for line in markers(axes)])
    for label, box in zip(axes.texts, boxes, strict=True):
        assert area.x0 <= box.x0 and box.x1 <= area.x1, label
        assert area.y0 <= box.y0 and box.y1 <= area.y1, label
        for x, y in axes.transData.transform(points):
            assert not box.contains(x, y), label


def markers(axes):
    return [line for line in axes.get_lines() if line.get_linestyle() == "None"]


def leaders(axes):
    """Return the ends of the lines between points and labels, in pixels."""
    (lines,) = axes.collections
    return [lines.get_transform().transform(line) for line in lines.get_segments()]


def test_words_are_drawn_at_their_points(tmp_path, drawn):
    points = np.array([[0.0, 0.0], [0.0, 0.001], [1.0, 1.0], [0.001, 0.0]])
    names = ["a$b$", "queen", "film", "princess"]
    axes = draw(tmp_path, drawn, points, names)
    (line,) = markers(axes)
    np.testing.assert_array_equal(line.get_xydata(), points)
    assert [label.get_text() for label in axes.texts] == names
    assert axes.get_xlabel() == "first principal component"
    assert drawn[0].legends == []
    assert_apart(drawn[0])


@pytest.mark.parametrize(
    ("n_words", "spread"), [(3, 1.0), (40, 1e-9), (40, 0.05), (40, 1.0), (80, 0.1)]
)
def test_labels_of_crowded_points_are_apart(
    tmp_path, drawn, texts, assert_inside, n_words, spread
):
    rng = np.random.default_rng(n_words)
    centers = rng.normal(size=(3, 2))[rng.integers(3, size=n_words)]
    points = centers + spread * rng.normal(size=(n_words, 2))
    names = ["word" * rng.integers(1, 4) for _ in range(n_words)]
    axes = draw(tmp_path, drawn, points * 1e-4, names, shares=(0.5, 0.25))
    assert_apart(drawn[0])
    assert_inside(drawn[0], texts(drawn[0]))  # the long numbers of the y axis too
    if n_words == 40 and spread == 1e-9:
        assert len(leaders(axes)) > 20
        again = draw(tmp_path, drawn, points * 1e-4, names, shares=(0.5, 0.25))
        places = [[label.get_position() for label in x.texts] for x in (axes, again)]
        assert places[0] == places[1]


def test_a_leader_joins_a_distant_label_and_its_point(tmp_path, drawn):
    points = np.concatenate([np.zeros((30, 2)), np.eye(2)])
    axes = draw(tmp_path, drawn, points, [f"word {i}" for i in range(32)])
    renderer = FigureCanvasAgg(drawn[0]).get_renderer()
    boxes = [label.get_window_extent(renderer) for label in axes.texts]
    center = axes.transData.transform([0, 0])
    for start, end in leaders(axes):
        np.testing.assert_allclose(start, center, atol=1e-6)
        touched = [box for box in boxes if box.padded(0.1).contains(*end)]
        assert len(touched) == 1
        boxes.remove(touched[0])
    assert 20 < len(leaders(axes)) < 30


def test_groups_have_colours_markers_and_a_legend(tmp_path, drawn):
    points, groups = np.arange(8.0).reshape(4, 2), ["b", "a$", "b", "c"]
    axes = draw(tmp_path, drawn, points, list("wxyz"), groups=groups)
    lines = markers(axes)
    np.testing.assert_array_equal(lines[0].get_xydata(), points[[0, 2]])
    np.testing.assert_array_equal(lines[1].get_xydata(), points[[1]])
    for look in ("get_color", "get_marker"):
        assert len({getattr(line, look)() for line in lines}) == 3
    (legend,) = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["b", "a$", "c"]


def test_the_axes_name_their_shares_of_the_variance(tmp_path, drawn):
    axes = draw(tmp_path, drawn, np.eye(2), ["a", "b"], shares=(0.618, 0.2))
    assert axes.get_xlabel() == "first principal component (62 % of the variance)"
    assert axes.get_ylabel() == "second principal component (20 % of the variance)"


def test_a_label_moves_away_from_a_neighbour():
    points = np.array([[0.0, 0.0], [9.0, 0.0]])
    corners = place_labels(points, np.full((2, 2), 10.0), np.array([-50, -50, 50, 50]))
    assert corners[0, 0] < -10 and corners[1, 0] > 9


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"points": np.zeros((3, 2))}, r"have shape \[2, 2\], .* got \[3, 2\]"),
        ({"groups": ["a"]}, "groups must have 2 names, one for each word, got 1"),
    ],
)
def test_other_arguments_are_refused(tmp_path, changed, message):
    arguments = {"points": np.zeros((2, 2)), "names": ["a", "b"]} | changed
    with pytest.raises(ValueError, match=message):
        plot.words(path=tmp_path / "x.png", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_more_than_7_groups_are_refused(tmp_path):
    names = list("abcdefgh")
    with pytest.raises(ValueError, match="groups must be 1 to 7, .* got 8"):
        plot.words(np.zeros((8, 2)), names, tmp_path / "x.png", groups=names)
