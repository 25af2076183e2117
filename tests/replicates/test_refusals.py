"""Replicates: bad input raises an error that names value, place and remedy."""

import re

import jax
import numpy as np
import pytest

from jaxembed import nn, optim, replicates

V, L, N = 30, 6, 40
KEY = jax.random.key(0)
IDS = np.random.default_rng(0).integers(0, V, (N, L)).astype(np.int32)
LABELS = np.arange(N) % 2
ROWS = replicates.draw_examples(KEY, 4, N, 10)
MODEL = nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead())
TX = optim.rmsprop(0.01)  # one object, so that calls share a compiled program


def replicate(model=MODEL, **changed):
    settings = {
        "data": (IDS, LABELS),
        "examples": ROWS,
        "tx": TX,
        "epochs": 2,
        "batch_size": 5,
        "key": KEY,
        "progress": False,
    }
    return replicates.run(model, **(settings | changed))


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        (
            {"examples": ROWS[0]},
            ValueError,
            r"axes \[K, n\].* got \[10\]: make them with draw_examples",
        ),
        ({"examples": ROWS[:0]}, ValueError, r"got \[0, 10\]"),
        ({"examples": ROWS * 1.0}, TypeError, "examples must be integers, got float"),
        (
            {"examples": ROWS * 0 + N},
            ValueError,
            r"examples\[0, 0\] is 40, .* examples 0 to 39: give",
        ),
        ({"examples": -1 - ROWS}, ValueError, r"examples\[0, 0\] is -"),
        (
            {"batch_size": 11},
            ValueError,
            "from 1 to the number of examples of a .*, 10, got 11",
        ),
        ({"epochs": 0}, ValueError, "epochs must be at least 1, got 0"),
        ({"n_parallel": 0}, ValueError, "n_parallel must be at least 1, got 0"),
        ({"n_parallel": 2.0}, TypeError, "n_parallel must be an integer, got 2.0"),
        ({"batch_size": 5.0}, TypeError, "batch_size must be an integer, got 5.0"),
        ({"key": 5}, TypeError, "key must be a random key, got 5: make it with"),
        (
            {"key": jax.random.split(KEY)},
            ValueError,
            r"must be a single key, got keys of the shape \[2\]",
        ),
        ({"key": jax.random.key(0, impl="rbg")}, ValueError, 'impl="threefry2x32"'),
        ({"memory": 0}, ValueError, "memory must be at least 1, got 0"),
        ({"validation": (IDS[:0], LABELS[:0])}, ValueError, "must have at least one"),
        ({"validation": (IDS + V, LABELS)}, ValueError, r"validation ids\[0, 0\] is"),
        (
            {"params": {"embed": {"embedding": np.zeros((V, 5))}}},
            ValueError,
            r"embed.embedding must have the shape \(30, 4\) .* got \(30, 5\)",
        ),
        (
            {"params": {"embedding": np.zeros((V, 4))}},
            ValueError,
            "embedding must be a parameter of the model, which has embed.embedding",
        ),
        ({"unfreeze_after": -1}, ValueError, "unfreeze_after must be at least 0"),
    ],
)
def test_refused(changed, error, message):
    with pytest.raises(error, match=message):
        replicate(**changed)


def test_a_checkpoint_that_cannot_be_written_is_refused_before_training(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"checkpoint=.* cannot be written: .* another"):
        replicate(checkpoint=tmp_path / "file" / "run.json")


@pytest.mark.long
def test_too_many_at_once_says_how_many_fit():
    many = replicates.draw_examples(KEY, 40, N, 10)
    with pytest.raises(ValueError, match=r"40 replicates at a time need") as info:
        replicate(examples=many, n_parallel=40, memory=100_000)
    found = re.search(r"n_parallel=(\d+) fits", str(info.value))
    assert found is not None
    fitting = int(found[1])
    assert 1 <= fitting < 40
    histories = replicate(examples=many[:5], n_parallel=fitting, memory=100_000)
    assert np.isfinite(histories.loss).all()
    with pytest.raises(ValueError, match=r"not even one fits"):
        replicate(memory=1000)


@pytest.mark.long
def test_by_default_as_many_as_fit():
    assert replicate(examples=ROWS[:3]).n_parallel == 3
    small = replicate(memory=12_000)
    assert small.n_parallel < 4
    np.testing.assert_allclose(small.loss, replicate().loss, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 5, 2), ValueError, "n_replicates must be at least 1"),
        ((2, 5, 6), ValueError, "n_train must be at most 5, .* in pool, got 6"),
        ((2, [1, 2, 2], 1), ValueError, r"must name each example once: .*unique\("),
        ((2, [1.0, 2.0], 1), TypeError, r"got float64\[2\]"),
        ((2, [3, 2**32], 1), ValueError, "from 0, got 3 to 4294967296"),
        ((2, [3, -1], 1), ValueError, "from 0, got -1 to 3"),
        ((2.5, 5, 2), TypeError, "n_replicates must be an integer, got 2.5"),
    ],
)
def test_draws_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        replicates.draw_examples(KEY, *arguments)


def test_draws():
    pool = np.arange(0, 60, 2)
    rows = replicates.draw_examples(KEY, 50, pool, 12)
    assert rows.shape == (50, 12) and rows.dtype == np.int32
    assert np.isin(rows, pool).all()
    assert all(len(set(row)) == 12 for row in rows.tolist())
    assert len({tuple(row) for row in rows.tolist()}) == 50
    # A draw does not depend on the number of replicates or the size of the draw.
    np.testing.assert_array_equal(
        replicates.draw_examples(KEY, 3, pool, 30)[:, :12], rows[:3]
    )
    # Each example is drawn about as often: 50 * 12 / 30 = 20 times.
    counts = np.bincount(rows.ravel() // 2, minlength=30)
    assert 6 < counts.min() and counts.max() < 36


@pytest.mark.long
def test_validation_of_another_length_is_checked_too():
    """Name a bad id in longer texts, which a model that pools accepts."""
    model = nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead(), pool="mean")
    ids, labels = np.ones((6, L + 2), np.int32), np.arange(6) % 2
    found = replicate(model=model, validation=(ids, labels))
    assert np.isfinite(found.val_loss).all()
    ids[4, L + 1] = V
    message = rf"validation ids\[4, {L + 1}\] is {V}, and the table has the rows 0 to"
    with pytest.raises(ValueError, match=message):
        replicate(model=model, validation=(ids, labels))
