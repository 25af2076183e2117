"""A small problem that can be learned: the sign of a text is that of its words."""

import jax
import numpy as np
import pytest

from jaxembed import nn, optim, train

V, L, N = 30, 6, 70


@pytest.fixture
def examples():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, V, (N, L)).astype(np.int32)
    labels = ((ids < V // 2).sum(1) > L // 2).astype(np.int32)
    return ids, labels


@pytest.fixture
def model():
    return nn.TextClassifier(nn.Embed(V, 4), nn.FlattenDense())


@pytest.fixture
def fit(model, examples):
    """``train.fit`` of the small problem; every argument can be another."""
    settings = {
        "tx": optim.rmsprop(0.01),
        "epochs": 3,
        "batch_size": 8,
        "key": jax.random.key(0),
        "progress": False,
    }

    def call(model=model, data=examples, **changed):
        return train.fit(model, data, **(settings | changed))

    return call
