"""Bootstrap: the difference of two classifiers on the same examples."""

import numpy as np
from numpy.typing import ArrayLike

from jaxembed.stats._epochs import check_confidence
from jaxembed.stats._intervals import Interval

BATCH = 4_000_000  # resampled examples that are held at once


def bootstrap_difference(
    a: ArrayLike,
    b: ArrayLike,
    confidence: float = 0.95,
    seed: int = 0,
    *,
    n_resamples: int = 2_000,
) -> Interval:
    """Compute the difference in accuracy on the same examples, with its interval.

    Each resample draws the examples, the same for both classifiers, and the seeds of
    each classifier, all with replacement. So the interval covers the draw of the test
    examples and the randomness of training. It is the percentile interval (Efron 1979).

    Args:
      a: ``bool[S, N]``, whether each of N predictions is correct, for each of S seeds
        of a classifier; ``bool[N]`` for one seed.
      b: ``bool[T, N]`` or ``bool[N]`` of another classifier, on the same examples.
      confidence: share of such intervals that contain the true difference, between 0
        and 1.
      seed: seed of the resamples.
      n_resamples: number of resamples.

    Returns:
      The accuracy of ``a`` minus that of ``b``, and its interval; n is the number of
      examples.

    Raises:
      TypeError: if an array does not hold bools.
      ValueError: if an array has other axes or is empty, the numbers of examples
        differ, or ``confidence`` or ``n_resamples`` is out of range.

    Example:
      >>> a, b = np.arange(200) % 10 > 0, np.arange(200) % 5 > 0
      >>> print(bootstrap_difference(a, b))
      0.100 (0.060 to 0.145)
    """
    first, second = _check("a", a), _check("b", b)
    n = first.shape[1]
    if second.shape[1] != n:
        raise ValueError(
            f"a and b must have the same examples, got {n} and {second.shape[1]}: "
            "compare both classifiers on one test set."
        )
    check_confidence(confidence)
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, got {n_resamples}.")
    rng = np.random.default_rng(seed)
    estimate = float(first.mean() - second.mean())
    found = []
    for start in range(0, n_resamples, max(BATCH // n, 1)):
        size = min(max(BATCH // n, 1), n_resamples - start)
        # Each row of weights counts how often an example is drawn.
        weights = rng.multinomial(n, np.full(n, 1 / n), size) / n
        parts = [_resample_seeds(x, weights, rng) for x in (first, second)]
        found.append(parts[0] - parts[1])
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(found), [tail, 1 - tail])
    return Interval(estimate, float(low), float(high), n)


def _resample_seeds(
    correct: np.ndarray, weights: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the accuracy ``float[R]`` of drawn seeds for weights ``float[R, N]``."""
    n_seeds = len(correct)
    shares = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), len(weights))
    return ((weights @ correct.T) * (shares / n_seeds)).sum(1)


def _check(name: str, values: ArrayLike) -> np.ndarray:
    """Return ``float64[S, N]`` of bools, or raise an error."""
    array = np.atleast_2d(np.asarray(values))
    if array.dtype != bool:
        raise TypeError(
            f"{name} must be bools, got {array.dtype}: use predictions == labels."
        )
    if array.ndim != 2 or not array.size:
        raise ValueError(
            f"{name} must have the axes [S, N], at least one seed and one example, "
            f"got {list(np.shape(values))}."
        )
    return array.astype(np.float64)
