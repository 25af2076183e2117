"""What the tests of plots share: the figures that were written."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


@pytest.fixture
def drawn(monkeypatch):
    """The figures that the test writes, in order."""
    figures = []
    savefig = Figure.savefig

    def save(figure, *args, **options):
        figures.append(figure)
        return savefig(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", save)
    return figures


@pytest.fixture
def texts():
    """What a figure says, and the boxes of it, without what is out of view."""

    def find(figure):
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        found = [*figure.texts, *figure.legends[0].get_texts()]
        for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
            found.append(axis.label)
            low, high = sorted(axis.get_view_interval())
            for place, label in zip(
                axis.get_majorticklocs(), axis.get_ticklabels(), strict=True
            ):
                if low <= place <= high:
                    found.append(label)
        shown = [text for text in found if text.get_text()]
        return [(text.get_text(), text.get_window_extent(renderer)) for text in shown]

    return find
