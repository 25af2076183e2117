"""run: each replicate equals its own run of fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn, optim, replicates, train
from jaxembed.replicates import _program
from tests.train.conftest import V, bits

KEY, K, N_TRAIN, POOL = jax.random.key(5), 5, 20, 50
# Enough for positions to share words, and for more than one batch.
HELD_OUT = 1_100
SETTINGS = {"tx": optim.rmsprop(0.01), "epochs": 3, "batch_size": 8}


@pytest.fixture
def rows():
    return replicates.draw_examples(KEY, K, POOL, N_TRAIN)


@pytest.fixture
def replicate(model, examples, rows):
    """Return ``replicates.run`` of the small problem; any argument can be changed."""
    settings = SETTINGS | {"examples": rows, "key": KEY, "validation": held_out()}
    settings["progress"] = False

    def call(model=model, data=examples, **changed):
        return replicates.run(model, data, **(settings | changed))

    return call


def held_out():
    ids = np.random.default_rng(9).integers(0, V - 1, (HELD_OUT, 6)).astype(np.int32)
    return ids, ((ids < V // 2).sum(1) > 3).astype(np.int32)


def run_alone(model, examples, rows, k, **changed):
    settings = SETTINGS | {
        "examples": rows[k],
        "validation": held_out(),
        "progress": False,
    }
    key = jax.random.fold_in(KEY, k)
    _, history = train.fit(model, examples, key=key, **(settings | changed))
    return history


def table(scale=1.0):
    return np.random.default_rng(3).normal(0, scale, (V, 4)).astype(np.float32)


GIVEN = {"params": {"embed": {"embedding": table()}}}
HIDDEN = nn.DenseHead((5,))
FROZEN = nn.TextClassifier(nn.Embed(V, 4, frozen=True), HIDDEN)
ARMS = {
    "learned, dropout, two classes, padding": (
        nn.TextClassifier(nn.Embed(V, 4, padding_idx=0), nn.DenseHead((5,), 2, 0.2)),
        {"trainable_rows": np.arange(V) % 3 > 0},
    ),
    "frozen": (FROZEN, GIVEN),
    "frozen, each its own": (FROZEN, {}),
    "fine-tuned, padding": (
        nn.TextClassifier(nn.Embed(V, 4, padding_idx=0), HIDDEN),
        GIVEN | {"unfreeze_after": 2},
    ),
    "pooled, row-sparse, clipped": (
        nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead(), pool="mean"),
        {"table_tx": optim.sparse_rmsprop(0.01), "batch_size": 1, "max_norm": 0.1},
    ),
}


QUICK = ("frozen",)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in QUICK else pytest.mark.long)
        for name in ARMS
    ],
)
def test_each_equals_its_solo_run(name, replicate, examples, rows):
    model, changed = ARMS[name]
    # Three at a time, so that the last batch of replicates is padded.
    many = replicate(model, n_parallel=3, **changed)
    assert many.loss.shape == many.val_accuracy.shape == (K, 3)
    assert many.n_parallel == 3
    for k in (0, K - 1):
        alone = run_alone(model, examples, rows, k, **changed)
        for metric, values in alone.metrics().items():
            np.testing.assert_allclose(getattr(many, metric)[k], values, atol=1e-6)
    # The replicates differ.
    assert len({tuple(losses) for losses in many.loss}) == K


@pytest.mark.long
def test_the_size_of_a_chunk_changes_no_number(replicate, rows):
    chunks = {size: replicate(n_parallel=size) for size in (2, K)}
    for name, values in chunks[2].metrics().items():
        np.testing.assert_allclose(getattr(chunks[K], name), values, atol=1e-6)
    # The number of replicates does not change them either.
    fewer = replicate(examples=rows[:2], n_parallel=2)
    np.testing.assert_array_equal(bits(fewer.loss), bits(chunks[2].loss[:2]))


@pytest.mark.long
def test_another_seed_gives_other_runs(replicate):
    first, second = (replicate(key=jax.random.key(seed)) for seed in (1, 2))
    assert not np.isclose(first.loss, second.loss).any()


def test_a_program_is_compiled_once(replicate, rows, monkeypatch):
    traces = []

    def run_epoch(*arguments, **static):
        traces.append(1)
        return train.run_epoch(*arguments, **static)

    monkeypatch.setattr(_program, "run_epoch", run_epoch)
    model = nn.TextClassifier(nn.Embed(V, 3), nn.DenseHead())  # traced nowhere else
    jax.clear_caches()
    for draw in (rows, rows[::-1]):
        replicate(model, examples=draw, n_parallel=2, epochs=2)
    assert len(traces) == 1


@pytest.mark.long
def test_what_is_shared_is_not_copied():
    """Check that a replicate needs no copy of the data and the frozen table."""
    n_texts, n_rows, dim = 4000, 3000, 50
    rng = np.random.default_rng(0)
    ids = jnp.asarray(rng.integers(0, n_rows, (n_texts, 6)).astype(np.int32))
    embed = nn.Embed(n_rows, dim, frozen=True)
    model = nn.TextClassifier(embed, nn.DenseHead())
    plan, _ = train.make_plan(model, optim.rmsprop(), ids[:8])
    given = {"embed": {"embedding": jnp.zeros((n_rows, dim))}}
    labels = jnp.zeros(n_texts, jnp.int32)
    shared = _program.Shared(ids, labels, given, {}, None)
    sizes = []
    for width in (2, 12):
        numbers = jax.ShapeDtypeStruct((width,), np.int32)
        rows = jax.ShapeDtypeStruct((width, 16), np.int32)
        recipe = _program.Recipe(plan, frozenset(), 2, 8)
        lowered = _program.run_replicates.lower(recipe, KEY, numbers, rows, shared)
        sizes.append(lowered.compile().memory_analysis().temp_size_in_bytes)
    each = (sizes[1] - sizes[0]) / 10
    assert 0 < each < n_rows * dim * 4 / 10  # a tenth of the table


def test_a_replicate_that_diverges_is_nan_and_alone(replicate, examples, rows):
    texts = np.where(examples[0] == V - 1, 0, examples[0])
    texts[rows[1, 0]] = V - 1
    is_hit = (rows == rows[1, 0]).any(1)
    assert is_hit.any() and not is_hit.all()
    # NaN in an untrained row reaches only the replicates that read the row.
    found, expected = (
        replicate(
            data=(texts, examples[1]),
            params={"embed": {"embedding": np.vstack([table()[:-1], last])}},
            trainable_rows=np.arange(V) < V - 1,
        )
        for last in (np.full((1, 4), np.nan), np.zeros((1, 4)))
    )
    for name, values in found.metrics().items():
        assert np.isnan(values[is_hit]).all(), name
        others = getattr(expected, name)[~is_hit]
        np.testing.assert_array_equal(values[~is_hit], others)
