"""Crossover: known crossings of made-up lines, and the coverage of the interval."""

import json

import numpy as np
import pytest
import scipy.stats

from jaxembed import stats
from jaxembed.stats._crossover import Crossover

SIZES = [100, 200, 400, 800]


def steady(*means):
    """Return five equal draws for each mean."""
    return [[mean] * 5 for mean in means]


@pytest.mark.parametrize(
    ("means", "size"),
    [
        ((-1, -1, 1, 1), 200 * 2**0.5),
        ((-3, -1, 3, 9), 200 * 2**0.25),
        ((-1, 1, -1, 1), 400 * 2**0.5),  # the last crossing, not the first
        ((1, -1, 2, 3), 200 * 2 ** (1 / 3)),
        ((-1, 0, 2, 3), 200),  # 0 is not positive
        ((-1, -1, -1, 1), 400 * 2**0.5),
        ((1, 1, 1, 1), 100),  # at most 100
        ((-1, 1, 1, 0), None),
        ((1, 1, 1, -1), None),
    ],
)
def test_lines_cross_where_they_were_made_to(means, size):
    found = stats.crossover(SIZES, steady(*means), n_resamples=50)
    ends = [found.size, found.low, found.high]
    assert ends == [size if size is None else pytest.approx(size)] * 3
    assert found.missing == (1.0 if size is None else 0.0)
    assert (found.smallest, found.largest) == (100, 800)


def line(rng, spread, n=60, slope=0.1, at=300.0):
    """Return noisy differences around a line that crosses 0 at size ``at``."""
    return [slope * np.log2(s / at) + rng.normal(0, spread, n) for s in SIZES]


def test_the_interval_of_a_crossover_holds_it_as_often_as_it_says():
    rng = np.random.default_rng(5)
    held = []
    for _ in range(120):
        found = stats.crossover(SIZES, line(rng, 0.2), n_resamples=400)
        high = np.inf if found.high is None else found.high
        held.append(found.low is not None and found.low <= 300 <= high)
    assert 0.88 < np.mean(held) <= 1


def test_the_interval_of_a_crossover_grows_with_the_noise_and_the_confidence():
    def width(spread, confidence=0.95):
        differences = line(np.random.default_rng(6), spread)
        found = stats.crossover(SIZES, differences, confidence)
        return found.high - found.low

    assert width(0.02) < width(0.08) / 2
    assert width(0.08, 0.5) < width(0.08) / 2


def test_resamples_that_do_not_cross_are_beyond_the_largest_size():
    rng = np.random.default_rng(7)
    # One standard error above 0: 16 % of resampled means are not positive.
    noise = rng.normal(size=100)
    noise = (noise - noise.mean()) / noise.std()
    differences = [-np.ones(100), 0.1 + noise]
    found = stats.crossover([100, 200], differences)
    assert found.missing == pytest.approx(scipy.stats.norm.sf(1), abs=0.02)
    assert found.size is not None and found.low is not None and found.high is None
    assert str(found).endswith(" to beyond 200)")
    wide = stats.crossover([100, 200], differences, confidence=0.5)
    assert wide.high is not None and wide.missing == found.missing


def test_the_order_of_draws_does_not_matter_and_the_seed_does():
    rng = np.random.default_rng(8)
    differences = line(rng, 0.2, n=30)
    first = stats.crossover(SIZES, differences, seed=1)
    shuffled = [rng.permutation(values) for values in differences]
    assert first == stats.crossover(SIZES, shuffled, seed=1)
    assert first != stats.crossover(SIZES, differences, seed=2)


def test_a_size_with_one_draw_has_no_spread():
    rng = np.random.default_rng(9)
    noisy, sure = line(rng, 0.05), [[-1.0], [-0.5], [0.5], [1.0]]
    mixed = [sure[0], noisy[1], noisy[2], sure[3]]
    found = stats.crossover(SIZES, mixed)
    assert found.low < found.size < found.high and found.missing == 0
    single = stats.crossover(SIZES, sure)
    assert single == (pytest.approx(200 * 2**0.5), None, None, None, 100, 800)
    assert str(single) == "283 (no interval: one draw)"
    assert json.loads(json.dumps(single.to_dict())) == single._asdict()


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Crossover(1840, 1200, 2600, 0.0, 50, 20_000), "1,840 (1,200 to 2,600)"),
        (Crossover(None, None, None, 0.99, 50, 20_000), "none up to 20,000"),
        (
            Crossover(None, 900, None, 0.8, 50, 20_000),
            "none up to 20,000 (900 to beyond 20,000)",
        ),
        (Crossover(50, 50, 80, 0.0, 50, 20_000), "at most 50 (at most 50 to 80)"),
    ],
)
def test_a_crossover_says_where_it_is(found, text):
    assert str(found) == text
