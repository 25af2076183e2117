"""The benchmark of row-sparse steps: checked, then timed."""

import json

import jax
import numpy as np
import pytest

from benchmarks import _notebook_step, sparse_step

SMALL = ["--rows", "60", "300", "--dim", "4", "--ids", "20", "--dense", "80", "3"]
FLAGS = [*SMALL, "--repeats", "1", "--epochs", "1", "--examples", "64"]


@pytest.fixture(autouse=True)
def _rank_promotion():
    with jax.numpy_rank_promotion("allow"):  # Keras's Dense needs it
        yield


def test_each_question_has_its_lines(capsys):
    sparse_step.main(FLAGS)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = [(line["what"], line["implementation"]) for line in lines]
    assert found == [
        ("20 row-sparse RMSprop steps, same ids", "60 rows"),
        ("20 row-sparse RMSprop steps, same ids", "300 rows"),
        ("20 row-sparse RMSprop steps, uniform ids", "60 rows"),
        ("20 row-sparse RMSprop steps, uniform ids", "300 rows"),
        ("RMSprop step, row-sparse and dense", "jaxembed"),
        ("RMSprop step, row-sparse and dense", "optax dense"),
        ("step of the first model", "jaxembed"),
        ("step of the first model", "jaxembed, dense scan"),
        ("step of the first model", "dense step in a loop"),
        ("step of the first model", "keras"),
    ]
    assert len(set(lines[0]["temp_bytes"].values())) == 1


def test_wrong_weights_are_not_timed(monkeypatch, capsys):
    def wrongly(carry, ids):
        table, state = carry
        return (table * (1 + 1e-3 * len(table)), state), None

    monkeypatch.setattr(sparse_step, "sparse_step", wrongly)
    with pytest.raises(SystemExit, match="tables differ"):
        sparse_step.main(FLAGS)
    with pytest.raises(SystemExit, match="weights differ by"):
        sparse_step.time_dense(80, 3, 20, 1)
    assert not capsys.readouterr().out


def test_wrong_losses_are_not_timed(monkeypatch):
    start = _notebook_step.loop_epoch

    def other(model, params, examples):
        moved = jax.tree.map(lambda leaf: np.asarray(leaf) + 1e-2, params)
        return start(model, moved, examples)

    monkeypatch.setattr(_notebook_step, "loop_epoch", other)
    with pytest.raises(SystemExit, match="losses differ"):
        _notebook_step.main(64, 1)
