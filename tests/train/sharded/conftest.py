"""Fixtures: runs on meshes of four simulated devices, beside the run of one device."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import dist, nn, optim, train
from jaxembed.train._state import TrainState
from jaxembed.train.sharded._shards import Shards
from jaxembed.train.sharded._words import in_words
from tests.train.conftest import L

# With 9 steps an epoch, 54 steps. The number of words divides by no number of shards.
V, N, B, EPOCHS = 301, 72, 8, 6
RNG = np.random.default_rng(0)
IDS = RNG.integers(0, V, (N, L)).astype(np.int32)
LABELS = ((IDS < V // 2).sum(1) > L // 2).astype(np.int32)
HELD_OUT = RNG.integers(0, V, (50, L)).astype(np.int32), RNG.integers(0, 2, 50)
TABLE = RNG.normal(0, 0.1, (V, 4)).astype(np.float32)
# One object each, so that runs share compiled programs.
TX, TABLE_TX = optim.rmsprop(0.01), optim.sparse_rmsprop(0.01)
MODEL = nn.TextClassifier(nn.Embed(V, 4, padding_idx=0), nn.DenseHead(), pool="mean")
SPARSE = {"table_tx": TABLE_TX, "max_norm": 0.1}


def make_mesh(data, vocab):
    return dist.make_mesh(data=data, vocab=vocab)


def make_state(table, *shape):
    """Return a state with a table and one number, on a mesh or on one device."""
    number = jnp.zeros((), jnp.int32)
    if not shape:
        return TrainState(number, {"embed": {"embedding": jnp.asarray(table)}}, ())
    rules = dist.Rules(make_mesh(*shape))
    stored = {"embed": {"embedding": dist.to_shards(table, rules)}}
    shards = Shards(rules, ((("embed", "embedding"), len(table)),))
    return TrainState(number, stored, (), shards=shards)


def run(model=MODEL, data=(IDS, LABELS), **changed):
    settings = {
        "tx": TX,
        "epochs": EPOCHS,
        "batch_size": B,
        "key": jax.random.key(0),
        "progress": False,
    }
    state, history = train.fit(model, data, **(settings | changed))
    return jax.block_until_ready(state), history


def leaves_of(state):
    """Return all arrays of a state in word order, by path."""
    state = in_words(state).replace(shards=None)
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): np.asarray(leaf)
        for path, leaf in leaves
    }


def table_of(state):
    return np.asarray(in_words(state).variables["params"]["embed"]["embedding"])


def assert_close(found, expected, atol=1e-6):
    """Check that parameters and metrics of two runs are those of one program."""
    for metric, values in expected[1].metrics().items():
        np.testing.assert_allclose(found[1].metrics()[metric], values, atol=atol)
    states = [in_words(state).variables["params"] for state, _ in (found, expected)]
    pairs = zip(*map(jax.tree.leaves, states), strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), atol=atol)


class Interrupted(Exception):
    """Interruption of a run by a test."""


def interrupt(history, after=2):
    if len(history) == after:
        raise Interrupted


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "run"
