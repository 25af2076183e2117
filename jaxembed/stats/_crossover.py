"""Crossover: estimate the data size above which one arm is better than another."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxembed.stats._epochs import check_confidence, finite


class Crossover(NamedTuple):
    """Data size above which a mean difference is positive, with its interval.

    In ``size``, ``low`` and ``high``, the smallest size tried means "at most this
    size", and None means "beyond the largest size tried".

    Attributes:
      size: estimate of the crossover from all draws.
      low: lower end of its interval.
      high: upper end of its interval.
      missing: share of resamples without a crossover up to the largest size; None, like
        ``low`` and ``high``, if every size has one draw.
      smallest: smallest size tried.
      largest: largest size tried.

    Example:
      >>> print(Crossover(1840.2, 1200.0, None, 0.1, 50.0, 20_000.0))
      1,840 (1,200 to beyond 20,000)
      >>> print(Crossover(None, None, None, 1.0, 50.0, 20_000.0))
      none up to 20,000
    """

    size: float | None
    low: float | None
    high: float | None
    missing: float | None
    smallest: float
    largest: float

    def __str__(self) -> str:
        estimate = self._name(self.size)
        if self.size is None:
            estimate = f"none up to {self.largest:,.0f}"
            if self.low is None:
                return estimate
        if self.missing is None:
            return f"{estimate} (no interval: one draw)"
        return f"{estimate} ({self._name(self.low)} to {self._name(self.high)})"

    def _name(self, size: float | None) -> str:
        if size is None:
            return f"beyond {self.largest:,.0f}"
        return f"{'at most ' if size <= self.smallest else ''}{size:,.0f}"

    def to_dict(self) -> dict[str, float | None]:
        """Return all fields, for JSON."""
        return self._asdict()


def crossover(
    sizes: ArrayLike,
    differences: Sequence[ArrayLike],
    confidence: float = 0.95,
    seed: int = 0,
    *,
    n_resamples: int = 9999,
) -> Crossover:
    """Estimate the data size above which the mean difference is positive.

    If the mean turns positive more than once, the last time counts. Between two sizes
    the mean is interpolated linearly in the logarithm of the size. If the mean is
    positive at all sizes, the estimate is the smallest size: "at most this size".

    The interval is a percentile bootstrap interval. Each size is resampled separately,
    so draws shared between sizes are not taken into account. A size with one draw adds
    no spread, and a size with few draws adds too little: in a simulation, 95 %
    intervals contained the true size in 95 % of 300 runs with 100 draws per size, in
    88 % with 10 draws, and in 77 % with 3.

    Args:
      sizes: ``int[S]``, data sizes in ascending order.
      differences: S arrays ``float[K]``, such as the accuracy of learned minus frozen
        vectors in each draw; K may differ between sizes.
      confidence: share of such intervals that contain the true size, between 0 and 1.
      seed: seed of the resamples.
      n_resamples: number of resamples.

    Returns:
      The :class:`Crossover`, which does not depend on the order of the draws.

    Raises:
      ValueError: if the sizes are not positive and ascending, their number differs from
        that of ``differences``, a size is without differences, a difference is not
        finite, or ``confidence`` or ``n_resamples`` is out of range.

    Example:
      >>> found = crossover([100, 400], [[-0.1, -0.1, -0.1], [0.1, 0.1, 0.1]])
      >>> print(found, found.missing)
      200 (200 to 200) 0.0
    """
    tried = _check_sizes(sizes, len(differences))
    check_confidence(confidence)
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, got {n_resamples}.")
    # Sorted, since resamples pick draws by index: their order must not matter.
    draws = [
        np.sort(finite(values, f"differences of size {size:,.0f}", "K"))
        for size, values in zip(tried, differences, strict=True)
    ]
    size = float(_crossing(tried, np.array([values.mean() for values in draws])))
    ends = (tried[0].item(), tried[-1].item())
    resampled = _resample(tried, draws, seed, n_resamples)
    if resampled is None:
        return Crossover(_seen(size), None, None, None, *ends)
    # Ranks, not interpolated quantiles: a size and infinity have no mean.
    tail = (1 - confidence) / 2
    ranks = [math.ceil(n_resamples * share) - 1 for share in (tail, 1 - tail)]
    low, high = np.sort(resampled)[ranks].tolist()
    missing = float(np.isinf(resampled).mean())
    return Crossover(_seen(size), _seen(low), _seen(high), missing, *ends)


def _seen(size: float) -> float | None:
    return None if math.isinf(size) else size


def _resample(
    sizes: np.ndarray, draws: list[np.ndarray], seed: int, n_resamples: int
) -> np.ndarray | None:
    """Return the crossover of each resample; None if every size has one draw."""
    from scipy import stats

    spread = [i for i, values in enumerate(draws) if len(values) > 1]
    if not spread:
        return None

    def statistic(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
        shape = samples[0].shape[:-1]
        means = [np.full(shape, values[0]) for values in draws]
        for i, sample in zip(spread, samples, strict=True):
            means[i] = sample.mean(axis)
        return _crossing(sizes, np.stack(means))

    with np.errstate(invalid="ignore"):  # in SciPy's interval, which is not used
        found = stats.bootstrap(
            [draws[i] for i in spread],
            statistic,
            n_resamples=n_resamples,
            batch=math.ceil(1_000_000 / max(map(len, draws))),
            vectorized=True,
            method="percentile",
            rng=np.random.default_rng(seed),
        )
    return found.bootstrap_distribution


def _crossing(sizes: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Return the crossover of each column of ``float[S, ...]`` means, or inf."""
    below = means <= 0
    last = len(sizes) - 1 - below[::-1].argmax(axis=0)  # last size with a mean <= 0
    before = np.minimum(last, max(len(sizes) - 2, 0))
    after = np.minimum(before + 1, len(sizes) - 1)
    y0 = np.take_along_axis(means, before[None], axis=0)[0]
    y1 = np.take_along_axis(means, after[None], axis=0)[0]
    crosses = below.any(axis=0) & ~below[-1]
    share = -y0 / np.where(crosses, y1 - y0, 1)
    between = sizes[before] * (sizes[after] / sizes[before]) ** np.where(
        crosses, share, 0
    )
    found = np.where(crosses, np.minimum(between, sizes[after]), sizes[0])
    return np.where(below[-1], np.inf, found)


def _check_sizes(sizes: ArrayLike, n_differences: int) -> np.ndarray:
    tried = np.asarray(sizes, np.float64)
    if tried.ndim != 1 or not tried.size or len(tried) != n_differences:
        raise ValueError(
            "sizes must be int[S], with one array of differences for each size, got "
            f"shape {list(tried.shape)} and {n_differences} arrays."
        )
    # A test for > rather than <=, so that NaN fails it.
    rises = (tried > np.append(0, tried[:-1])) & np.isfinite(tried)
    if not rises.all():
        i = int(np.flatnonzero(~rises)[0])
        raise ValueError(
            f"sizes must be positive and ascending, got {tried[i]} at index {i}: sort "
            "the sizes together with their differences."
        )
    return tried
