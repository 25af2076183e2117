"""Benchmark of the notebook: epochs, processes, and low accuracies."""

import json
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from benchmarks import notebook
from benchmarks.harness import turns, workloads
from benchmarks.harness.lines import Lines
from jaxembed import text

WORKLOAD = workloads.parse_workload("50x4x6")


@pytest.fixture
def _task(monkeypatch):
    monkeypatch.setattr(notebook, "ACCURACY", (-1, 2))  # too little to learn from
    rng = np.random.default_rng(0)
    ids = rng.integers(50, size=(40, 6), dtype=np.int32)
    arrays = {"train": ids, "train_labels": rng.integers(2, size=40, dtype=np.int32)}
    return notebook.split(arrays, WORKLOAD, batch_size=8, epochs=3)


@pytest.fixture
def _rank_promotion():
    """Allow rank promotion in all threads, which Keras's layers need."""
    jax.config.update("jax_numpy_rank_promotion", "allow")
    yield
    jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.mark.usefixtures("_rank_promotion")
@pytest.mark.long
def test_epochs_take_turns(_task, read_lines):
    pytest.importorskip("keras")
    notebook.time_epochs(_task, True, Lines())
    lines = read_lines()
    assert [line["implementation"] for line in lines] == ["jaxembed", "keras"]
    for line in lines:
        assert (line["workload"], line["batch_size"]) == ("50x4x6", 8)
        assert line["repeats"] == 2  # the first epoch compiles
        assert line["examples"] == 32 and line["a_a"] > 0
        assert 0 <= line["val_accuracy_best"] <= 1


def test_ids_have_the_sizes_of_the_workload(make_folder):
    arrays = notebook.make_ids(text.load_imdb_tokens(make_folder()), WORKLOAD)
    assert arrays["train"].shape == (5, 6) and arrays["test"].shape == (2, 6)
    few = notebook.make_ids(
        text.load_imdb_tokens(make_folder()), WORKLOAD._replace(rows=5)
    )
    assert few["train"].max() < 5 <= arrays["train"].max()


@pytest.mark.parametrize("peers", [["--peers", "keras"], ["--peers"]], ids=len)
def test_processes_take_turns(make_folder, monkeypatch, read_lines, peers):
    commands = []

    def run(command):
        commands.append(command)
        if "experiments.imdb_learned" in command:
            out = Path(command[command.index("--out") + 1])
            out.mkdir(exist_ok=True)
            metrics = json.dumps({"val_accuracy_best": 0.75})
            (out / "metrics.json").write_text(metrics)
        return 1.0, json.dumps({"val_accuracy_best": 0.76})

    monkeypatch.setattr(notebook, "run_process", run)
    monkeypatch.setattr(notebook, "time_epochs", lambda *_: None)
    notebook.main(["--data", str(make_folder()), "--processes", "2", *peers])
    lines = read_lines()
    names = ["jaxembed", "keras"][: len(peers)]
    found = [(line["what"], line["implementation"]) for line in lines]
    whats = ["process from raw reviews", "second process from raw reviews"]
    whats.append("second process from ids")
    assert found == [(what, name) for what in whats for name in names]
    accuracies = [0.75, 0.76][: len(peers)]
    assert [line["val_accuracy_best"] for line in lines] == accuracies * 3
    assert {(line["workload"], line["batch_size"]) for line in lines} == {("first", 32)}
    assert all(line["a_a"] > 0 for line in lines)
    ours, theirs = "experiments.imdb_learned", "benchmarks.peers.keras_notebook"
    cold = [command for command in commands if "--no-compilation-cache" in command]
    caches = [command[command.index("--cache") + 1] for command in cold]
    assert len(cold) == len(set(caches)) == 4  # 2 repeats of both implementations
    warm = [command for command in commands if command[2] == ours][4:]
    caches = {command[command.index("--cache") + 1] for command in warm}
    # A run fills the caches before each of the two measurements.
    assert len(warm) == 2 * (1 + 4) and len(caches) == 1
    assert not any("--no-compilation-cache" in command for command in warm)
    data = [command[3] for command in commands if command[2] == theirs]
    n_raw = sum(not name.endswith("ids.npz") for name in data)
    assert (n_raw, len(data)) == ((4, 6) if len(peers) == 2 else (0, 0))


def test_without_keras_it_says_so(make_folder, monkeypatch, read_lines):
    monkeypatch.setitem(sys.modules, "keras", None)
    called = []
    monkeypatch.setattr(notebook, "time_epochs", lambda *call: called.append(call))
    sizes = ["--processes", "0", "--batch-sizes", "4", "8", "--workload", "9x2x3"]
    notebook.main(["--data", str(make_folder()), *sizes])
    (line,) = read_lines()
    assert line["implementation"] == "keras" and "is missing" in line["left_out"]
    tasks = [task for task, *_ in called]
    assert [task.batch_size for task in tasks] == [4, 8]
    assert [with_keras for _, with_keras, _ in called] == [False, False]
    assert tasks[0].ids.shape == (5, 3) and tasks[0].n_train == 4


@pytest.mark.parametrize("wrong", [0.5, 0.9])
def test_what_has_not_learned_is_not_reported(_task, monkeypatch, capsys, wrong):
    def fit(task, turn):
        for _ in range(task.epochs):
            turn()
        return wrong

    monkeypatch.setattr(notebook, "ACCURACY", (0.72, 0.86))
    monkeypatch.setattr(notebook, "fit_ours", fit)
    with pytest.raises(
        SystemExit, match="Validation accuracies must be between 0.72 and 0.86"
    ):
        notebook.time_epochs(_task, False, Lines())
    assert capsys.readouterr().out == ""


def test_a_failed_process_ends_it_with_its_words():
    with pytest.raises(SystemExit, match="failed:\nnowhere"):
        turns.run_process([sys.executable, "-c", "raise SystemExit('nowhere')"])
