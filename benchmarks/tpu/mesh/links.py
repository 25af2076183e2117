"""Links: bandwidths between TPUs, and the time that an exchange takes at least.

Sources: https://jax-ml.github.io/scaling-book/tpus/ (bytes per second of a link in one
direction, and of the network of the data center for each chip), and
https://docs.cloud.google.com/tpu/docs/v5e and https://docs.cloud.google.com/tpu/docs/v6e
(a torus of two axes, 16 and 32 GB of memory). An axis of 16 chips is a ring; a shorter
one has no link from its end to its start.
"""

import math

ICI = {"v5e": 4.5e10, "v6e": 9e10}
DCN = {"v5e": 3.125e9, "v6e": 1.25e10}
MEMORY = {"v5e": 16e9, "v6e": 32e9}
RING = 16  # chips of an axis that is closed to a ring


def find_axes(topology: str) -> tuple[int, ...]:
    """Return the lengths of the axes of a slice.

    Example:
      >>> find_axes("v5e:16x16")
      (16, 16)
    """
    return tuple(int(n) for n in topology.partition(":")[2].split("x"))


def exchange_seconds(topology: str, n_bytes: float) -> float:
    """Return the least seconds of an all-to-all of all chips of a slice.

    Half of what each chip sends crosses the middle of the slice, on the links that a
    cut across its longest axis has in this direction.

    Args:
      topology: Name of the slice.
      n_bytes: Bytes that each chip receives, its own part included.

    Example:
      >>> round(1e3 * exchange_seconds("v5e:16x16", 20_971_520), 2)
      0.93
    """
    axes, generation = find_axes(topology), topology.partition(":")[0]
    longest = max(axes)
    n_links = math.prod(axes) // longest * (2 if longest == RING else 1)
    crossing = math.prod(axes) / 2 * n_bytes / 2
    return crossing / (n_links * ICI[generation])


def network_seconds(topology: str, n_bytes: float) -> float:
    """Return the least seconds of bytes that a chip sends to chips of other slices."""
    return n_bytes / DCN[topology.partition(":")[0]]
