"""Benchmark of replicates: checked, then timed in turns."""

import sys
import time
from math import nan

import jax
import numpy as np
import pytest

from benchmarks import _draws, replicates
from benchmarks.harness import workloads
from benchmarks.harness.lines import Lines
from benchmarks.replicates import Learned
from jaxembed.train._evaluate import BATCH_SIZE

COMPILED = "/jax/core/compile/backend_compile_duration"
SIZES = ["--workload", "9x4x6", "--batch-sizes", "2", "3", "--n-validation", "2"]


@pytest.fixture
def _task(monkeypatch):
    """Return the frozen arm for two draws of random reviews, too few to learn from."""
    monkeypatch.setattr(replicates, "CLOSE", 0.5)
    rng = np.random.default_rng(0)
    return replicates.Task(
        workloads.parse_workload("50x4x6"),
        ids=rng.integers(50, size=(80, 6), dtype=np.int32),
        labels=rng.integers(2, size=80, dtype=np.int32),
        draws=np.arange(64).reshape(2, 32),
        held_out=np.arange(64, 80),
        table=rng.standard_normal((50, 4), np.float32),
        epochs=2,
    )


def measure(task, *, with_keras=True):
    replicates.measure("frozen", task, with_keras, 3, Lines())


@pytest.fixture
def _watch_compiling():
    """Return a list with an item for each program that XLA compiles."""
    compiled = []

    def keep(event: str, duration_secs: float, **_: str | int) -> None:
        if event == COMPILED:
            compiled.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(keep)
    yield compiled
    jax.monitoring.unregister_event_duration_listener(keep)


def read(variables):
    return [np.array(variable.value) for variable in variables]


@pytest.mark.long
def test_all_have_their_lines(_task, monkeypatch, read_lines):
    pytest.importorskip("keras")
    learned = Learned(0.5, 0.7, 0.6)
    monkeypatch.setattr(replicates, "fit_keras", lambda *_: learned)
    measure(_task)
    lines = read_lines()
    names = ["jaxembed", "keras", "keras, as is usual"]
    assert [line["implementation"] for line in lines] == names
    for line in lines:
        assert (line["what"], line["workload"]) == ("replicate, frozen", "50x4x6")
        assert line["batch_size"] == 2 and line["validation"] == 16
        assert line["repeats"] == 3 and line["median_s"] > 0 and line["a_a"] > 0
    ours, keras, new = lines
    assert 0 <= ours["val_accuracy"] <= 1 and ours["own_peak_bytes"] > 0
    assert keras["val_accuracy"] == new["val_accuracy"] == 0.5
    assert ours["compile_s"] > 0 and "compile_s" in keras and "compile_s" not in new


@pytest.mark.long
def test_our_seconds_are_of_a_draw_of_the_whole_call(_task, monkeypatch, read_lines):
    run = replicates.run

    def run_slowly(task):
        time.sleep(0.5)  # as preparation does
        return run(task)

    monkeypatch.setattr(replicates, "run", run_slowly)
    measure(_task, with_keras=False)
    (line,) = read_lines()
    assert 0.25 < line["median_s"] < 0.5  # two draws


def test_only_new_keras_models_compile(_task, _watch_compiling):
    pytest.importorskip("keras")
    turns = replicates.make_turns(_task, with_keras=True)
    counts = []
    for name in ("keras", "keras", "keras, as is usual", "keras"):
        call = turns[name](0)
        _watch_compiling.clear()
        assert 0 <= call().accuracy <= 1
        counts.append(len(_watch_compiling))
    first, second, new, last = counts
    assert first > 0 and new > 0 and second == last == 0


def test_both_validate_in_batches_of_one_size():
    assert replicates.VALIDATION_BATCH == BATCH_SIZE


def test_keras_starts_anew(_task):
    pytest.importorskip("keras")
    task = _task._replace(table=None)
    model, *others = [replicates.make_keras(task) for _ in range(3)]
    weights = [read(other.weights) for other in others]
    assert not np.array_equal(
        weights[0][0], weights[1][0]
    )  # each model draws its own weights
    for other, expected in zip(others, weights, strict=True):
        replicates.fit_keras(task, 0, model)
        assert model.optimizer.iterations == 2
        replicates.restart(model, other)
        for weight, value in zip(read(model.weights), expected, strict=True):
            np.testing.assert_array_equal(weight, value)
        iterations, rate, *moments = read(model.optimizer.variables)
        assert iterations == 0 and rate == pytest.approx(1e-3)
        assert len(moments) == 5 and not any(np.any(moment) for moment in moments)


def test_keras_trains_the_same_table(_task):
    pytest.importorskip("keras")
    model = replicates.make_keras(_task)
    _, kernel, *_ = read(model.weights)
    learned = replicates.fit_keras(_task, 3, model, 16)
    assert 0 <= learned.accuracy <= 1 and learned.loss < learned.first_loss
    table, trained, *_ = read(model.weights)
    np.testing.assert_array_equal(table, _task.table)
    assert not np.array_equal(trained, kernel)
    other = replicates.make_keras(_task._replace(table=None)).layers[0]
    assert (model.layers[0].trainable, other.trainable) == (False, True)
    assert other.weights[0].shape == (50, 4)


def test_both_arms_of_all_draws_are_measured(
    make_folder, tmp_path, monkeypatch, read_lines
):
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.setattr(_draws, "N_TRAIN", 2)
    found = []
    monkeypatch.setattr(replicates, "measure", lambda *call, data: found.append(call))
    replicates.main([*SIZES, "--data", str(make_folder()), "--cache", str(tmp_path)])
    (line,) = read_lines()
    assert line["implementation"] == "keras" and "is missing" in line["left_out"]
    assert [(arm, len(task.draws)) for arm, task, *_ in found] == [
        (arm, n_draws) for n_draws in (2, 3) for arm in ("frozen", "learned")
    ]
    for arm, task, with_keras, *_ in found:
        assert (task.table is None) == (arm == "learned") and not with_keras
        assert task.ids.shape == (5, 6) and len(task.held_out) == 2
    assert found[0][1].table.shape == (9, 4)


@pytest.mark.long
def test_wrong_replicates_are_not_timed(_task, monkeypatch, capsys):
    run = replicates.replicates.run

    def wrongly(*arguments, **options):
        histories = run(*arguments, **options)
        histories.val_loss += 1e-3
        return histories

    monkeypatch.setattr(replicates.replicates, "run", wrongly)
    with pytest.raises(
        SystemExit, match="losses of the last replicate differ from a single fit"
    ):
        measure(_task, with_keras=False)
    assert capsys.readouterr().out == ""


@pytest.mark.long
def test_other_accuracies_are_not_reported(_task, monkeypatch, capsys):
    pytest.importorskip("keras")
    for learned, message in (
        (Learned(9.0, 0.7, 0.6), "accuracies must differ by at most 0.5, got"),
        (Learned(0.5, 0.7, 0.7), "keras is wrong: its loss .* went from 0.7 to 0.7"),
        (Learned(0.5, 0.7, nan), "keras is wrong: its loss .* went from 0.7 to nan"),
        (Learned(nan, 0.7, 0.6), "accuracies must differ by at most 0.5, got"),
    ):
        monkeypatch.setattr(replicates, "fit_keras", lambda *_, it=learned: it)
        with pytest.raises(SystemExit, match=message):
            measure(_task)
        assert capsys.readouterr().out == ""


def test_vectors_of_another_length_are_refused(make_folder, tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("a 1 2\nfilm 3 4\n")
    flags = ["--data", str(make_folder()), "--vectors", str(path), "--peers"]
    with pytest.raises(SystemExit, match="2 numbers do not fit .* 9x4x6"):
        replicates.main([*SIZES, *flags, "--cache", str(tmp_path)])
