"""Statistics: what many replicates say together, with intervals."""

import math
import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxembed.stats._epochs import check_confidence, finite


class Interval(NamedTuple):
    """A number from n draws, and how far it can be trusted.

    Attributes:
      estimate: of all draws.
      low: lower end of the interval, or None for one draw.
      high: upper end, likewise.
      n: how many draws.

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
        """All fields, for JSON."""
        return self._asdict()


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """The mean of draws, with Student's t interval.

    Args:
      values: ``float[K]``, one number for each replicate.
      confidence: how often such an interval holds the true mean, between 0 and 1.

    Returns:
      The mean; both ends are the mean if all draws are equal.

    Raises:
      ValueError: if a value is not finite, there is none, or ``confidence`` is wrong.

    Example:
      >>> print(mean_interval([1.0, 2.0, 3.0]))
      2.000 (-0.484 to 4.484)
    """
    from scipy import stats

    draws = finite(values, "values", "K")
    check_confidence(confidence)
    # The mean of equal draws can differ from them in the last bit, and so spread them.
    mean = float(draws.mean() if np.ptp(draws) else draws[0])
    if len(draws) == 1:
        return Interval(mean, None, None, 1)
    error = stats.sem(draws) if np.ptp(draws) else 0.0
    half = float(stats.t.interval(confidence, len(draws) - 1)[1] * error)
    return Interval(mean, mean - half, mean + half, len(draws))


def median_interval(
    values: ArrayLike, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """The median of draws, with a bootstrap interval.

    It is the bias-corrected and accelerated (BCa) one; where that has no answer, as
    when the draws in the middle are equal, the percentile one. With few draws it is
    too narrow: no resample leaves the range of the draws.

    Args:
      values: ``float[K]``, one number for each replicate.
      confidence: how often such an interval holds the true median, between 0 and 1.
      seed: of the resamples.

    Returns:
      The median, the same for any order of the draws.

    Raises:
      ValueError: if a value is not finite, there is none, or ``confidence`` is wrong.

    Example:
      >>> print(median_interval([3.0, 1.0, 2.0, 2.5, 1.5, 2.2, 1.8]))
      2.000 (1.500 to 2.500)
    """
    from scipy import stats

    # Resamples pick draws by number: sorted, their order says nothing.
    draws = np.sort(finite(values, "values", "K"))
    check_confidence(confidence)
    median = float(np.median(draws))
    if len(draws) == 1:
        return Interval(median, None, None, 1)
    options: dict[str, object] = {"confidence_level": confidence, "vectorized": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of 0 / 0 in the acceleration: NaN, seen below
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
    """The mean of ``a - b`` over the same draws, with Student's t interval.

    Args:
      a: ``float[K]``, one number for each replicate.
      b: ``float[K]``, of the other arm; ``b[k]`` is of the same draw as ``a[k]``.
      confidence: how often such an interval holds the true mean, between 0 and 1.

    Returns:
      The mean difference: above 0 where ``a`` is greater.

    Raises:
      ValueError: if the lengths differ, a value is not finite, there is none, or
        ``confidence`` is wrong.

    Example:
      >>> print(paired_difference([0.7, 0.6, 0.8], [0.6, 0.5, 0.71]))
      0.097 (0.082 to 0.111)
    """
    first, second = finite(a, "a", "K"), finite(b, "b", "K")
    if len(first) != len(second):
        raise ValueError(
            f"a and b must be of the same draws, got {len(first)} and {len(second)}: "
            "what a draw does to both arms cancels only in pairs. Give both arms the "
            "same seeds and data, or compare two mean_interval instead."
        )
    return mean_interval(first - second, confidence)
