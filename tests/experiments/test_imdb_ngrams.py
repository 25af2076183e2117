"""Experiment imdb_ngrams, run as a command."""

import csv
import json

import numpy as np
import pytest

from experiments import _reviews, imdb_ngrams
from jaxembed import text, train

SMALL = ("--length", 800, "--epochs", 3, "--min-reviews", 2, "--batch-size", 4)


def read(tmp_path):
    out = tmp_path / "runs" / "imdb_ngrams"
    return out, json.loads((out / "metrics.json").read_text())


@pytest.mark.long
def test_files_and_metrics(run_main, reviews, tmp_path):
    run_main(imdb_ngrams, "--data", reviews, *SMALL)
    out, metrics = read(tmp_path)
    names = sorted(path.name for path in out.iterdir())
    folders = ["checkpoint", "finished", "ngrams"]
    assert names == sorted([*folders, "curves.png", "metrics.json", "test.csv"])
    n_rows = metrics["n_rows"]
    assert metrics["n_params"]["total"] == 2 * n_rows + 1
    assert metrics["n_params"]["frozen"] == n_rows
    assert metrics["row_sparse_tables"] == ["embed.embedding"]
    assert len(metrics["history"]["val_accuracy"]) == 3
    assert metrics["history"]["loss"][-1] < metrics["history"]["loss"][0]
    assert metrics["test_accuracy"] > 0.6


@pytest.mark.parametrize("weights", ["ratios", "learned", "ones"])
def test_the_files_give_the_test_accuracy(run_main, reviews, tmp_path, weights):
    flags = ("--validation-fraction", 0, "--weights", weights, "--orders", 1, 2)
    lines = run_main(imdb_ngrams, "--data", reviews, *SMALL, *flags)
    assert not any("validation accuracy" in line for line in lines)
    out, metrics = read(tmp_path)
    state, extra = train.restore(out / "checkpoint")
    arrays, _ = train.restore(out / "ngrams")
    index = text.NgramIndex.from_arrays(arrays)
    tokenizer = text.Tokenizer.from_json(extra["tokenizer"])
    corpus = text.load_imdb(reviews)
    rows = index.encode(tokenizer.encode(corpus.test_texts), 800)
    config = imdb_ngrams.Config(orders=(1, 2), weights=weights)
    model = imdb_ngrams.make_model(index.n_rows, config)
    ids = imdb_ngrams.pad(rows, 800)
    found = train.evaluate(model, state.variables, ids, corpus.test_labels)
    assert metrics["test_accuracy"] == pytest.approx(found["accuracy"])
    with (out / "test.csv").open() as file:
        listed = list(csv.DictReader(file))
    assert [int(row["label"]) for row in listed] == corpus.test_labels.tolist()
    correct = [(float(row["logit"]) > 0) == (row["label"] == "1") for row in listed]
    assert np.mean(correct) == pytest.approx(found["accuracy"])
    copies = np.array([row["is_copy"] == "1" for row in listed])
    known = set(corpus.train_texts)
    assert copies.tolist() == [review in known for review in corpus.test_texts]
    others = np.array(correct)[~copies].mean()
    assert metrics["test_accuracy_without_copies"] == pytest.approx(others)


def test_learned_weights_start_at_the_ratios_and_move():
    config = imdb_ngrams.Config(weights="learned")
    params = imdb_ngrams.start_weights(np.array([0.0, 2.0], np.float32), config)
    assert params["id_weights"]["embedding"].tolist() == [[0.0], [2.0]]
    assert not imdb_ngrams.make_model(2, config).id_weights.frozen


@pytest.mark.parametrize("block", [0, 4])
def test_a_block_holds_neighbours_of_each_class(block):
    labels = np.repeat([0, 1], [20, 30])
    examples, held_out = _reviews.hold_out_block(labels, 0.2, block)
    expected = [*range(4 * block, 4 * block + 4)]
    expected += range(20 + 6 * block, 20 + 6 * block + 6)
    assert held_out.tolist() == expected
    assert sorted([*examples, *held_out]) == list(range(50))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--validation-fraction", 0.7), "--validation-fraction must be from 0 to 0.5"),
        (("--block", 10), "--block must be from 0 to 9, got 10"),
        (("--min-reviews", 10_000), "lower min_count"),
    ],
)
def test_refusals(run_main, reviews, capsys, flags, words):
    with pytest.raises(SystemExit) as caught:
        run_main(imdb_ngrams, "--data", reviews, *SMALL, *flags)
    assert words in str(caught.value) + capsys.readouterr().err
