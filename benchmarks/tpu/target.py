"""Target: kinds of TPUs, and a program compiled for one of them without having it."""

import functools
import gc
import os
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import jax

from jaxembed import train

# The smallest topology of each generation that libtpu describes.
TOPOLOGIES = {
    "v4": "v4:2x2x1",
    "v5e": "v5e:2x2",
    "v5p": "v5p:2x2x1",
    "v6e": "v6e:2x2",
    "7x": "tpu7x:2x2x1",
}


class Compiled(NamedTuple):
    """Program compiled for a TPU."""

    text: str  # after all of XLA's own rewriting
    seconds: float  # to trace, lower and compile
    cpu_seconds: float  # of all threads, which other load hardly changes
    argument_bytes: int
    output_bytes: int
    alias_bytes: int  # arguments whose memory is reused for outputs
    temp_bytes: int
    modelled_bytes: float | None  # bytes accessed, by XLA's cost model


def find_lack() -> str | None:
    """Return the reason why nothing can be compiled for a TPU, or None."""
    try:
        version("libtpu")
    except PackageNotFoundError:
        return "libtpu is not installed: pip install -c constraints.txt '.[tpu]'"
    try:
        find_device("v5e")
    except Exception as error:  # whatever libtpu says, it is the reason
        return f"libtpu does not describe a TPU: {error}"
    return None


def find_device(generation: str) -> Any:
    """Return the description of a device of a generation, such as "v5e"."""
    return find_devices(TOPOLOGIES[generation])[0]


@functools.cache
def find_devices(topology: str) -> list[Any]:
    """Return the descriptions of the devices of a slice, such as "v5e:16x16"."""
    # Otherwise libtpu asks the machine of a cloud which TPU it has.
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    # Several processes may compile at a time, since none of them uses a TPU.
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")
    from jax.experimental import topologies

    found = topologies.get_topology_desc(platform="tpu", topology_name=topology)
    return list(found.devices)


def place(arguments: Any, generation: str) -> Any:
    """Return shapes on a device of a generation, tables in the library's format.

    These are the memory formats of the states that ``train.fit`` makes, by
    :func:`jaxembed.train.choose_formats`.
    """
    return jax.tree.map(
        lambda leaf, form: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=form),
        arguments,
        find_formats(arguments, generation),
    )


def find_formats(tree: Any, generation: str) -> Any:
    """Return the memory format of each array of a tree, by the names in its path."""
    sharding = jax.sharding.SingleDeviceSharding(find_device(generation))
    return train.choose_formats(tree, sharding)


def compile_for(
    generation: str,
    function: Callable[..., Any],
    arguments: tuple,
    donate: tuple[int, ...] = (),
) -> Compiled:
    """Compile a function for a TPU.

    Args:
      generation: A key of ``TOPOLOGIES``.
      function: A function that ``jax.jit`` takes.
      arguments: Arrays or their shapes. An array below the name "embedding" is a table.
      donate: Positions of the arguments whose memory outputs reuse.
    """
    given = place(arguments, generation)
    results = find_formats(jax.eval_shape(function, *arguments), generation)
    gc.collect()
    start, cpu_start = time.perf_counter(), time.process_time()
    jitted = jax.jit(function, donate_argnums=donate, out_shardings=results)
    compiled = jitted.lower(*given).compile()
    seconds = time.perf_counter() - start
    cpu_seconds = time.process_time() - cpu_start
    memory: Any = compiled.memory_analysis()
    costs: Any = compiled.cost_analysis() or {}
    return Compiled(
        compiled.as_text() or "",
        seconds,
        cpu_seconds,
        memory.argument_size_in_bytes,
        memory.output_size_in_bytes,
        memory.alias_size_in_bytes,
        memory.temp_size_in_bytes,
        costs.get("bytes accessed"),
    )


@functools.cache
def find_versions() -> dict[str, str]:
    """Return the versions of libtpu and of the Python packages, by name."""
    names = ("jaxembed", "jax", "jaxlib", "libtpu", "flax", "optax")
    return {name: version(name) for name in names}
