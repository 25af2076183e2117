"""Learning curve: means, intervals, the crossover, and texts that do not overlap."""

import itertools

import numpy as np
import pytest

from jaxembed import plot
from jaxembed.stats._crossover import Crossover
from jaxembed.stats._intervals import Interval

SIZES = [50, 100, 200, 500, 1000, 2000, 4000, 8000, 15_000, 20_000]
ARM = [Interval(0.5 + 0.01 * i, 0.49, 0.6, 9) for i in range(10)]


def draw(path, drawn, sizes=SIZES, arm=ARM, **options):
    plot.learning_curve(sizes, {"frozen": arm}, path / "x.png", **options)
    return drawn[-1].axes[0]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_means_are_at_their_sizes(tmp_path, drawn):
    axes = draw(tmp_path, drawn, chance=0.5)
    assert axes.get_xscale() == "log"
    line, chance = axes.get_lines()
    np.testing.assert_array_equal(line.get_xdata(), SIZES)
    np.testing.assert_allclose(line.get_ydata(), [mean for mean, *_ in ARM])
    assert set(chance.get_ydata()) == {0.5} and chance.get_linestyle() == ":"
    named = [text.get_text() for text in axes.get_xticklabels()]
    assert named == [f"{size:,}" for size in SIZES]
    assert legend(drawn[0]) == ["frozen", "chance (0.5)"]


def test_one_draw_has_no_band(tmp_path, drawn):
    arm = [ARM[0], ARM[1], Interval(0.9, None, None, 1), ARM[3]]
    axes = draw(tmp_path, drawn, SIZES[:4], arm)
    band, bars = axes.collections
    corners = np.concatenate([path.vertices for path in band.get_paths()])
    assert {50, 100} <= set(corners[:, 0]) and 200 not in corners[:, 0]
    ends = [path.vertices[:, 1] for path in bars.get_paths()]
    assert np.isnan(ends.pop(2)).all()
    for end in ends:  # a bar shows the interval whose neighbour is missing
        assert sorted(end) == [0.49, 0.6]
    assert axes.get_lines()[0].get_ydata()[2] == 0.9


@pytest.mark.parametrize(
    ("found", "line", "shade"),
    [
        (Crossover(300.0, 200.0, 450.0, 0.0, 50, 20_000), 300, (200, 450)),
        (Crossover(300.0, 200.0, None, 0.1, 50, 20_000), 300, (200, "edge")),
        (Crossover(50.0, 50.0, 80.0, 0.0, 50, 20_000), 50, ("edge", 80)),
        (Crossover(None, 900.0, None, 0.8, 50, 20_000), None, (900, "edge")),
        (Crossover(None, None, None, 1.0, 50, 20_000), None, None),
        (Crossover(300.0, None, None, None, 50, 20_000), 300, None),
    ],
)
def test_the_known_part_of_the_crossover_is_drawn(tmp_path, drawn, found, line, shade):
    axes = draw(tmp_path, drawn, crossover=found)
    lines = [x for x in axes.get_lines() if len(set(x.get_xdata())) == 1]
    assert [x.get_xdata()[0] for x in lines] == ([] if line is None else [line])
    patches = [patch.get_extents().x0 for patch in axes.patches]
    assert len(patches) == (shade is not None)
    if shade:
        (patch,) = axes.patches
        edges = axes.get_xlim()
        want = [edges[i] if x == "edge" else x for i, x in enumerate(shade)]
        start = patch.get_x()
        assert [start, start + patch.get_width()] == pytest.approx(want)
    # Every entry of the legend has a handle: a line or a shade that is visible.
    is_named = f"crossover: {found}" in legend(drawn[0])
    assert is_named == (line is not None or shade is not None)
    xlabel = axes.get_xlabel()
    assert xlabel.endswith("crossover: none up to 20,000") == (not is_named)


@pytest.mark.parametrize("n_sizes", [1, 4, 10, 50])
@pytest.mark.parametrize("n_arms", [1, 7])
def test_texts_do_not_overlap_and_lie_in_the_figure(
    tmp_path, drawn, texts, assert_inside, n_sizes, n_arms
):
    sizes = SIZES[-n_sizes:] if n_sizes <= 10 else [500 * i for i in range(1, 51)]
    arms = {f"the arm of number {i}": ARM[:1] * n_sizes for i in range(n_arms)}
    found = Crossover(1840.0, 1200.0, None, 0.2, sizes[0], sizes[-1])
    plot.learning_curve(
        sizes, arms, tmp_path / "x.png", "a$title$", crossover=found, chance=0.5
    )
    boxes = texts(drawn[0])
    # The box of a rotated text is larger than the text, so sizes are tested below.
    ticks = {f"{size:,}" for size in sizes}
    others = [(text, box) for text, box in boxes if text not in ticks]
    for (a, first), (b, second) in itertools.combinations(others, 2):
        assert not first.overlaps(second), (a, b)
    assert_inside(drawn[0], boxes)
    lowest = min(box.y0 for text, box in boxes if text in ticks)
    arm_boxes = [box for text, box in boxes if text.startswith("the arm")]
    assert all(box.y1 < lowest for box in arm_boxes)
    (xlabel,) = [box for text, box in boxes if text.startswith("size of the")]
    gap = xlabel.y0 - max(box.y1 for box in arm_boxes)
    assert 0 < gap < 0.4 * drawn[0].dpi
    right = [box.x1 for text, box in boxes if text in ticks]
    assert all(b - a > 0.15 * drawn[0].dpi for a, b in itertools.pairwise(right))
    assert f"{sizes[-1]:,}" in [text for text, _ in boxes]


def test_other_arguments_are_refused(tmp_path, drawn):
    with pytest.raises(ValueError, match=r"sizes must ascend from above 0, got \[2, 1"):
        draw(tmp_path, drawn, [2, 1], ARM[:2])
    with pytest.raises(ValueError, match=r"sizes must ascend from above 0, got \[\]"):
        draw(tmp_path, drawn, [], [])
    with pytest.raises(ValueError, match="'frozen' must have 10 intervals, .* got 3"):
        draw(tmp_path, drawn, arm=ARM[:3])
    with pytest.raises(ValueError, match="arms must be 1 to 7, .* got 0"):
        plot.learning_curve([1], {}, tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == [] and drawn == []
