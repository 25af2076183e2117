"""Lines: a JSON object for each measurement, printed and appended to a file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.harness.machine import describe_machine, find_lack, measure_copy

AGAIN = "again"  # the first implementation, timed once more as a control
NOISE = 0.05  # relative difference of two equal calls above which a line is noisy


class Lines:
    """Write lines to standard output and to a file, and show progress.

    Attributes:
      out: File to which the lines are appended, or None.
      prints: Whether the lines are printed to standard output.
      written: Lines written so far.
    """

    def __init__(self, out: Path | None = None, *, prints: bool = True):
        self.out, self.prints = out, prints
        self.written: list[dict[str, Any]] = []
        self._bar: Any = None
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.open("a").close()  # fail now if the file cannot be written

    def start(self, n_measurements: int) -> None:
        """Show a progress bar on standard error, if that is a terminal."""
        # tqdm: disable=None shows the bar in a terminal only.
        self._bar = tqdm(total=n_measurements, disable=None, unit="measurement")

    def close(self) -> None:
        """Close the progress bar."""
        if self._bar is not None:
            self._bar.close()

    def advance(self, words: str) -> None:
        """Show that a measurement is done, with ``words`` beside the progress bar."""
        if self._bar is not None:
            self._bar.set_postfix_str(words)
            self._bar.update()

    def write(self, line: dict[str, Any]) -> None:
        """Write a line at once, so that a later failure does not lose it."""
        self.written.append(line)
        words = json.dumps(line)
        if self.prints:
            print(words, flush=True)
        if self.out is not None:
            with self.out.open("a") as file:
                file.write(words + "\n")

    def leave_out(
        self, what: str, implementation: str, reason: str, **where: Any
    ) -> None:
        """Write a line for a missing measurement, with the reason."""
        line = {"what": what, "implementation": implementation, **where}
        self.write(line | {"left_out": reason})

    def has_room(
        self, n_bytes: int, what: str, implementation: str = "all", **where: Any
    ) -> bool:
        """Return whether memory suffices; if not, write a line with the reason."""
        lack = find_lack(n_bytes)
        if lack is not None:
            self.leave_out(what, implementation, lack, **where)
        return lack is None

    def report(
        self,
        what: str,
        seconds: dict[str, list[float]],
        *,
        details: dict[str, dict[str, Any]] | None = None,
        **facts: Any,
    ) -> None:
        """Write a line for each implementation.

        Args:
          what: Name of the measurement.
          seconds: Seconds of each call, by implementation; jaxembed comes first.
            ``AGAIN`` gets no line: its ratio to the first is the noise, ``a_a``.
          details: Facts of single implementations, such as ``compile_s`` and
            ``temp_bytes``. ``fewest_bytes`` adds GB/s and the share of the machine's
            copy bandwidth.
          **facts: Facts of all implementations: workload, batch_size, ids.
        """
        samples = dict(seconds)
        ours = float(np.median(next(iter(samples.values()))))
        again = samples.pop(AGAIN, None)
        if again is not None:
            ratio = shorten(float(np.median(again)) / ours)
            facts |= {"a_a": ratio, "noisy": not 1 / (1 + NOISE) < ratio < 1 + NOISE}
        machine = describe_machine()
        for name, found in samples.items():
            median = float(np.median(found))
            line = {"what": what, "implementation": name, **quantiles(found)}
            detail = dict((details or {}).get(name, {}))
            if "fewest_bytes" in detail:
                detail |= find_rate(detail["fewest_bytes"], median)
            line |= {"ratio": shorten(median / ours)} | facts
            self.write(line | detail | machine)
        place = (what, facts.get("workload"), facts.get("batch_size"))
        self.advance(", ".join(str(part) for part in place if part))


def quantiles(seconds: list[float]) -> dict[str, float]:
    """Return the 10th, 50th and 90th percentile, and the number of samples."""
    p10, p50, p90 = np.quantile(seconds, [0.1, 0.5, 0.9]).round(9).tolist()
    return {"p10_s": p10, "median_s": p50, "p90_s": p90, "repeats": len(seconds)}


def find_rate(n_bytes: int, seconds: float) -> dict[str, float]:
    """Return GB/s, and its share of the copy bandwidth measured in this process."""
    rate, copy = n_bytes / seconds / 1e9, measure_copy() / 1e9
    rates = {"gb_per_s": rate, "copy_share": rate / copy, "copy_gb_per_s": copy}
    return {name: shorten(value) for name, value in rates.items()}


def shorten(value: float) -> float:
    """Round to four significant digits."""
    return float(f"{value:.4g}")
