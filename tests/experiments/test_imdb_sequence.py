"""Experiment imdb_sequence, run as a command."""

import csv
import json

import numpy as np
import pytest

from experiments import _heads, _rows, _sequences, imdb_sequence

SMALL = ("--num-words", 400, "--length", 30, "--seeds", 2, "--epochs", 2)


def read(tmp_path):
    out = tmp_path / "runs" / "imdb_sequence"
    with (out / "table.csv").open() as file:
        return out, list(csv.DictReader(file))


def test_copies_are_left_out_of_a_second_accuracy():
    is_correct = np.array([[True, False, True, True], [True, True, False, True]])
    row = _rows.Row("pooled", "learned", is_correct, 1.0, {})
    copies = np.array([True, False, False, False])
    line = _rows.make_lines([row], copies)[0]
    assert line["accuracy"] == 6 / 8 and line["without_copies"] == 4 / 6
    assert _rows.make_lines([row], None)[0]["without_copies"] is None


@pytest.mark.long
def test_table_plots_and_metrics(run_main, reviews, tmp_path):
    flags = ("--heads", "flatten", "pooled", "attention", "--starts", "learned")
    lines = run_main(imdb_sequence, "--data", reviews, *SMALL, *flags)
    out, rows = read(tmp_path)
    pictures = {f"curves-{name}-learned.png" for name in flags[1:4]}
    assert {path.name for path in out.iterdir()} == pictures | {
        *("accuracy_seconds.png", "finished", "metrics.json", "table.csv")
    }
    assert {row["head"] for row in rows} == {"flatten", "pooled", "attention"}
    accuracies = [float(row["accuracy"]) for row in rows]
    assert accuracies == sorted(accuracies, reverse=True)
    for row, following in zip(rows, rows[1:], strict=False):
        difference = float(row["accuracy"]) - float(following["accuracy"])
        assert float(row["difference"]) == pytest.approx(difference)
        assert float(row["low"]) <= difference <= float(row["high"])
    assert rows[-1]["difference"] == ""
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["part"] == "validation"
    for run in metrics["runs"]:
        best = [history["val_accuracy"][-1] for history in run["histories"]]
        assert run["accuracies"] == pytest.approx(best)
    assert any("validation accuracy of" in line for line in lines)


@pytest.mark.long
def test_vectors_of_the_reviews_and_frozen_vectors_are_tested(
    run_main, reviews, tmp_path
):
    flags = ("--heads", "pooled", "--validation-fraction", 0, "--vectors", "ppmi")
    flags += ("--ppmi-dim", 8, "--starts", "reviews-trained", "glove-frozen")
    run_main(imdb_sequence, "--data", reviews, *SMALL, *flags)
    out, rows = read(tmp_path)
    assert {row["start"] for row in rows} == {"reviews-trained", "glove-frozen"}
    assert json.loads((out / "metrics.json").read_text())["part"] == "test"


@pytest.mark.long
def test_the_same_command_reports_without_training(run_main, reviews, tmp_path):
    flags = ("--heads", "pooled", "--starts", "learned")
    run_main(imdb_sequence, "--data", reviews, *SMALL, *flags)
    _, first = read(tmp_path)
    lines = run_main(imdb_sequence, "--data", reviews, *SMALL, *flags)
    assert sum("all 2 epochs were trained before" in line for line in lines) == 2
    assert read(tmp_path)[1][0]["accuracy"] == first[0]["accuracy"]


@pytest.mark.parametrize("name", _heads.HEADS)
@pytest.mark.parametrize("start", ["learned", "glove-frozen"])
def test_each_head_has_a_model(name, start):
    head = _heads.choose(name, start)
    model = _heads.make_model(head, 50, 4, start)
    assert model.embed.frozen == (start == "glove-frozen")
    tx, table_tx = _heads.make_optimizers(head, 100, start)
    is_pooled_frozen = (name, start) == ("pooled", "glove-frozen")
    assert (table_tx is None) == (start == "glove-frozen" and not is_pooled_frozen)
    assert (model.id_weights is not None) == is_pooled_frozen
    assert hasattr(tx, "update")


def test_standardized_rows_have_mean_0_and_deviation_1():
    table = np.random.default_rng(0).normal(3, 5, (20, 4)).astype(np.float32)
    found = np.arange(20) % 3 > 0
    scaled = _sequences.standardize(table, found)
    np.testing.assert_allclose(scaled[found].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled[found].std(0), 1, rtol=1e-5)
    assert not scaled[~found].any()
