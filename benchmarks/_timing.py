"""How benchmarks time: in turns, in one process, and as JSON lines."""

import json
import os
import platform
import threading
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

PACKAGES = (
    "jaxembed",
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


def quantiles(seconds: list[float]) -> dict[str, float]:
    """10th, 50th and 90th percentile in seconds, and how many there are."""
    p10, p50, p90 = np.quantile(seconds, [0.1, 0.5, 0.9]).round(6).tolist()
    return {"p10_s": p10, "median_s": p50, "p90_s": p90, "repeats": len(seconds)}


def alternate(
    calls: dict[str, Callable[[], object]], repeats: int
) -> dict[str, list[float]]:
    """Seconds of each call, in the order A B A B, after one call of each to warm up."""
    for call in calls.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def take_turns(
    loops: dict[str, Callable[[Callable[[], None]], object]],
) -> dict[str, list[float]]:
    """Seconds of each round of loops that cannot be cut into calls, as A B A B.

    Args:
      loops: each is called with a function ``turn``, which it calls at the end of each
        of its rounds, and which returns when it is its turn again. All have the same
        number of rounds.

    Returns:
      The seconds of each round of each loop.
    """
    names = list(loops)
    gates = {name: threading.Semaphore(int(i == 0)) for i, name in enumerate(names)}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    errors: list[BaseException] = []

    def work(name: str) -> None:
        following = gates[names[(names.index(name) + 1) % len(names)]]
        gates[name].acquire()
        start = time.perf_counter()

        def turn() -> None:
            nonlocal start
            seconds[name].append(time.perf_counter() - start)
            following.release()
            if not errors:  # else nobody is left to give the turn back
                gates[name].acquire()
            if errors:
                raise RuntimeError("another loop has failed")
            start = time.perf_counter()

        try:
            loops[name](turn)
        except BaseException as error:
            errors.append(error)
        finally:
            following.release()  # the others go on, or end where they see the error

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return seconds


def report(what: str, seconds: dict[str, list[float]], **facts: Any) -> None:
    """Prints a JSON line for each implementation; the first is jaxembed's.

    ``ratio`` says how many times as long as jaxembed's median its own is.
    """
    ours = np.median(next(iter(seconds.values())))
    for name, samples in seconds.items():
        ratio = round(float(np.median(samples) / ours), 3)
        line = {"what": what, "implementation": name, **quantiles(samples)}
        print(json.dumps(line | {"ratio": ratio} | facts | environment()), flush=True)


def environment() -> dict[str, Any]:
    """The machine and the versions behind a figure."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "missing"
    return {
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": versions,
    }
