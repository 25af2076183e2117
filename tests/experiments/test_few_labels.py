"""Experiment few_labels, run as a command."""

import csv
import json

import numpy as np
import pytest

from experiments import _labels, few_labels
from jaxembed import text

SMALL = ("--n-train", 300, "--draws", 2, "--num-words", 400, "--ppmi-dim", 8)


def read(tmp_path):
    out = tmp_path / "runs" / "few_labels"
    with (out / "draws.csv").open() as file:
        rows = list(csv.DictReader(file))
    return rows, json.loads((out / "metrics.json").read_text())


@pytest.mark.long
def test_each_arm_has_its_accuracies_and_their_mean(run_main, reviews, tmp_path):
    flags = ("--arms", "ngrams", "reviews", "both", "--validation-fraction", 0)
    lines = run_main(few_labels, "--data", reviews, *SMALL, *flags)
    rows, metrics = read(tmp_path)
    assert metrics["part"] == "test"
    assert {(row["arm"], row["draw"]) for row in rows} == {
        (arm, draw) for arm in ("ngrams", "reviews", "both") for draw in "01"
    }
    for arm, interval in metrics["arms"].items():
        found = [float(row["accuracy"]) for row in rows if row["arm"] == arm]
        assert interval["estimate"] == pytest.approx(np.mean(found))
    assert metrics["arms"]["ngrams"]["estimate"] > 0.6
    means = [interval["estimate"] for interval in metrics["arms"].values()]
    assert means == sorted(means, reverse=True)
    assert any("test accuracy: mean over draws" in line for line in lines)


@pytest.mark.long
def test_glove_is_validated_on_a_block(run_main, reviews, glove, tmp_path):
    flags = ("--arms", "glove", "--vectors", glove)
    run_main(few_labels, "--data", reviews, *SMALL, *flags)
    rows, metrics = read(tmp_path)
    assert [row["arm"] for row in rows] == ["glove", "glove"]
    assert metrics["part"] == "validation"
    assert metrics["differences"] == {}


def test_both_adds_logits_of_equal_deviation():
    labels = np.array([0, 1, 1])
    logits = {
        "ngrams": np.array([[-100.0, -100.0, 200.0]]),
        "reviews": np.array([[-1.0, 3.0, -2.0]]),
    }
    accuracies = {
        arm: few_labels.measure(arm, logits, labels)[0]
        for arm in ("ngrams", "reviews", "both")
    }
    # Undivided, the logits of ngrams would decide alone, with 2 of 3 correct.
    assert accuracies == pytest.approx({"ngrams": 2 / 3, "reviews": 2 / 3, "both": 1})


def test_features_are_standardized_means_of_distinct_words(reviews):
    tokens = text.load_imdb_tokens(reviews)
    table = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    table[0] = 0
    train_words = [set(ids) for ids in tokens.train.tolist()]
    n_reviews = np.array([sum(i in ids for ids in train_words) for i in range(50)])
    weights = np.log(len(train_words) / np.maximum(n_reviews, 1))
    rows = []
    for ids in [*tokens.train.tolist(), *tokens.test.tolist()]:
        words = [i for i in set(ids) if i < 50]
        total = (table[words] * weights[words, None]).sum(0)
        rows.append(total / np.linalg.norm(total))
    rows, n = np.array(rows), len(train_words)
    expected = (rows - rows[:n].mean(0)) / rows[:n].std(0)
    found = _labels.make_features(table, tokens)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
