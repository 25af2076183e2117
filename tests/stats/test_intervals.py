"""Intervals: known values, coverage of the true value, and refused arguments."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxembed import stats
from jaxembed.stats._intervals import Interval


def test_the_mean_is_that_of_a_printed_table():
    # t(0.975, 4) = 2.776, t(0.95, 4) = 2.132; the standard deviation is sqrt(2.5).
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    for confidence, t in ((0.95, 2.776), (0.90, 2.132)):
        found = stats.mean_interval(values, confidence)
        half = t * np.sqrt(2.5 / 5)
        assert found[:3] == pytest.approx((3, 3 - half, 3 + half), abs=1e-3)
        assert found.n == 5


def test_the_interval_holds_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    for confidence, low, high in ((0.95, 0.93, 0.97), (0.8, 0.77, 0.83)):
        samples = rng.normal(0.5, 0.1, (2000, 6))
        found = [stats.mean_interval(s, confidence) for s in samples]
        held = [x.low <= 0.5 <= x.high for x in found]
        assert low < np.mean(held) < high


def test_the_median_interval_holds_the_median_mostly():
    rng = np.random.default_rng(1)
    samples = rng.lognormal(0, 0.5, (120, 25))
    found = [stats.median_interval(s) for s in samples]
    assert 0.87 < np.mean([x.low <= 1 <= x.high for x in found]) <= 1.0
    narrow = [stats.median_interval(s, 0.5) for s in samples]
    assert 0.35 < np.mean([x.low <= 1 <= x.high for x in narrow]) < 0.68


def test_the_median_interval_is_near_the_order_statistics():
    values = np.random.default_rng(2).normal(size=101)
    found = stats.median_interval(values)
    # Binomial ranks: these two draws enclose the true median in 95 % of samples.
    ranks = scipy.stats.binom.ppf([0.025, 0.975], 101, 0.5).astype(int)
    low, high = np.sort(values)[ranks]
    assert found.estimate == np.sort(values)[50]
    assert found.low == pytest.approx(low, abs=0.1)
    assert found.high == pytest.approx(high, abs=0.1)


def test_the_seed_is_all_the_chance_there_is():
    values = np.random.default_rng(3).normal(size=30)
    first = stats.median_interval(values, seed=1)
    assert first == stats.median_interval(values, seed=1)
    assert first == stats.median_interval(values[::-1], seed=1)
    seeds = {stats.median_interval(values, seed=seed) for seed in range(9)}
    assert len(seeds) > 1


@pytest.mark.parametrize("interval", ["mean_interval", "median_interval"])
@pytest.mark.parametrize("values", [[0.1] * 3, [0.7] * 100, [0.0, 0.0]])
def test_equal_draws_have_an_interval_of_no_width(interval, values):
    found = getattr(stats, interval)(values)
    assert found == (values[0], values[0], values[0], len(values))


def test_a_median_among_equal_draws_is_no_nan():
    found = stats.median_interval([0.1, 0.5, 0.5, 0.5, 0.5, 0.9])
    assert found.low <= found.estimate == 0.5 <= found.high
    assert 0.1 <= found.low and found.high <= 0.9


@pytest.mark.parametrize("interval", ["mean_interval", "median_interval"])
def test_one_draw_has_no_interval(interval):
    found = getattr(stats, interval)(jnp.array([0.5], jnp.float32))
    assert found == (0.5, None, None, 1)
    assert str(found) == "0.500 (no interval: one draw)"
    assert json.loads(json.dumps(found.to_dict())) == found._asdict()


def test_a_paired_difference_is_that_of_the_pairs():
    rng = np.random.default_rng(4)
    draws = rng.normal(0.5, 0.1, 40)  # shared by both arms, so it cancels
    a, b = draws + rng.normal(0.02, 0.01, 40), draws
    found = stats.paired_difference(a, b)
    expected = scipy.stats.ttest_rel(a, b).confidence_interval(0.95)
    assert found[1:3] == pytest.approx(tuple(expected))
    assert found.estimate == pytest.approx(a.mean() - b.mean())
    assert found.low > 0.01
    back = stats.paired_difference(b, a)
    assert back[:3] == pytest.approx((-found[0], -found[2], -found[1]))


def test_best_and_final_epochs():
    metric = np.array([[0.5, 0.9, 0.9], [0.7, 0.6, 0.6]])
    values, epochs = stats.best_epoch(metric)
    assert values.tolist() == [0.9, 0.7] and epochs.tolist() == [1, 0]
    values, epochs = stats.best_epoch(metric, is_loss=True)
    assert values.tolist() == [0.5, 0.6] and epochs.tolist() == [0, 1]
    final = stats.final_epoch(metric)
    assert final.tolist() == [0.9, 0.6]
    final[0] = 0
    assert metric[0, 2] == 0.9


def test_an_interval_says_what_it_is():
    assert str(Interval(0.5463, 0.5407, 0.5512, 9)) == "0.546 (0.541 to 0.551)"


BAD = [np.nan, np.inf, -np.inf]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(
    "ask",
    [
        lambda x: stats.mean_interval(x),
        lambda x: stats.median_interval(x),
        lambda x: stats.paired_difference(x, [1, 2, 3]),
        lambda x: stats.paired_difference([1, 2, 3], x),
        lambda x: stats.best_epoch(np.array(x)[:, None]),
        lambda x: stats.final_epoch(np.array(x)[:, None]),
        lambda x: stats.crossover([5], [x]),
    ],
)
def test_what_is_not_finite_is_refused_by_its_replicate(ask, bad):
    with pytest.raises(
        ValueError, match=f"got {bad} for replicate 1.*: its training diverged. Low"
    ):
        ask([0.5, bad, bad])


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: stats.mean_interval([]), r"values must be float\[K\].*\[0\]"),
        (lambda: stats.mean_interval([[1.0]]), r"values must be .*\[1, 1\]"),
        (lambda: stats.median_interval(0.5), r"values must be .*shape \[\]"),
        (lambda: stats.best_epoch([1.0]), r"metric must be float\[K, E\].*\[1\]"),
        (lambda: stats.final_epoch(np.ones((2, 0))), r"metric must be .*\[2, 0\]"),
        (lambda: stats.paired_difference([1], [1, 2]), "got 1 and 2: the effect of"),
        (lambda: stats.crossover([1, 2], [[1]]), r"shape \[2\] and 1 arrays"),
        (lambda: stats.crossover([], []), r"shape \[0\] and 0 arrays"),
        (lambda: stats.crossover([2, 2], [[1], [1]]), "got 2.0 at index 1: sort"),
        (lambda: stats.crossover([0, 2], [[1], [1]]), "got 0.0 at index 0"),
        (lambda: stats.crossover([1, np.nan], [[1], [1]]), "got nan at index 1"),
        (lambda: stats.crossover([1, np.inf], [[1], [1]]), "got inf at index 1"),
        (lambda: stats.crossover([9], [[]]), r"differences of size 9 must be"),
        (lambda: stats.crossover([9], [[1]], n_resamples=0), "at least 1, got 0"),
    ],
)
def test_wrong_shapes_and_sizes_are_refused(ask, says):
    with pytest.raises(ValueError, match=says):
        ask()


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.1, np.nan])
def test_a_confidence_that_is_no_share_is_refused(confidence):
    for ask in (
        lambda: stats.mean_interval([1, 2], confidence),
        lambda: stats.median_interval([1, 2], confidence),
        lambda: stats.paired_difference([1, 2], [1, 3], confidence),
        lambda: stats.crossover([5], [[1, 2]], confidence),
    ):
        with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
            ask()
