"""project: the plane of the first two principal components, and refused words."""

import numpy as np
import pytest

from jaxembed import geometry
from tests.geometry.conftest import both_of

WORDS = ["w3", "w9", "w1", "w800", "w64"]


def test_the_plane_has_the_largest_variances(both):
    points = geometry.project(both[0], WORDS)
    assert (points.shape, points.dtype) == ((5, 2), np.float32)
    rows = both[1].get_normed_vectors()[[3, 9, 1, 800, 64]].astype(np.float64)
    rows -= rows.mean(axis=0)
    variances, axes = np.linalg.eigh(rows.T @ rows)
    for place in range(2):  # eigh sorts the variances in ascending order
        axis = axes[:, -1 - place]
        axis *= np.sign(axis[np.abs(axis).argmax()])
        np.testing.assert_allclose(points[:, place], rows @ axis, atol=1e-6)
        squares = np.sum(points[:, place] ** 2)
        np.testing.assert_allclose(squares, variances[-1 - place], rtol=1e-5)


def test_the_shares_of_the_variance_equal_numpys(both):
    rows = both[1].get_normed_vectors()[[3, 9, 1, 800, 64]].astype(np.float64)
    variances = np.linalg.eigvalsh(np.cov(rows.T))[::-1]
    shares = geometry.variance_shares(both[0], WORDS)
    np.testing.assert_allclose(shares, variances[:2] / variances.sum(), rtol=1e-5)
    ours, _ = both_of("abc", [[1, 2], [1, 2], [2, 4]])
    assert geometry.variance_shares(ours, "a b c".split()) == (0, 0)


def test_the_points_do_not_depend_on_the_order_of_the_words(both):
    points = geometry.project(both[0], WORDS)
    turned = geometry.project(both[0], WORDS[::-1])
    np.testing.assert_allclose(turned[::-1], points, atol=1e-6)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-6)


def test_the_lengths_of_the_vectors_do_not_matter(both):
    scaled, _ = both_of(both[0].words, both[0].matrix * 100)
    expected = geometry.project(both[0], WORDS)
    np.testing.assert_allclose(geometry.project(scaled, WORDS), expected, atol=1e-6)


def test_words_with_one_direction_are_one_point():
    ours, _ = both_of("abc", [[1, 2], [1, 2], [2, 4]])
    np.testing.assert_allclose(geometry.project(ours, "a b c".split()), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["w1", "w2"], ValueError, "words must be at least 3, .* got 2"),
        ([], ValueError, "words must be at least 3, .* got 0"),
        ("w1 w2 w3", TypeError, "got the string 'w1 w2 w3'"),
        (["w1", "w2", "nowhere"], KeyError, "'nowhere'"),
    ],
)
@pytest.mark.parametrize("ask", [geometry.project, geometry.variance_shares])
def test_other_words_are_refused(both, ask, words, error, message):
    with pytest.raises(error, match=message):
        ask(both[0], words)


def test_vectors_of_one_element_are_refused():
    ours, _ = both_of("abc", [[1], [2], [3]])
    with pytest.raises(ValueError, match="must have at least 2 elements .* got 1"):
        geometry.project(ours, ["a", "b", "c"])
