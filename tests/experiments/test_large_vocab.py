"""Experiment large_vocab, run as a command on simulated devices."""

import json

import chex
import pytest

from experiments import imdb_ngrams, large_vocab
from jaxembed import train

SMALL = ("--length", 200, "--epochs", 2, "--batch-size", 8, "--orders", 1, 2)


def read(tmp_path, name="large_vocab"):
    out = tmp_path / "runs" / name
    return out, json.loads((out / "metrics.json").read_text())


@pytest.mark.long
def test_rows_are_spread_and_saved_in_word_order(run_main, reviews, tmp_path):
    flags = ("--length", 100, "--epochs", 1, "--batch-size", 8, "--orders", 1)
    lines = run_main(large_vocab, "--data", reviews, "--devices", 4, *flags)
    out, found = read(tmp_path)
    n_rows = found["n_rows"]
    assert found["n_devices"] == 4 and found["rows_per_device"] == n_rows // 4 + 1
    assert any(f"rows: {n_rows:,} on 4 devices" in line for line in lines)
    assert 1 <= found["fullest_shard"]["spread"] < found["fullest_shard"]["in blocks"]
    assert found["row_sparse_tables"] == ["embed.embedding"]
    assert found["history"]["loss"][0] < 0.69 and found["test_accuracy"] > 0.5
    table = train.restore(out / "checkpoint")[0].tables["embed"]["embedding"]
    arrays, _ = train.restore(out / "ngrams")
    is_read = arrays["counts"] > 20  # texts; other rows may have a gradient of zero
    assert table.shape == (n_rows, 1) and table[is_read].all()


@pytest.mark.long
def test_it_equals_the_experiment_on_one_device(run_main, reviews, tmp_path):
    run_main(large_vocab, "--data", reviews, "--devices", 4, *SMALL)
    run_main(imdb_ngrams, "--data", reviews, "--min-reviews", 1, *SMALL)
    out, found = read(tmp_path)
    one_device, expected = read(tmp_path, "imdb_ngrams")
    for name, values in expected["history"].items():
        if name != "seconds":
            assert found["history"][name] == pytest.approx(values, abs=1e-5)
    assert found["test_accuracy"] == expected["test_accuracy"]
    ours, theirs = (
        train.restore(path / "checkpoint")[0].variables for path in (out, one_device)
    )
    chex.assert_trees_all_close(ours, theirs, atol=1e-5)


@pytest.mark.long
def test_a_finished_run_is_not_trained_again(run_main, reviews, tmp_path):
    flags = ("--data", reviews, *SMALL)
    run_main(large_vocab, *flags, "--devices", 2)
    _, before = read(tmp_path)
    lines = run_main(large_vocab, *flags, "--devices", 1)  # on another mesh
    assert "all 2 epochs were trained before" in lines
    assert read(tmp_path)[1]["test_accuracy"] == before["test_accuracy"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--devices", 0), "--devices must be at least 1, got 0"),
        (
            ("--devices", 64),
            "needs 64 devices, got 4 of the kind cpu: give --devices 4",
        ),
        (("--devices", 3), "batch_size must be a multiple of the 3 devices"),
    ],
)
def test_refusals(run_main, reviews, capsys, flags, words):
    with pytest.raises(SystemExit) as caught:
        run_main(large_vocab, "--data", reviews, *SMALL, *flags)
    assert words in str(caught.value) + capsys.readouterr().err
