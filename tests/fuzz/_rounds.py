"""Rounds: random generators for the examples of a fuzz test, timed and counted."""

import dataclasses
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

# Examples of a fuzz test without a time limit: enough to find a broken check.
N_EXAMPLES = 40
# Seconds for all fuzz tests together; without it, N_EXAMPLES examples are tried.
VARIABLE = "JAXEMBED_FUZZ_SECONDS"
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
MAX_SECONDS = 20.0  # of one example
MAX_GROWTH = 1 << 30  # bytes by which the peak memory may grow in one test


@dataclasses.dataclass
class Rounds:
    """Examples of one fuzz test. Call it for the random generator of each example.

    Attributes:
      name: name of the test.
      seconds: time limit of the test; None to try a fixed number of examples.
      max_seconds: time limit of one example, which fails above it.
      max_growth: limit of ``growth``; the example that exceeds it fails.
      seed: seed of the last example.
      n_examples: number of examples tried.
      n_refused: number of examples that ended in a documented error.
      slowest: seconds of the slowest example.
      growth: bytes by which the peak memory of the process has grown.
      peak: largest memory of the process during the test, in bytes.
    """

    name: str
    seconds: float | None = None
    max_seconds: float = MAX_SECONDS
    max_growth: int = MAX_GROWTH
    seed: list[int] = dataclasses.field(default_factory=list)
    n_examples: int = 0
    n_refused: int = 0
    slowest: float = 0.0
    growth: int = 0
    peak: int = 0

    def __call__(self, seed: int, n: int = N_EXAMPLES) -> Iterator[np.random.Generator]:
        """Yield a random generator for each example.

        Args:
          seed: seed of the test. Example k has the seed ``[seed, k]``, so that a
            failing example can be repeated alone.
          n: number of examples if there is no time limit.

        Raises:
          AssertionError: if an example takes too long, or too much memory.
        """
        begin, before, k = time.monotonic(), reset_peak(), 0
        while (
            k < n if self.seconds is None else time.monotonic() - begin < self.seconds
        ):
            self.seed = [seed, k]
            start = time.monotonic()
            with _alarm(self.max_seconds):
                yield np.random.default_rng(self.seed)
            self.n_examples += 1
            self.slowest = max(self.slowest, time.monotonic() - start)
            self.peak = peak_memory()
            self.growth = max(self.growth, self.peak - before)
            assert self.growth <= self.max_growth, f"took {self.growth} bytes of memory"
            k += 1

    @contextmanager
    def refusals(self, *errors: type[Exception]) -> Iterator[None]:
        """Count a documented error of the ``with`` block, and suppress it."""
        try:
            yield
        except errors:
            self.n_refused += 1


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise AssertionError(f"took more than {seconds} seconds")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def peak_memory() -> int:
    """Return the largest resident memory since :func:`reset_peak`, in bytes."""
    if STATUS.exists():
        return 1024 * int(re.findall(r"VmHWM:\s*(\d+) kB", STATUS.read_text())[0])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak() -> int:
    """Forget larger resident memory than the present one, and return it, in bytes.

    Only Linux can forget it. Elsewhere the peak of an earlier test hides a smaller one.
    """
    if CLEAR.exists():
        CLEAR.write_text("5")
    return peak_memory()


def find_share(n_tests: int) -> float | None:
    """Return the seconds for each fuzz test; None without a time limit."""
    seconds = os.environ.get(VARIABLE)
    return None if seconds is None else float(seconds) / max(n_tests, 1)


def summarize(tallies: list[Rounds], n_failed: int) -> Iterator[str]:
    """Yield the lines of a report on all fuzz tests."""
    for tally in tallies:
        yield (
            f"{tally.name}: {tally.n_examples} examples, {tally.n_refused} refused, "
            f"slowest {tally.slowest:.2f} s, memory +{tally.growth / 2**20:.0f} MiB"
        )
    slowest = max((t.slowest for t in tallies), default=0)
    growth, peak = (
        max((getattr(t, name) for t in tallies), default=0) / 2**20
        for name in ("growth", "peak")
    )
    yield (
        f"in all: {sum(t.n_examples for t in tallies)} examples, "
        f"{sum(t.n_refused for t in tallies)} refused, {n_failed} errors, "
        f"slowest {slowest:.2f} s, memory at most +{growth:.0f} MiB, "
        f"peak {peak:.0f} MiB"
    )
