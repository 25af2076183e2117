"""Fixtures for the tests of plots: the written figures, and their texts."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


@pytest.fixture
def drawn(monkeypatch):
    """Return the list of the figures that the test writes, in order."""
    figures = []
    savefig = Figure.savefig

    def save(figure, *args, **options):
        figures.append(figure)
        return savefig(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", save)
    return figures


@pytest.fixture
def texts():
    """Return a function that lists the visible texts of a figure with their boxes."""

    def find(figure):
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        found = list(figure.texts)
        for legend in figure.legends:
            found += legend.get_texts()
        for axes in figure.axes:
            found += [axes.title, *axes.texts]
            for axis in (axes.xaxis, axes.yaxis):
                found.append(axis.label)
                low, high = sorted(axis.get_view_interval())
                labels = axis.get_ticklabels()  # none on a shared axis
                places = axis.get_majorticklocs() if labels else []
                for place, label in zip(places, labels, strict=True):
                    if low <= place <= high:
                        found.append(label)
        shown = [text for text in found if text.get_text()]
        return [(text.get_text(), text.get_window_extent(renderer)) for text in shown]

    return find


@pytest.fixture
def assert_inside():
    """Return a function that asserts that texts lie in the figure."""

    def check(figure, boxes):
        width, height = figure.get_size_inches() * figure.dpi
        for text, box in boxes:
            assert box.x0 >= 0 and box.y0 >= 0, text
            assert box.x1 <= width and box.y1 <= height, text

    return check
