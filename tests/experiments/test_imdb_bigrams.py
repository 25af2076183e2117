"""Experiment imdb_bigrams, run as a command."""

import json

import numpy as np
import pytest

from experiments import imdb_bigrams
from jaxembed import text, train

SIZES = ("--num-words", 1900, "--buckets", 10_000, "--length", 800)
SMALL = (*SIZES, "--epochs", 3, "--min-reviews", 2)


def test_what_it_prints_and_writes(run_main, reviews, tmp_path):
    run_main(imdb_bigrams, "--data", reviews, *SMALL, "--batch-size", 4)
    out = tmp_path / "runs" / "imdb_bigrams"
    names = sorted(path.name for path in out.iterdir())
    assert names == ["checkpoint", "curves.png", "finished", "metrics.json"]
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["n_params"]["total"] == 11_900 * 10 + 11
    assert metrics["row_sparse_tables"] == ["embed.embedding"]
    assert len(metrics["history"]["val_accuracy"]) == 3
    assert metrics["history"]["loss"][-1] < metrics["history"]["loss"][0] < 0.7
    assert metrics["test_accuracy"] > 0.6


@pytest.mark.parametrize("batch_size", [4, 32])  # row-sparse, dense
def test_the_test_accuracy_is_that_of_the_weights_on_disk(
    run_main, reviews, tmp_path, batch_size
):
    flags = (*SMALL, "--validation-fraction", 0, "--batch-size", batch_size)
    lines = run_main(imdb_bigrams, "--data", reviews, *flags)
    assert not any("validation accuracy" in line for line in lines)
    out = tmp_path / "runs" / "imdb_bigrams"
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["val_accuracy_best"] is None
    assert bool(metrics["row_sparse_tables"]) == (batch_size == 4)
    # Test again from the checkpoint alone: words, known ids and weights.
    state, extra = train.restore(out / "checkpoint")
    tokenizer = text.Tokenizer.from_json(extra["tokenizer"])
    assert len(extra["kept_ids"]) == metrics["n_kept_ids"]
    config = imdb_bigrams.Config(num_words=1900, buckets=10_000, length=800)
    corpus = text.load_imdb(reviews)
    bags = imdb_bigrams.make_bags(tokenizer.encode(corpus.test_texts), config)
    known = [sorted(set(ids) & set(extra["kept_ids"])) for ids in bags.tolist()]
    assert max(map(len, known)) <= config.length  # so that no id is cut off
    ids = text.pad_sequences(known, padding="post")
    model = imdb_bigrams.make_model(config)
    found = train.evaluate(model, state.variables, ids, corpus.test_labels)
    assert metrics["test_accuracy"] == pytest.approx(found["accuracy"])


def test_bags_are_the_different_words_and_pairs():
    config = imdb_bigrams.Config(num_words=5, buckets=7)
    ranks = text.Ragged.from_lists([[1, 9, 1, 9], [4]])
    pairs = text.hash_ngrams(ranks, 2, 7)[0] + 5
    bags = imdb_bigrams.make_bags(ranks, config).tolist()
    assert bags == [sorted({1, *pairs.tolist()}), [4]]  # word 9 is in pairs only
    counts = np.bincount(np.concatenate(bags), minlength=12)
    changed = imdb_bigrams.Config(num_words=5, buckets=7, length=2, min_reviews=1)
    ids = imdb_bigrams.pad(text.Ragged.from_lists(bags), counts, changed)
    assert ids.shape == (2, 2) and ids[1].tolist() == [4, 0]
