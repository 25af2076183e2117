"""Memory: whether a measurement fits into what is free."""

from pathlib import Path
from typing import Any

SHARE = 0.9  # of what is free; the rest is for what nobody has counted


def find_free() -> int | None:
    """Bytes that JAX's device, or else the machine, has left; None if unknown."""
    import jax

    stats: Any = jax.devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats["bytes_in_use"]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:  # there is none but on Linux
        return None
    kib = [line.split()[1] for line in lines if line.startswith("MemAvailable")]
    return 1024 * int(kib[0]) if kib else None


def find_lack(n_bytes: int) -> str | None:
    """Why this many bytes are too many; None if they are not."""
    free = find_free()
    if free is None or n_bytes <= SHARE * free:
        return None
    usable = SHARE * free
    return (
        f"needs {n_bytes / 2**30:.1f} GiB, and {usable / 2**30:.1f} of the "
        f"{free / 2**30:.1f} GiB that are free may be taken"
    )
