"""Fixtures: a small learnable problem, whose labels count the words below V / 2."""

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
    return nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead())


@pytest.fixture
def fit(model, examples):
    """Return ``train.fit`` of the small problem; every argument can be changed."""
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


@pytest.fixture
def fit_form(fit, monkeypatch):
    """Return ``fit`` with all tables of ``table_tx`` dense, or all row-sparse."""

    def call(form, *arguments, **changed):
        def choose(tables, ids, params):
            return tables if form == "sparse" else frozenset()

        monkeypatch.setattr("jaxembed.train._run.choose_sparse", choose)
        return fit(*arguments, **changed)

    return call


def table_of(state):
    return np.asarray(state.variables["params"]["embed"]["embedding"])


def bits(array):
    return np.asarray(array).view(np.uint32)


def start_of(model, examples):
    """Return weights whose table has numbers that adding 0 would change."""
    params = model.init(jax.random.key(1), examples[0])["params"]
    table = params["embed"]["embedding"]
    params["embed"]["embedding"] = table.at[3].set(-0.0).at[4].set(1e-40)
    return params


@pytest.fixture
def frozen_model():
    return nn.TextClassifier(nn.Embed(V, 4, frozen=True), nn.DenseHead((5,)))
