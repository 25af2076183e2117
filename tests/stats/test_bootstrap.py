"""Bootstrap of a difference, compared with its standard error."""

import numpy as np
import pytest

from jaxembed import stats


def draw(rng, *shape, accuracy):
    return rng.random(shape) < accuracy


def test_the_interval_of_one_seed_is_that_of_the_normal_distribution():
    rng = np.random.default_rng(0)
    a = draw(rng, 2_000, accuracy=0.9)
    b = np.where(rng.random(2_000) < 0.8, a, draw(rng, 2_000, accuracy=0.7))
    found = stats.bootstrap_difference(a, b)
    differences = a.astype(float) - b
    half = 1.96 * differences.std() / np.sqrt(2_000)
    np.testing.assert_allclose(found.estimate, differences.mean())
    np.testing.assert_allclose(found.high - found.estimate, half, rtol=0.1)
    np.testing.assert_allclose(found.estimate - found.low, half, rtol=0.1)
    assert found.n == 2_000


def test_pairs_narrow_the_interval():
    rng = np.random.default_rng(0)
    a = draw(rng, 1_000, accuracy=0.8)
    b = a.copy()
    b[:10] = False
    paired = stats.bootstrap_difference(a, b)
    others = stats.bootstrap_difference(a, rng.permutation(b))
    assert paired.high - paired.low < 0.3 * (others.high - others.low)


def test_seeds_that_differ_widen_the_interval():
    """Two seeds, one right everywhere and one wrong everywhere."""
    a = np.stack([np.ones(500, bool), np.zeros(500, bool)])
    b = draw(np.random.default_rng(0), 500, accuracy=0.5)
    found = stats.bootstrap_difference(a, b)
    expected = [-b.mean(), 1 - b.mean()]
    np.testing.assert_allclose([found.low, found.high], expected, atol=0.06)


def test_the_interval_covers_the_true_difference():
    rng, n_covered = np.random.default_rng(1), 0
    for seed in range(100):
        a, b = draw(rng, 3, 300, accuracy=0.8), draw(rng, 300, accuracy=0.7)
        found = stats.bootstrap_difference(a, b, seed=seed, n_resamples=300)
        n_covered += found.low <= 0.1 <= found.high
    assert 88 <= n_covered


def test_equal_classifiers_have_no_difference_and_the_seed_decides():
    a = draw(np.random.default_rng(0), 100, accuracy=0.6)
    assert stats.bootstrap_difference(a, a) == (0.0, 0.0, 0.0, 100)
    b = draw(np.random.default_rng(1), 100, accuracy=0.6)
    runs = [stats.bootstrap_difference(a, b, seed=s, n_resamples=50) for s in (3, 3, 4)]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"a": [0.5, 1.0]}, TypeError, "a must be bools, got float64"),
        ({"b": np.ones((0, 2), bool)}, ValueError, "b must have the axes"),
        ({"a": np.ones((1, 1, 2), bool)}, ValueError, "a must have the axes"),
        ({"b": np.ones(3, bool)}, ValueError, "same examples, got 2 and 3"),
        ({"confidence": 1.0}, ValueError, "confidence"),
        ({"n_resamples": 0}, ValueError, "n_resamples must be at least 1"),
    ],
)
def test_refusals(change, error, words):
    arguments = {"a": [True, False], "b": [True, True]} | change
    with pytest.raises(error, match=words):
        stats.bootstrap_difference(**arguments)
