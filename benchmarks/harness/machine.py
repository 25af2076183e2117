"""Machine: the device, package versions, memory and copy bandwidth."""

import functools
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

COPY_FLOATS = 2**26  # 256 MB
PACKAGES = "jax flax optax keras gensim numpy pyarrow torch fasttext".split()
SHARE = 0.9  # of the free memory; the rest is for arrays that are not counted


def describe_machine() -> dict[str, Any]:
    """Return the machine, the package versions and the peak memory."""
    return {
        "peak_bytes": find_peak(),
        "device": name_device(),
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": find_versions(),
    }


def find_peak() -> int:
    """Return the peak memory of this process in bytes, on the accelerator if any."""
    import jax

    stats = jax.devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


@functools.cache
def name_device() -> str:
    """Return the name of the accelerator or, where JAX says "cpu", the processor."""
    import jax

    kind = jax.devices()[0].device_kind
    if kind != "cpu":
        return kind
    names = _read_proc("cpuinfo", "model name")
    return names[0] if names else platform.processor() or platform.machine()


@functools.cache
def find_versions() -> dict[str, str]:
    """Return the versions of the measured packages."""
    versions = {"jaxembed": jaxembed.__version__}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "missing"
    return versions


@functools.cache
def measure_copy(repeats: int = 9) -> float:
    """Measure the bytes per second, read and written, of adding 1 to a large array."""
    import jax
    import jax.numpy as jnp

    # Donated, since a new array each time would mostly time page faults.
    add = jax.jit(lambda values: values + 1, donate_argnums=0)
    values = add(jnp.zeros(COPY_FLOATS, jnp.float32)).block_until_ready()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        values = add(values).block_until_ready()
        seconds.append(time.perf_counter() - start)
    return 2 * values.nbytes / float(np.median(seconds))


def find_free() -> int | None:
    """Return the free bytes of JAX's device, or of the machine; None if unknown."""
    import jax

    stats: Any = jax.devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats["bytes_in_use"]
    found = _read_proc("meminfo", "MemAvailable")
    return 1024 * int(found[0].split()[0]) if found else None


def find_lack(n_bytes: int) -> str | None:
    """Return the reason why memory does not suffice for ``n_bytes``, or None."""
    free = find_free()
    if free is None or n_bytes <= SHARE * free:
        return None
    usable = SHARE * free
    return (
        f"needs {n_bytes / 2**30:.1f} GiB: {usable / 2**30:.1f} of the "
        f"{free / 2**30:.1f} GiB of free memory may be used"
    )


def _read_proc(file: str, name: str) -> list[str]:
    """Read the values of a name in a file of /proc, which exists on Linux only."""
    try:
        lines = Path("/proc", file).read_text().splitlines()
    except OSError:
        return []
    return [line.split(":", 1)[1].strip() for line in lines if line.startswith(name)]
