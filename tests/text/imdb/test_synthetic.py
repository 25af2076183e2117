"""Synthetic corpus: reproducible, and as difficult as its docstring states."""

import jax
import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

from jaxembed import nn, optim, text, train, vectors
from jaxembed.text.imdb._synthetic import synthetic_reviews


@pytest.fixture(scope="module")
def corpus():
    return text.load_imdb("synthetic")


@pytest.fixture(scope="module")
def tokens():
    return text.load_imdb_tokens("synthetic")


def test_it_says_that_it_is_synthetic(corpus):
    assert "synthetic" in corpus.description
    assert "**synthetic**" in synthetic_reviews.__doc__


def test_the_same_seed_gives_the_same_reviews():
    sizes = {"n_train": 20, "n_test": 10, "n_unlabelled": 10}
    parts = synthetic_reviews(1, **sizes)
    assert parts == synthetic_reviews(1, **sizes)
    assert parts != synthetic_reviews(2, **sizes)
    assert sum(map(len, parts.values())) == 40


def test_sizes_and_lengths_are_those_of_reviews(corpus):
    sizes = [corpus.train_texts, corpus.test_texts, corpus.unlabelled_texts]
    assert [len(texts) for texts in sizes] == [10_000, 5_000, 10_000]
    assert corpus.train_labels.mean() == corpus.test_labels.mean() == 0.5
    lengths = [len(review.split()) for review in corpus.train_texts]
    assert 120 < np.median(lengths) < 180
    assert np.percentile(lengths, 99) > 500
    assert len(set(corpus.train_texts)) == 10_000


def test_words_are_zipf_distributed(tokens):
    counts = sorted(tokens.tokenizer.word_counts.values(), reverse=True)
    assert 4_000 < len(counts) < 6_000
    ranks = np.arange(10, 3_000)
    slope, _ = np.polyfit(np.log(ranks), np.log(np.array(counts)[ranks]), 1)
    assert -1.6 < slope < -0.6


def bag(ids, n_words):
    rows = np.repeat(np.arange(len(ids)), ids.lengths)
    shape = (len(ids), n_words)
    counts = scipy.sparse.csr_array((np.ones(rows.size), (rows, ids.values)), shape)
    counts.data = np.log1p(counts.data)
    return counts


def accuracy(train, labels, test, test_labels, decay):
    """Return the test accuracy of a logistic regression with weight decay."""
    signs = 2.0 * labels - 1

    def loss(weights):
        margins = (train @ weights[:-1] + weights[-1]) * signs
        slopes = -signs / (1 + np.exp(margins)) / len(labels)
        gradient = np.append(train.T @ slopes, slopes.sum()) + decay * weights
        value = np.logaddexp(0, -margins).mean() + decay / 2 * weights @ weights
        return value, gradient

    start = np.zeros(train.shape[1] + 1)
    weights = scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B").x
    return np.mean((test @ weights[:-1] + weights[-1] > 0) == test_labels)


def test_a_bag_of_words_is_good_and_not_perfect(tokens):
    n_words = len(tokens.tokenizer.word_index) + 1
    train, test = bag(tokens.train, n_words), bag(tokens.test, n_words)
    labels = tokens.train_labels, tokens.test_labels
    assert 0.80 < accuracy(train, labels[0], test, labels[1], 3e-3) < 0.92


@pytest.fixture(scope="module")
def table(tokens):
    """Return vectors that are trained on the unlabelled reviews."""
    made = vectors.ppmi(tokens.unlabelled, tokens.tokenizer)
    return vectors.embedding_matrix(tokens.tokenizer.word_index, made)[0]


@pytest.mark.long
def test_vectors_of_the_unlabelled_part_beat_words_at_200_reviews(tokens, table):
    n_words = len(table)
    words = [bag(tokens.train, n_words), bag(tokens.test, n_words)]
    means = [bag @ table / bag.sum(1)[:, None] * 40 for bag in words]
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(5):
        rows = rng.permutation(len(tokens.train))[:200]
        labels = tokens.train_labels[rows]
        by_vectors, by_words = (
            max(
                accuracy(train[rows], labels, test, tokens.test_labels, decay)
                for decay in (0.1, 0.01)
            )
            for train, test in (means, words)
        )
        differences.append(by_vectors - by_words)
    assert min(differences) > 0.03


@pytest.mark.long
def test_vectors_of_the_unlabelled_part_beat_learned_ones_at_200_reviews(tokens, table):
    """Compare a frozen table with a learned one, as the notebook's second half does."""
    ids, test_ids = (text.pad_sequences(x, 100) for x in (tokens.train, tokens.test))
    for draw in range(2):
        rows = np.random.default_rng(draw).permutation(len(ids))[:200]
        accuracies = []
        for frozen in (True, False):
            embed = nn.Embed(*table.shape, frozen=frozen)
            model = nn.TextClassifier(embed, nn.DenseHead(hidden=(32,)))
            params = model.init(jax.random.key(draw), ids[:1])["params"]
            if frozen:
                params["embed"]["embedding"] = table
            state, _ = train.fit(
                model,
                (ids, tokens.train_labels),
                examples=rows,
                tx=optim.rmsprop(),
                epochs=10,
                batch_size=32,
                key=jax.random.key(draw),
                params=params,
            )
            metrics = train.evaluate(
                model, state.variables, test_ids, tokens.test_labels
            )
            accuracies.append(metrics["accuracy"])
        assert accuracies[0] > accuracies[1] + 0.05
