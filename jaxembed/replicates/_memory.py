"""Memory: run all replicates in batches that fit into memory."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.stages import Traced

from jaxembed._io import progress_bar
from jaxembed.nn._reads import check_reads
from jaxembed.replicates._journal import Journal
from jaxembed.replicates._program import Recipe, Results, Shared, run_replicates
from jaxembed.replicates._validation import ByPosition
from jaxembed.train._step import Metrics as Sums

# Default number of replicates at a time. More than four are not faster on a CPU.
WIDTHS = {"cpu": 4}
WIDTH = 64
MIB = 2**20
# Metrics by name, each float64[K, epochs].
Metrics = dict[str, np.ndarray]
NOTE = " The checkpoint fixes n_parallel: to change it, give another file."


class Compiled(NamedTuple):
    """Compiled program that trains a batch of replicates.

    Attributes:
      recipe: settings of all replicates.
      run: function of the key, the numbers and the examples of C replicates, and their
        shared data.
      n_parallel: number of replicates in the batch, C.
      place: sharding of arrays with one entry for each replicate; None for one device.
      seconds: seconds of the compilation.
    """

    recipe: Recipe
    run: Callable[..., Results]
    n_parallel: int
    place: NamedSharding | None
    seconds: float


def compile_replicates(
    recipe: Recipe,
    key: jax.Array,
    examples: np.ndarray,
    shared: Shared,
    *,
    n_parallel: int | None,
    memory: int,
    is_begun: bool = False,
    mesh: Mesh | None = None,
) -> Compiled:
    """Compile the program for a batch of replicates that fits into memory.

    Args:
      recipe: settings of all replicates.
      key: random key of all replicates.
      examples: ``int32[K, n]``, the examples of each replicate.
      shared: arrays that all replicates read.
      n_parallel: number of replicates at a time; None to choose it.
      memory: memory of each device in bytes.
      is_begun: whether a checkpoint is resumed, which fixes ``n_parallel``.
      mesh: mesh over which the replicates are spread; None for one device.

    Returns:
      :class:`Compiled`.

    Raises:
      ValueError: if ``n_parallel`` replicates, or a single one, do not fit; the error
        says how many fit.
    """
    start = time.perf_counter()
    place, n_devices = None, 1
    if mesh is not None:
        place = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
        n_devices = mesh.size
    wanted = _start_width(n_parallel, len(examples), n_devices, NOTE * is_begun)
    width, refused = wanted, 0
    while True:
        size = width * n_devices
        traced = trace_replicates(recipe, key, size, examples, shared, place)
        compiled = traced.lower().compile()
        fitting, needed = _count_fitting(compiled, width, shared, memory)
        refused = refused or needed
        if fitting >= width and (n_parallel is None or width == wanted):
            seconds = time.perf_counter() - start
            return Compiled(recipe, compiled, size, place, seconds)
        if fitting >= width or width == 1:  # known only after compiling this width
            n_fit = size if fitting >= width else 0
            message = _refusal(wanted * n_devices, refused, n_fit, memory)
            raise ValueError(message + NOTE * is_begun)
        width = min(max(fitting, 1), width - 1)


def _start_width(
    n_parallel: int | None, n_replicates: int, n_devices: int, note: str
) -> int:
    """Return the number of replicates of each device to compile first."""
    if n_parallel is None:
        most = -(-n_replicates // n_devices)
        return min(most, WIDTHS.get(jax.default_backend(), WIDTH))
    if n_parallel % n_devices:
        better = f"{-(-n_parallel // n_devices) * n_devices}, or " * (not note)
        raise ValueError(
            f"n_parallel must be a multiple of the {n_devices} devices of the mesh, "
            f"got {n_parallel}: give {better}another mesh.{note}"
        )
    return n_parallel // n_devices


def trace_replicates(
    recipe: Recipe,
    key: jax.Array,
    n_parallel: int,
    examples: np.ndarray,
    shared: Shared,
    place: NamedSharding | None = None,
) -> Traced:
    """Trace the program of a batch of ``n_parallel`` replicates."""
    shapes = (n_parallel,), (n_parallel, examples.shape[1])
    own = (jax.ShapeDtypeStruct(shape, np.int32, sharding=place) for shape in shapes)
    mesh = None if place is None else place.mesh
    return run_replicates.trace(recipe, key, *own, shared, mesh=mesh)


def _count_fitting(
    compiled: Any, width: int, shared: Shared, memory: int
) -> tuple[int, int]:
    """Return a lower bound of the replicates that fit, and the bytes of ``width``."""
    stats = compiled.memory_analysis()
    needed = (
        stats.argument_size_in_bytes
        + stats.output_size_in_bytes
        + stats.temp_size_in_bytes
        - stats.alias_size_in_bytes
    )
    common = sum(leaf.nbytes for leaf in jax.tree.leaves(shared))
    if needed <= memory:
        return width, needed
    # An upper bound: some of the memory does not grow with the number of replicates.
    each = max(needed - common, 1) / width
    return max(int((memory - common) // each), 0), needed


def _refusal(width: int, needed: int, fitting: int, memory: int) -> str:
    remedy = f"n_parallel={fitting} fits" if fitting else "not even one fits"
    return (
        f"{width} replicates at a time need {needed / MIB:,.2f} MiB on a device, and "
        f"memory is {memory / MIB:,.2f} MiB: {remedy}. Give more memory, or fewer "
        "validation examples."
    )


def run_all(
    compiled: Compiled,
    key: jax.Array,
    examples: np.ndarray,
    shared: Shared,
    journal: Journal,
    progress: bool | None,
    stop: Callable[[], bool] | None = None,
) -> Metrics:
    """Run all replicates, and return their metrics, each ``float64[K, epochs]``."""
    rows = journal.load()
    numbers = np.arange(len(examples), dtype=np.int32)
    missing = numbers[~np.isin(numbers, list(rows))]
    done, are_checked = len(examples) - len(missing), False
    with progress_bar(
        len(examples), progress=progress, initial=done, unit="run"
    ) as bar:
        for first in range(0, len(missing), compiled.n_parallel):
            if stop is not None and stop():
                raise KeyboardInterrupt(f"stopped after {done + first} replicates")
            # Pad the last batch with its last replicate, so all batches have one shape.
            places = np.arange(first, first + compiled.n_parallel)
            batch = missing[np.minimum(places, len(missing) - 1)]
            arrays = jax.device_put((batch, examples[batch]), compiled.place)
            results = compiled.run(key, *arrays, shared)
            found = _to_metrics(jax.device_get(results))
            if not are_checked and np.isnan([*found.values()]).any():
                check_ids(compiled.recipe.plan.model, shared, examples)
                are_checked = True
            for i, number in enumerate(missing[first : first + len(batch)].tolist()):
                own = {name: values[i] for name, values in found.items()}
                rows[number] = journal.row(number, own)
            journal.save(rows)
            bar.update(min(len(batch), len(missing) - first))
    names = rows[0].metrics
    return {
        name: np.array([rows[k].metrics[name] for k in numbers.tolist()], np.float64)
        for name in names
    }


def check_ids(model: nn.Module, shared: Shared, examples: np.ndarray) -> None:
    """Raise if a model reads an id out of range, which gives NaN.

    Args:
      model: the model of all replicates.
      shared: arrays that all replicates read.
      examples: ``int32[K, n]``, the examples of each replicate.

    Raises:
      ValueError: names the first example, the position and the id.
    """
    numbers = np.unique(examples)
    ids = np.asarray(shared.ids)
    check_reads(model, None, ids[numbers], train=True, numbers=numbers)
    held_out = shared.validation
    if held_out is not None:
        batches = held_out.batches if isinstance(held_out, ByPosition) else held_out
        texts = np.asarray(batches.ids)[np.asarray(batches.mask)]
        check_reads(model, None, texts, name="validation ids")


def _to_metrics(results: Results) -> Metrics:
    """Return means from sums, with NaN where loss or weights were not finite."""
    metrics = _means(results.training, "")
    if results.validation is not None:
        metrics |= _means(results.validation, "val_")
    return {
        name: np.where(results.is_bad | ~np.isfinite(values), np.nan, values)
        for name, values in metrics.items()
    }


def _means(sums: Sums, prefix: str) -> Metrics:
    loss, correct, n_examples = (np.asarray(x, np.float64) for x in sums)
    means = {"loss": loss / n_examples, "accuracy": correct / n_examples}
    return {prefix + name: values for name, values in means.items()}
