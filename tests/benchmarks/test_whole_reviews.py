"""Benchmark of heads on whole reviews: reports, and Keras's training."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import whole_reviews
from benchmarks.peers import keras_heads
from jaxembed import text

pytest.importorskip("keras")


@pytest.mark.parametrize("head", ["convolution", "lstm"])
@pytest.mark.long
def test_keras_learns_from_its_first_weights(head):
    """The steps that compile leave no trace, and a marked word gives the label."""
    draw = np.random.default_rng(0)
    ids, labels = draw.integers(2, 30, (150, 6)), draw.integers(0, 2, 150)
    ids[:, 2] = labels
    data = ids.astype(np.int32), labels
    settings = {"sizes": (30, 8, 8), "batch_size": 16, "seed": 3}
    first, _ = keras_heads.classify(head, data, data, epochs=1, **settings)
    again, _ = keras_heads.classify(head, data, data, epochs=1, **settings)
    assert first == again
    accuracy, seconds = keras_heads.classify(head, data, data, epochs=40, **settings)
    assert accuracy > 0.95
    assert seconds > 0


def test_each_head_is_reported(make_folder, monkeypatch, tmp_path, read_lines):
    reviews = {
        f"{split}/{label}/{i}.txt": f"{word} film {i}"
        for split in ("train", "test")
        for label, word in (("pos", "good"), ("neg", "bad"))
        for i in range(4)
    }
    folder = make_folder(reviews)

    def run_process(command):
        out = Path(command[command.index("--out") + 1])
        assert command[command.index("--heads") + 1] == "recurrent"
        assert command[-2:] == ["--epochs", "1"]
        run = {"accuracies": [0.75, 0.5], "seconds": [{"run": 2.0}, {"run": 4.0}]}
        (out / "metrics.json").write_text(json.dumps({"runs": [run]}))
        return 9.0, ""

    def classify(head, train, test, *, seed, **settings):
        assert (head, settings["batch_size"]) == ("lstm", 64)
        tokens = text.load_imdb_tokens(folder)
        for (ids, labels), part, expected in (
            (train, tokens.train, tokens.train_labels),
            (test, tokens.test, tokens.test_labels),
        ):
            assert [[i for i in row if i] for row in ids.tolist()] == part.tolist()
            assert labels.tolist() == expected.tolist()
        return 0.25 * (seed + 1), 6.0

    monkeypatch.setattr(whole_reviews, "run_process", run_process)
    monkeypatch.setattr(keras_heads, "classify", classify)
    flags = ["--data", str(folder), "--cache", str(tmp_path), "--seeds", "2"]
    whole_reviews.main([*flags, "--heads", "lstm", "--", "--epochs", "1"])
    ours, keras = read_lines()
    assert (ours["implementation"], keras["implementation"]) == ("jaxembed", "keras")
    assert ours["test_accuracy"] == [0.75, 0.5]
    assert keras["test_accuracy"] == [0.25, 0.5]
    assert (ours["median_s"], keras["median_s"]) == (3.0, 6.0)
