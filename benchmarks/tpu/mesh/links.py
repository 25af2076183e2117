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


def exchange_seconds(topology: str, n_bytes: float, data: int = 1) -> float:
    """Return the least seconds of an all-to-all along the axis "vocab" of a mesh.

    Half of what each chip sends crosses the middle of its group, on the links that a
    cut across the longest axis has in this direction. A group is a strip of the slice:
    ``jax.make_mesh`` divides the last axis by the number of copies.

    Args:
      topology: Name of the slice.
      n_bytes: Bytes that each chip receives, its own part included.
      data: Number of copies of a table, and of groups.

    Example:
      >>> round(1e3 * exchange_seconds("v5e:16x16", 20_971_520), 2)
      0.93
    """
    *axes, last = find_axes(topology)
    group = *axes, last // data
    longest = max(group)
    n_links = math.prod(group) // longest * (2 if longest == RING else 1)
    crossing = math.prod(group) / 2 * n_bytes / 2
    return crossing / (n_links * find_bandwidth(topology))


def copy_seconds(topology: str, n_bytes: float, data: int) -> float:
    """Return the least seconds of an all-gather along the axis "data" of a mesh.

    The chips of a group of copies are on both sides of a cut across the last axis, and
    what one side has crosses it once.

    Args:
      topology: Name of the slice.
      n_bytes: Bytes of the result on each chip.
      data: Number of copies of a table.

    Example:
      >>> round(1e3 * copy_seconds("v5e:16x16", 45_000_000, 4), 2), copy_seconds(
      ...     "v5e:16x16", 1024, 1)
      (1.0, 0.0)
    """
    if data == 1:
        return 0.0
    *axes, last = find_axes(topology)
    n_links = math.prod(axes) * (2 if last == RING else 1)
    n_groups = math.prod(axes) * last // data
    return n_groups * n_bytes / 2 / (n_links * find_bandwidth(topology))


def find_bandwidth(topology: str) -> float:
    """Return the bytes per second of a link in one direction."""
    return ICI[topology.partition(":")[0]]


def network_seconds(topology: str, n_bytes: float) -> float:
    """Return the least seconds of bytes that a chip sends to chips of other slices."""
    return n_bytes / DCN[topology.partition(":")[0]]
