"""The benchmark of replicates: checked, then timed in turns."""

import sys
import types

import numpy as np
import pytest

from benchmarks import _workloads, replicates
from benchmarks._lines import Lines

SIZES = ["--workload", "9x4x6", "--batch-sizes", "2", "3", "--n-validation", "2"]


@pytest.fixture
def _task(monkeypatch):
    """The frozen arm for two draws of random reviews; it is too small to learn."""
    monkeypatch.setattr(replicates, "CLOSE", 0.5)
    rng = np.random.default_rng(0)
    return replicates.Task(
        _workloads.parse_workload("50x4x6"),
        ids=rng.integers(50, size=(80, 6), dtype=np.int32),
        labels=rng.integers(2, size=80),
        rows=np.arange(64).reshape(2, 32),
        held_out=np.arange(64, 80),
        table=rng.standard_normal((50, 4), np.float32),
        epochs=1,
    )


def measure(task, *, with_keras=True):
    replicates.measure("frozen", task, with_keras, 3, Lines())


def test_both_have_their_lines(_task, monkeypatch, read_lines):
    monkeypatch.setattr(replicates, "fit_keras", lambda task, draw: 0.5)
    measure(_task)
    lines = read_lines()
    assert [line["implementation"] for line in lines] == ["jaxembed", "keras"]
    for line in lines:
        assert (line["what"], line["workload"]) == ("replicate, frozen", "50x4x6")
        assert line["batch_size"] == 2 and line["validation"] == 16
        assert line["repeats"] == 3 and line["median_s"] > 0 and line["a_a"] > 0
    assert 0 <= lines[0]["val_accuracy"] <= 1 and lines[1]["val_accuracy"] == 0.5
    assert lines[0]["own_peak_bytes"] > 0 and lines[0]["compile_s"] > 0


def test_keras_trains_the_same_table(_task, monkeypatch):
    keras = pytest.importorskip("keras")
    embeds = []
    fit = keras.Sequential.fit

    def fit_and_keep(model, *arguments, **options):
        embeds.append(model.layers[0])
        if model.layers[0].trainable:  # one that is trained in earnest is enough
            return types.SimpleNamespace(history={"val_acc": [0.5]})
        return fit(model, *arguments, **options)

    monkeypatch.setattr(keras.Sequential, "fit", fit_and_keep)
    for task in (_task, _task._replace(table=None)):
        assert 0 <= replicates.fit_keras(task, 3) <= 1
    frozen, learned = embeds
    np.testing.assert_array_equal(frozen.weights[0].value, _task.table)
    assert (frozen.trainable, learned.trainable) == (False, True)
    assert learned.weights[0].shape == (50, 4)


def test_both_arms_of_all_draws_are_measured(
    make_folder, tmp_path, monkeypatch, read_lines
):
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.setattr(replicates, "N_TRAIN", 2)
    found = []
    monkeypatch.setattr(replicates, "measure", lambda *call: found.append(call))
    replicates.main([*SIZES, "--data", str(make_folder()), "--cache", str(tmp_path)])
    (line,) = read_lines()
    assert line["implementation"] == "keras" and "is missing" in line["left_out"]
    assert [(arm, len(task.rows)) for arm, task, *_ in found] == [
        (arm, n_draws) for n_draws in (2, 3) for arm in ("frozen", "learned")
    ]
    for arm, task, with_keras, *_ in found:
        assert (task.table is None) == (arm == "learned") and not with_keras
        assert task.ids.shape == (5, 6) and len(task.held_out) == 2
    assert found[0][1].table.shape == (9, 4)


def test_wrong_replicates_are_not_timed(_task, monkeypatch, capsys):
    replicate = replicates.train.replicate

    def wrongly(*arguments, **options):
        histories = replicate(*arguments, **options)
        histories.val_loss += 1e-3
        return histories

    monkeypatch.setattr(replicates.train, "replicate", wrongly)
    with pytest.raises(SystemExit, match="not what it is alone"):
        measure(_task, with_keras=False)
    assert capsys.readouterr().out == ""


def test_other_accuracies_are_not_reported(_task, monkeypatch, capsys):
    monkeypatch.setattr(replicates, "fit_keras", lambda task, draw: 9.0)
    with pytest.raises(SystemExit, match="accuracies more than 0.5 apart"):
        measure(_task)
    assert capsys.readouterr().out == ""


def test_vectors_of_another_length_are_refused(make_folder, tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("a 1 2\nfilm 3 4\n")
    flags = ["--data", str(make_folder()), "--vectors", str(path), "--peers"]
    with pytest.raises(SystemExit, match="2 numbers are none for .* 9x4x6"):
        replicates.main([*SIZES, *flags, "--cache", str(tmp_path)])
