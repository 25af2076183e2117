"""Fixtures: an archive of synthetic reviews, and experiments run in this process."""

import sys

import numpy as np
import pytest

from jaxembed import text, vectors
from jaxembed.text.imdb._synthetic import synthetic_reviews


@pytest.fixture
def reviews(make_archive):
    """Return an archive of 500 reviews, which take a second of training."""
    parts = synthetic_reviews(3, n_train=400, n_test=100, n_unlabelled=0)
    return make_archive(
        {
            f"{split}/{label}/{number}.txt": review
            for (split, label), texts in parts.items()
            for number, review in enumerate(texts)
        }
    )


@pytest.fixture
def run_main(monkeypatch, tmp_path, capsys):
    """Return a function that runs an experiment in ``tmp_path`` as its command does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JAXEMBED_DATA", raising=False)

    def run(module, *flags):
        from experiments import _cli

        monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, flags)])
        _cli.main(module.Config, module.run)
        return capsys.readouterr().out.splitlines()

    return run


@pytest.fixture
def glove(tmp_path, reviews):
    """Return a GloVe file with vectors of some of the words."""
    corpus = text.load_imdb(reviews)
    words = list(text.Tokenizer().fit(corpus.train_texts).word_index)[:600:2]
    matrix = np.random.default_rng(0).normal(0, 0.4, (len(words), 12))
    made = vectors.WordVectors(words, matrix.astype(np.float32))
    return vectors.save(made, tmp_path / "glove.6B.100d.txt.gz")
