"""Replicates: the values of the arms, and texts that do not overlap."""

import itertools

import numpy as np
import pytest
from scipy import stats

from jaxembed import plot

RNG = np.random.default_rng(0)
ARMS = {
    name: mean + 0.02 * RNG.standard_normal((100, 10))
    for name, mean in (("frozen", 0.546), ("learned", 0.525), ("$tuned$", 0.545))
}


def points_of(axes, color):
    """Return the sorted values of each set of markers of a colour."""
    found = [line for line in axes.get_lines() if line.get_color() == color]
    return [np.sort(line.get_ydata()) for line in found]


def test_the_means_and_their_bands_equal_scipys(tmp_path, drawn):
    plot.replicates(ARMS, tmp_path / "x.png", "a$title$", chance=0.5)
    left = drawn[0].axes[0]
    bands = left.collections[::2]  # a band, then its bars
    for i, values in enumerate(ARMS.values()):
        line = left.get_lines()[i]
        np.testing.assert_array_equal(line.get_xdata(), range(1, 11))
        np.testing.assert_allclose(line.get_ydata(), values.mean(0))
        ends = stats.ttest_1samp(values, 0, axis=0).confidence_interval()
        corners = bands[i].get_paths()[0].vertices
        for epoch, low, high in zip(range(1, 11), *ends, strict=True):
            found = corners[corners[:, 0] == epoch, 1]
            assert [found.min(), found.max()] == pytest.approx([low, high])


def test_every_replicate_is_drawn_at_its_last_and_its_best_epoch(tmp_path, drawn):
    plot.replicates(ARMS, tmp_path / "x.png")
    left, right = drawn[0].axes
    for i, values in enumerate(ARMS.values()):
        last, best = points_of(right, left.get_lines()[i].get_color())
        np.testing.assert_allclose(last, np.sort(values[:, -1]))
        np.testing.assert_allclose(best, np.sort(values.max(1)))
    named = [text.get_text() for text in right.get_xticklabels()]
    assert named == [*ARMS, *ARMS]
    groups = [text.get_text() for text in right.texts]
    assert groups == ["last epoch", "best epoch of each replicate"]
    assert left.get_ylim() == right.get_ylim()


def test_the_best_loss_is_the_lowest(tmp_path, drawn):
    plot.replicates({"a": [[0.5, 0.3, 0.4]]}, tmp_path / "x.png", is_loss=True)
    left, right = drawn[0].axes
    _, best = points_of(right, left.get_lines()[0].get_color())
    assert best == [0.3]


def test_arms_differ_and_do_not_overlap(tmp_path, drawn):
    arms = {f"arm {i}": ARMS["frozen"] for i in range(7)}
    plot.replicates(arms, tmp_path / "x.png")
    left, right = drawn[0].axes
    lines = left.get_lines()
    for look in ("get_color", "get_marker"):
        assert len({getattr(line, look)() for line in lines}) == 7
    dashes = {str(line._dash_pattern) for line in lines}
    assert len(dashes) == 7
    clouds = [
        line.get_xdata() for line in right.get_lines() if len(line.get_ydata()) > 9
    ]
    assert len(clouds) == 14
    clouds.sort(key=np.min)
    for before, after in itertools.pairwise(clouds):
        assert before.max() < after.min()


@pytest.mark.parametrize("n_arms", [1, 3, 7])
@pytest.mark.parametrize("title", ["", "one draw of each"])
@pytest.mark.parametrize("name", ["a {}", "the arm of number {}, with $"])
def test_texts_do_not_overlap_and_lie_in_the_figure(
    tmp_path, drawn, texts, assert_inside, n_arms, title, name
):
    arms = {name.format(i): [[0.5, 0.6]] for i in range(n_arms)}
    path = plot.replicates(arms, tmp_path / "x.png", title, chance=0.5)
    assert path.read_bytes().startswith(b"\x89PNG")
    found = texts(drawn[0])
    for (_, a), (_, b) in itertools.combinations(found, 2):
        assert not a.overlaps(b)
    assert_inside(drawn[0], found)
    named = [text for text, _ in found]
    assert all(named.count(arm) == 3 for arm in arms) and "chance (0.5)" in named
    right = drawn[0].axes[1].get_window_extent()
    for text, box in found:  # no title touches the frame
        if text in ("last epoch", "best epoch of each replicate", title):
            assert box.y0 > right.y1 + 2


def test_the_names_of_three_arms_are_horizontal(tmp_path, drawn):
    names = ["frozen", "learned", "fine-tuned"]
    plot.replicates(dict.fromkeys(names, [[0.5, 0.6]]), tmp_path / "x.png")
    labels = drawn[0].axes[1].get_xticklabels()
    assert [label.get_rotation() for label in labels] == [0] * 6


def test_other_arguments_are_refused(tmp_path):
    def draw(arms):
        return plot.replicates(arms, tmp_path / "x.png")

    with pytest.raises(ValueError, match="arms must be 1 to 7, .* got 0"):
        draw({})
    with pytest.raises(ValueError, match="arms must be 1 to 7, .* got 8: draw several"):
        draw({str(i): [[0.5]] for i in range(8)})
    with pytest.raises(ValueError, match="got nan for replicate 1 in epoch 0: its tr"):
        draw({"a": [[0.5], [np.nan]]})
    assert list(tmp_path.iterdir()) == []
