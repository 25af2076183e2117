"""Plots of stored lines: panels, labels and looks."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from benchmarks.report import plots
from benchmarks.report.read import gather
from tests.benchmarks.report.conftest import a_line, read


def test_plots_of_stored_lines(stored):
    figures = plots.draw_all(gather(stored))
    assert list(figures) == ["500x8x5", "60x4x3"]
    figure = figures["500x8x5"]
    assert figure.get_suptitle() == "500x8x5: 500 rows of 8 numbers, texts of 5 ids"
    whats = ["lookup", "lookup with gradient", "lookup with gradient of rows"]
    titles = [f"{what}, {kind} ids" for what in whats for kind in ("zipf", "equal")]
    assert [axes.get_title() for axes in figure.axes[::2]] == titles
    for axes in figure.axes:
        assert axes.get_xscale() == axes.get_yscale() == "log"
    upper, lower = figure.axes[:2]
    assert upper.get_ylabel() == "median time\n(lower is better)"
    assert lower.get_ylabel() == "share of a copy\n(higher is better)"
    assert lower.get_xlabel() == "texts in a batch"
    assert [text.get_text() for text in lower.get_xticklabels()] == ["1", "4", "16"]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    peers = ["flax", "keras", "numpy", "torch"]
    assert names == ["jaxembed", "jaxembed, ids checked", *peers]
    curves = {line.get_label(): line for line in upper.lines}
    times = [12.218e-6, 7.753e-6, 10.263e-6]
    assert curves["torch"].get_ydata() == pytest.approx(times)
    assert all(
        curves["jaxembed"].get_linewidth() > 2 * curves[name].get_linewidth()
        for name in peers
    )
    assert lower.lines[0].get_ydata() == pytest.approx([0.0008788, 0.003835, 0.01487])


def test_kinds_of_ids_and_panels(tmp_path):
    def lines(what, ids, sizes=(1, 4), **facts):
        facts |= {"what": what, "ids": ids}
        return [a_line(batch_size=size, **facts) for size in sizes]

    found = read(
        tmp_path,
        *lines("b", "equal"),
        *lines("a", "uniform", copy_share=0.5),
        *lines("a", "zipf", copy_share=0.5),
        *lines("c", None),
        *lines("d", "real", (1,)),
        *lines("e", "zipf", workload="second", sizes=(4,)),
        *lines("f", None, workload=None),
    )
    figures = plots.draw_all(gather(found))
    assert list(figures) == ["first"]
    figure = figures["first"]
    # a has a second panel for its share of a copy; the shares of b and c are unknown
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["b, equal ids", "a, zipf ids", "", "a, uniform ids", "", "c"]
    assert figure.axes[-1].get_xlabel() == "texts in a batch"


def test_many_panels_wrap_and_overlap_nowhere(tmp_path):
    whats = [f"a rather long question {number}" for number in range(10)]
    found = read(
        tmp_path,
        *(
            a_line(name, what=what, batch_size=4**power, copy_share=0.1 * 2**power)
            for what in whats
            for name in ("jaxembed", "jaxembed, in bounds", "torch, 1 thread", "other")
            for power in range(8)
        ),
    )
    figure = plots.draw_all(gather(found))["first"]
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)  # computes the layout
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
    assert len({round(cell.bbox.x0) for cell in figure.subfigs}) == 3
    boxes += [text.get_window_extent(renderer) for text in figure.texts]
    boxes += [figure.legends[0].get_window_extent(renderer)]
    for number, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:number])


def test_an_implementation_looks_the_same_in_all_plots():
    named = {name: plots.find_look(name) for name in plots.LOOKS}
    keys = [tuple(map(str, look.values())) for look in named.values()]
    assert len(set(keys)) == len(keys)
    assert named["torch, 1 thread"]["color"] == named["torch"]["color"]
    unknown = plots.find_look("torch, 3 threads")
    assert unknown["color"] == named["torch"]["color"] and unknown != named["torch"]
    assert plots.find_look("another")["color"] == plots.OTHER[0]


def test_machines_have_plots_of_their_own(tmp_path):
    lines = [
        a_line(device=device, batch_size=size, median_s=seconds * size)
        for device, seconds in (("EPYC", 1e-3), ("H100", 1e-5))
        for size in (1, 4)
    ]
    figures = plots.draw_all(gather(read(tmp_path, *lines)))
    assert list(figures) == ["first, EPYC, 2 cores", "first, H100, 2 cores"]
    figure = figures["first, H100, 2 cores"]
    assert figure.get_suptitle().endswith("texts of 20 ids\nH100, 2 cores")
    assert list(figure.axes[0].lines[0].get_ydata()) == [1e-5, 4e-5]
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)  # computes the layout
    (title,) = [text.get_window_extent(renderer) for text in figure.texts]
    assert not title.overlaps(figure.axes[0].get_tightbbox(renderer))


def test_equal_curves_and_single_points_stay_visible(tmp_path):
    lines = [
        a_line(name, what="geometry: most similar", batch_size=size)
        for name in ("jaxembed", "flax", "keras")
        for size in (1, 4)
    ]
    single = a_line("jaxembed, most_similar", what="geometry: most similar")
    figure = plots.draw_all(gather(read(tmp_path, *lines, single)))["first"]
    (axes,) = figure.axes
    ours, flax, keras, point = axes.lines
    assert ours.get_linewidth() > 2 * flax.get_linewidth()
    assert flax.get_zorder() > ours.get_zorder()
    assert flax.get_markerfacecolor() == keras.get_markerfacecolor() == "none"
    assert flax.get_marker() != keras.get_marker()
    assert flax.is_dashed() != keras.is_dashed()
    assert point.get_markersize() > 2 * ours.get_markersize()
    assert axes.get_xlabel() == "words in a batch"


@pytest.mark.parametrize(
    ("workload", "title"),
    [
        ("9000x8x1", "9000x8x1: 9,000 rows of 8 numbers"),
        ("9000x8x2", "9000x8x2: 9,000 rows of 8 numbers, texts of 2 ids"),
        ("glove.txt", "glove.txt"),
    ],
)
def test_titles_name_sizes_and_files(workload, title):
    assert plots.describe(workload) == title


def test_a_legend_explains_the_share_of_a_copy(tmp_path):
    for share in (None, 0.5):
        lines = [a_line(batch_size=size, copy_share=share) for size in (1, 4)]
        figure = plots.draw_all(gather(read(tmp_path, *lines)))["first"]
        title = figure.legends[0].get_title().get_text().replace("\n", " ")
        assert title == ("" if share is None else plots.SHARE_NOTE)
