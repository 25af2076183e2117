"""Saves in the background: copies, skipped epochs, errors and Ctrl-C."""

import errno
import threading

import chex
import numpy as np
import pytest

from jaxembed import train
from jaxembed.train._run import Run
from jaxembed.train.checkpoint import _resume, _writer
from jaxembed.train.checkpoint._writer import Writer


@pytest.fixture
def slow_write(monkeypatch):
    """Make the first save wait for an event; return it, and the saved epochs."""
    write, release, epochs = _resume.write, threading.Event(), []

    def wait_and_write(path, state, extra, **options):
        epochs.append(len(extra["history"]["loss"]))
        assert release.wait(60)
        return write(path, state, extra, **options)

    monkeypatch.setattr(_resume, "write", wait_and_write)
    return release, epochs


def test_training_continues_during_a_save_and_the_last_epoch_is_saved(
    fit, tmp_path, slow_write
):
    whole, history = fit(epochs=5)
    release, saved = slow_write

    def on_epoch(history):
        if len(history) == 5:  # after four epochs of training during the first save
            release.set()

    fit(epochs=5, checkpoint=tmp_path / "run", on_epoch=on_epoch)
    assert saved == [1, 5]
    tree, extra = train.restore(tmp_path / "run")
    chex.assert_trees_all_equal(tree["state"].variables, whole.variables)
    assert extra["history"]["loss"] == history.loss


def test_ctrl_c_within_an_epoch_saves_the_finished_epochs(
    fit, examples, tmp_path, monkeypatch, slow_write
):
    settings = {"epochs": 5, "validation": examples}
    whole, history = fit(**settings)
    release, saved = slow_write
    validate, calls = Run._validate, []

    def interrupt(run, state):
        calls.append(1)
        if len(calls) == 5:  # compilation, and epoch 4: its state is donated
            release.set()
            raise KeyboardInterrupt
        return validate(run, state)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "_validate", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fit(**settings, checkpoint=tmp_path / "run")
    assert saved == [1, 3]
    resumed, again = fit(**settings, checkpoint=tmp_path / "run")
    chex.assert_trees_all_equal(resumed, whole)
    assert again.metrics() == history.metrics()


def test_ctrl_c_during_a_copy_saves_the_epoch(fit, tmp_path, monkeypatch):
    copy, calls = _writer.copy_to_host, []

    def interrupt(tree, spare=None):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return copy(tree, spare)

    monkeypatch.setattr(_writer, "copy_to_host", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(epochs=4, checkpoint=tmp_path / "run")
    assert len(train.restore(tmp_path / "run")[1]["history"]["loss"]) == 2


@pytest.mark.parametrize("epochs", [1, 30])
def test_an_error_of_a_save_is_raised_by_fit(fit, tmp_path, monkeypatch, epochs):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "the disk is full")

    monkeypatch.setattr(_resume, "write", fail)
    with pytest.raises(OSError, match="the disk is full"):
        fit(epochs=epochs, checkpoint=tmp_path / "run")


@pytest.mark.parametrize(("pause", "expected"), [(0.0, [1, 2, 3]), (1e9, [1, 3])])
def test_a_pause_after_a_save_skips_copies(monkeypatch, pause, expected):
    monkeypatch.setattr(_writer, "PAUSE", pause)
    written, done = [], threading.Semaphore(0)

    def write(tree, extra):
        written.append(extra["epoch"])
        done.release()

    writer = Writer(write)
    for epoch in (1, 2, 3):
        writer.offer({"a": np.ones(2)}, {"epoch": epoch})
        if epoch in expected[: 1 if pause else 3]:
            assert done.acquire(timeout=60)
            writer._thread.join()
    writer.close()
    assert written == expected


def test_a_copy_does_not_change_with_the_arrays():
    written, start = [], threading.Event()

    def write(tree, extra):
        assert start.wait(60)
        written.append(tree["a"].copy())

    weights, writer = np.ones(3), Writer(write)
    writer.offer({"a": weights}, {})
    weights[:] = 2  # as a donation does
    writer.offer({"a": weights.copy()}, {})
    writer.offer({"a": np.full(3, 5.0)}, {})  # over the memory of the skipped copy
    start.set()
    writer.close()
    np.testing.assert_array_equal(written, [[1, 1, 1], [5, 5, 5]])


def test_memory_is_reserved_for_two_copies():
    written, weights = [], {"a": np.arange(3, dtype=np.float32)}
    writer = Writer(lambda tree, extra: written.append(tree["a"]))
    writer.reserve(weights)
    writer._end_reserving()
    reserved = [spare.tree["a"] for spare in writer._spares]
    assert len(reserved) == 2 and reserved[0] is not reserved[1]
    writer.offer(weights, {})
    writer.close()
    assert written[0] is reserved[1]
    np.testing.assert_array_equal(written[0], weights["a"])


def test_memory_is_used_again_and_an_equal_object_is_not_copied_again():
    frozen, small = np.arange(3.0), np.zeros(2)
    first = _writer.copy_to_host({"frozen": frozen, "small": small, "n": np.ones(1)})
    marked = first.tree["frozen"]
    marked[0] = 7.0  # shows that it is not copied again
    other = {"frozen": frozen, "small": np.ones(2), "n": np.ones(4)}
    second = _writer.copy_to_host(other, first)
    assert second.tree["frozen"] is marked and marked[0] == 7.0
    assert second.tree["small"] is first.tree["small"]
    np.testing.assert_array_equal(second.tree["small"], [1, 1])
    np.testing.assert_array_equal(second.tree["n"], np.ones(4))
