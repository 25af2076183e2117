"""Experiment imdb_learned, run as a command."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments import imdb_learned
from jaxembed import nn, text, train

ROOT = Path(__file__).parents[2]
KEYS = {
    "experiment",
    "data",
    "config",
    "device",
    "versions",
    "n_params",
    "row_sparse_tables",
    "history",
    "val_accuracy_best",
    "val_accuracy_final",
    "test_accuracy",
    "seconds",
}


def test_what_it_prints_and_writes(run_main, reviews, tmp_path):
    flags = ("--data", reviews, "--epochs", 3, "--seed", 5, "--num-words", 500)
    lines = run_main(imdb_learned, *flags)
    out = tmp_path / "runs" / "imdb_learned"
    assert lines[0] == f"imdb_learned: reviews {reviews}, learned vectors, seed 5"
    assert [line[:10] for line in lines if line.startswith("epoch")] == [
        f"epoch  {epoch}/3" for epoch in (1, 2, 3)
    ]
    assert (
        lines[-1]
        == "results in runs/imdb_learned: metrics.json, curves.png, checkpoint/"
    )
    names = sorted(path.name for path in out.iterdir())
    assert names == ["checkpoint", "curves.png", "finished", "metrics.json"]
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics) == KEYS
    assert metrics["experiment"] == "imdb_learned"
    assert metrics["config"]["epochs"] == 3 and metrics["config"]["seed"] == 5
    assert metrics["n_params"] == {"total": 4161, "trainable": 4161, "frozen": 0}
    assert set(metrics["seconds"]) == {"load", "compile", "run"}
    assert {len(values) for values in metrics["history"].values()} == {3}
    assert metrics["val_accuracy_final"] == metrics["history"]["val_accuracy"][-1]


@pytest.mark.parametrize("batch_size", [8, 32])  # row-sparse, dense
def test_the_test_accuracy_is_that_of_the_weights_on_disk(
    run_main, reviews, tmp_path, batch_size
):
    flags = ("--epochs", 2, "--num-words", 500, "--batch-size", batch_size)
    run_main(imdb_learned, "--data", reviews, *flags)
    out = tmp_path / "runs" / "imdb_learned"
    state, extra = train.restore(out / "checkpoint")
    tokenizer = text.Tokenizer.from_json(extra["tokenizer"])
    corpus = text.load_imdb(reviews)
    ids = text.encode_imdb(tokenizer.encode(corpus.test_texts), 500)
    model = nn.TextClassifier(nn.Embed(500, 8), nn.DenseHead())
    metrics = train.evaluate(
        model,
        state.variables,
        text.pad_sequences(ids, maxlen=20),
        corpus.test_labels,
    )
    written = json.loads((out / "metrics.json").read_text())
    assert metrics["accuracy"] == written["test_accuracy"]
    assert bool(written["row_sparse_tables"]) == (batch_size == 8)


@pytest.mark.long
def test_a_row_sparse_table_learns_as_a_dense_one(run_main, reviews):
    def train_table(*flags):
        run_main(imdb_learned, "--data", reviews, "--epochs", 3, *flags)
        metrics = json.loads(Path("runs/imdb_learned/metrics.json").read_text())
        state, _ = train.restore("runs/imdb_learned/checkpoint")
        table = state.variables["params"]["embed"]["embedding"]
        return metrics, bool(state.tables), table

    sparse, dense = train_table(), train_table("--no-row-sparse")
    assert [sparse[1], dense[1]] == [True, False]
    assert sparse[0]["row_sparse_tables"] == ["embed.embedding"]
    assert dense[0]["row_sparse_tables"] == []
    for name in ("loss", "val_loss"):
        histories = (x[0]["history"][name] for x in (sparse, dense))
        np.testing.assert_allclose(*histories, rtol=1e-5)
    np.testing.assert_allclose(sparse[2], dense[2], rtol=0, atol=1e-6)


@pytest.mark.long
def test_the_seed_is_all_that_chance_has(run_main, reviews):
    def results(*flags):
        lines = run_main(imdb_learned, "--data", reviews, "--epochs", 2, *flags)
        return [line.partition(" (")[0] for line in lines if "accuracy" in line]

    assert results() == results("--out", "again")
    assert results() != results("--seed", 1)


def test_an_out_that_cannot_be_written_is_refused_before_the_training(tmp_path):
    """Run the experiment in a separate process."""
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "x"
    command = [sys.executable, "-m", "experiments.imdb_learned", "--data", "synthetic"]
    done = subprocess.run(
        [*command, "--out", str(out)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: --out {out} cannot be written: Not a dir")
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_the_synthetic_corpus_is_learned(run_main):
    lines = run_main(imdb_learned, "--data", "synthetic", "--epochs", 5)
    sources = "synthetic reviews (not real text), learned vectors, seed 0"
    assert lines[0] == f"imdb_learned: {sources}"
    metrics = json.loads(Path("runs/imdb_learned/metrics.json").read_text())
    assert "synthetic" in metrics["data"]
    assert 0.75 < metrics["test_accuracy"] < 0.9


@pytest.mark.real_reviews
def test_the_notebooks_figure(run_main, real_reviews):
    run_main(imdb_learned, "--data", real_reviews)
    metrics = json.loads(Path("runs/imdb_learned/metrics.json").read_text())
    assert metrics["n_params"]["total"] == 80_161
    assert 0.74 < metrics["val_accuracy_best"] < 0.785


@pytest.mark.long
@pytest.mark.real_archive
def test_the_test_accuracy(run_main, real_archive):
    run_main(imdb_learned, "--data", real_archive, "--epochs", 5)
    metrics = json.loads(Path("runs/imdb_learned/metrics.json").read_text())
    assert metrics["test_accuracy"] > 0.75
