"""Intervals: confidence intervals of means, medians and paired differences."""

import math
import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxembed.stats._epochs import check_confidence, finite


class Interval(NamedTuple):
    """Estimate from n draws, with its confidence interval.

    Attributes:
      estimate: estimate from all draws.
      low: lower end of the interval; None for one draw.
      high: upper end of the interval; None for one draw.
      n: number of draws.

    Example:
      >>> print(Interval(0.5463, 0.541, 0.5512, 100), Interval(0.5, None, None, 1))
      0.546 (0.541 to 0.551) 0.500 (no interval: one draw)
    """

    estimate: float
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.estimate:.3f} (no interval: one draw)"
        return f"{self.estimate:.3f} ({self.low:.3f} to {self.high:.3f})"

    def to_dict(self) -> dict[str, float | None]:
        """Return all fields, for JSON."""
        return self._asdict()


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Compute the mean of the draws and its Student's t interval.

    Args:
      values: ``float[K]``, one number for each replicate.
      confidence: share of such intervals that contain the true mean, between 0 and 1.

    Returns:
      The mean and its interval. If all draws are equal, both ends are the mean.

    Raises:
      ValueError: if ``values`` is empty, is not one-dimensional or is not finite, or if
        ``confidence`` is out of range.

    Example:
      >>> print(mean_interval([1.0, 2.0, 3.0]))
      2.000 (-0.484 to 4.484)
    """
    from scipy import stats

    draws = finite(values, "values", "K")
    check_confidence(confidence)
    # The mean of equal draws can be off in its last bit, which would give a width.
    mean = float(draws.mean() if np.ptp(draws) else draws[0])
    if len(draws) == 1:
        return Interval(mean, None, None, 1)
    error = stats.sem(draws) if np.ptp(draws) else 0.0
    half = float(stats.t.interval(confidence, len(draws) - 1)[1] * error)
    return Interval(mean, mean - half, mean + half, len(draws))


def median_interval(
    values: ArrayLike, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Compute the median of the draws and its bootstrap interval.

    The interval is bias-corrected and accelerated (BCa). Where BCa is undefined, as for
    equal draws in the middle, it is the percentile interval. With few draws the
    interval is too narrow, since resamples stay within the range of the draws.

    Args:
      values: ``float[K]``, one number for each replicate.
      confidence: share of such intervals that contain the true median, between 0 and 1.
      seed: seed of the resamples.

    Returns:
      The median and its interval, which do not depend on the order of the draws.

    Raises:
      ValueError: if ``values`` is empty, is not one-dimensional or is not finite, or if
        ``confidence`` is out of range.

    Example:
      >>> print(median_interval([3.0, 1.0, 2.0, 2.5, 1.5, 2.2, 1.8]))
      2.000 (1.500 to 2.500)
    """
    from scipy import stats

    # Sorted, since resamples pick draws by index: their order must not matter.
    draws = np.sort(finite(values, "values", "K"))
    check_confidence(confidence)
    median = float(np.median(draws))
    if len(draws) == 1:
        return Interval(median, None, None, 1)
    options: dict[str, object] = {"confidence_level": confidence, "vectorized": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 0 / 0 in BCa gives NaN, handled below
        found = stats.bootstrap(
            (draws,),
            np.median,
            batch=math.ceil(1_000_000 / len(draws)),
            rng=np.random.default_rng(seed),
            **options,
        )
    if not np.isfinite(found.confidence_interval).all():
        options |= {"bootstrap_result": found, "n_resamples": 0}
        found = stats.bootstrap((draws,), np.median, method="percentile", **options)
    low, high = map(float, found.confidence_interval)
    return Interval(median, low, high, len(draws))


def paired_difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval:
    """Compute the mean of ``a - b`` over the same draws, with Student's t interval.

    Args:
      a: ``float[K]``, one number for each replicate of an arm.
      b: ``float[K]``, the numbers of another arm; ``b[k]`` has the draw of ``a[k]``.
      confidence: share of such intervals that contain the true mean, between 0 and 1.

    Returns:
      The mean difference, positive if ``a`` is greater on average, and its interval.

    Raises:
      ValueError: if the lengths differ, an array is empty, is not one-dimensional or is
        not finite, or ``confidence`` is out of range.

    Example:
      >>> print(paired_difference([0.7, 0.6, 0.8], [0.6, 0.5, 0.71]))
      0.097 (0.082 to 0.111)
    """
    first, second = finite(a, "a", "K"), finite(b, "b", "K")
    if len(first) != len(second):
        raise ValueError(
            f"a and b must have the same draws, got {len(first)} and {len(second)}: "
            "the effect of a draw on both arms cancels only in pairs. Run both arms "
            "with the same seeds and data, or compare their mean_interval instead."
        )
    return mean_interval(first - second, confidence)
