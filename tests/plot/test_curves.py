"""Curves: the history, as a whole PNG or nothing."""

import pytest

from jaxembed import plot, train

HISTORY = train.History([0.7, 0.5], [0.5, 0.8], [0.6, 0.55], [0.6, 0.7])


@pytest.mark.parametrize("validated", [True, False])
def test_curves_are_written(tmp_path, validated):
    history = HISTORY if validated else train.History([0.7], [0.5])
    path = plot.curves(history, tmp_path / "a" / "curves.png", "title")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.read_bytes().endswith(b"IEND\xaeB`\x82")
    assert list(path.parent.iterdir()) == [path]


def test_what_is_drawn_is_the_history(tmp_path, drawn):
    plot.curves(HISTORY, tmp_path / "x.png")
    (figure,) = drawn
    lines = [line.get_ydata() for axes in figure.axes for line in axes.get_lines()]
    metrics = HISTORY.metrics()
    names = ("loss", "val_loss", "accuracy", "val_accuracy")
    assert [list(line) for line in lines] == [metrics[name] for name in names]
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["loss (nats)", "accuracy"]


def test_nothing_half_written_stays(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(KeyboardInterrupt):
        plot.curves(HISTORY, tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_history_is_refused(tmp_path):
    with pytest.raises(ValueError, match="the history is empty: train for at least"):
        plot.curves(train.History(), tmp_path / "x.png")
