"""Lines: a JSON object for each measurement, printed and kept in a file."""

import functools
import json
import os
import platform
import resource
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import jaxembed

AGAIN = "again"  # the first implementation, timed as if it were another
NOISE = 0.05
COPY_FLOATS = 2**26  # 256 MB
PACKAGES = (
    "jax",
    "flax",
    "optax",
    "keras",
    "gensim",
    "numpy",
    "pyarrow",
    "torch",
    "fasttext",
)
INSTALL = "is missing: pip install jaxembed[bench]"


class Lines:
    """Prints lines, and appends them to a file.

    Attributes:
      out: the file; None for no file.
    """

    def __init__(self, out: Path | None = None):
        self.out = out
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.open("a").close()  # what cannot be written fails now, not afterwards

    def write(self, line: dict[str, Any]) -> None:
        """One line; as it comes, so that none is lost when a later one fails."""
        words = json.dumps(line)
        print(words, flush=True)
        if self.out is not None:
            with self.out.open("a") as file:
                file.write(words + "\n")

    def leave_out(
        self, what: str, implementation: str, reason: str, **where: Any
    ) -> None:
        """Says that, and why, there is no measurement."""
        line = {"what": what, "implementation": implementation, **where}
        self.write(line | {"left_out": reason})

    def report(
        self,
        what: str,
        seconds: dict[str, list[float]],
        *,
        details: dict[str, dict[str, Any]] | None = None,
        **facts: Any,
    ) -> None:
        """A line for each implementation; the first is jaxembed's.

        Args:
          what: was measured.
          seconds: of each call of each implementation; those of ``AGAIN`` have no line,
            but say how far two measurements of one thing are from each other.
          details: further facts of single implementations: ``compile_s``,
            ``temp_bytes``, and ``fewest_bytes``, from which follow GB/s and the share
            of what a copy reaches.
          **facts: of all of them: workload, batch_size, ids.
        """
        samples = dict(seconds)
        ours = float(np.median(next(iter(samples.values()))))
        again = samples.pop(AGAIN, None)
        if again is not None:
            ratio = shorten(float(np.median(again)) / ours)
            facts |= {"a_a": ratio, "noisy": not 1 / (1 + NOISE) < ratio < 1 + NOISE}
        machine = environment()
        for name, found in samples.items():
            ratio = shorten(float(np.median(found)) / ours)
            line = {"what": what, "implementation": name, **quantiles(found)}
            detail = dict((details or {}).get(name, {}))
            if "fewest_bytes" in detail:
                detail |= find_rate(detail["fewest_bytes"], float(np.median(found)))
            self.write(line | {"ratio": ratio} | facts | detail | machine)


def quantiles(seconds: list[float]) -> dict[str, float]:
    """10th, 50th and 90th percentile in seconds, and how many there are."""
    p10, p50, p90 = np.quantile(seconds, [0.1, 0.5, 0.9]).round(9).tolist()
    return {"p10_s": p10, "median_s": p50, "p90_s": p90, "repeats": len(seconds)}


def find_rate(n_bytes: int, seconds: float) -> dict[str, float]:
    """GB/s, and the share of what a copy of a large array reaches in this process."""
    rate, copy = n_bytes / seconds / 1e9, measure_copy() / 1e9
    rates = {"gb_per_s": rate, "copy_share": rate / copy, "copy_gb_per_s": copy}
    return {name: shorten(value) for name, value in rates.items()}


def shorten(value: float) -> float:
    """Four digits of it."""
    return float(f"{value:.4g}")


@functools.cache
def measure_copy(repeats: int = 9) -> float:
    """Bytes a second, read and written, of adding 1 to a large array."""
    import jax
    import jax.numpy as jnp

    # Donated: a new array each time would mostly time the kernel's page faults.
    add = jax.jit(lambda values: values + 1, donate_argnums=0)
    values = add(jnp.zeros(COPY_FLOATS, jnp.float32)).block_until_ready()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        values = add(values).block_until_ready()
        seconds.append(time.perf_counter() - start)
    return 2 * values.nbytes / float(np.median(seconds))


def environment() -> dict[str, Any]:
    """The machine and the versions behind a figure, and the memory until now."""
    return {
        "peak_bytes": find_peak(),
        "device": name_device(),
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": find_versions(),
    }


def find_peak() -> int:
    """The most bytes this process had until now, on the accelerator if it has one."""
    import jax

    stats = jax.devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


@functools.cache
def name_device() -> str:
    """Of the accelerator, or of the processor, which JAX calls just "cpu"."""
    import jax

    kind = jax.devices()[0].device_kind
    if kind != "cpu":
        return kind
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # there is none but on Linux
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.machine()


@functools.cache
def find_versions() -> dict[str, str]:
    """Of the packages that are measured."""
    versions = {"jaxembed": jaxembed.__version__}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "missing"
    return versions
