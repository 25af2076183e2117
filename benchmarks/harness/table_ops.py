"""Table operations: check implementations of an operation, then time them in turns."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness.compiled import compile_program
from benchmarks.harness.expected_tables import Answer, count_distinct
from benchmarks.harness.lines import Lines
from benchmarks.harness.plan import announce
from benchmarks.harness.turns import Call, measure, require_right, rotate
from benchmarks.harness.workloads import (
    Workload,
    find_texts,
    has_reviews,
    make_ids,
    make_table,
)
from benchmarks.peers.available import find_peers
from benchmarks.peers.torch import prepare_torch, set_apart, set_threads, to_torch

FEW = 2**26  # bytes of rows; above this, only one batch is checked
OVERHEAD_S = 0.7  # seconds to compile and check a measurement on two cores, about
Function = Callable[[Any, Any], Any]  # function of a table and the ids of a batch
# Returns the bytes to move for a workload, a batch size and a number of distinct ids
Count = Callable[[Workload, int, int], int]


class Way(NamedTuple):
    """Implementation of an operation."""

    function: Function  # function of the weights and the ids of a batch
    weights: Any = None  # weights to read instead of the table; None for the table
    # Untimed call before each turn, or None
    prepare: Call | None = None
    # Fewest bytes to move, if they differ from the operation's
    count_bytes: Count | None = None


class Operation(NamedTuple):
    """Operation and its implementations."""

    what: str  # name of the measurement
    # Returns the implementations that JAX compiles, for a workload and the available
    # peers; the first is jaxembed's
    make_compiled: Callable[[Workload, Sequence[str]], Mapping[str, Way]]
    of_torch: dict[str, Way]  # implementations by torch
    # Returns the expected answer for a table and the ids of a batch
    expect: Callable[[np.ndarray, np.ndarray], Answer]
    count_bytes: Count  # fewest bytes to move
    of_numpy: Function | None = None  # implementation by NumPy, or None
    rows_held: int = 2  # number of rows in memory for each id
    tables_held: int = 2  # number of tables in memory


def on_cores(function: Function) -> dict[str, Way]:
    """Return torch on all cores and on one thread, faster for small batches."""
    all_cores, one = partial(set_threads, None), partial(set_threads, 1)
    return {
        "torch": Way(function, prepare=all_cores),
        "torch, 1 thread": Way(function, prepare=one),
    }


def half_squares(function: Function) -> Function:
    """Return the gradient of half the squares of a result with respect to the table."""
    return jax.grad(lambda table, ids: (function(table, ids) ** 2).sum() / 2)


def time_operations(
    operations: Sequence[Operation], arguments: argparse.Namespace, lines: Lines
) -> None:
    """Time operations for all workloads, batch sizes and kinds of ids."""
    what = operations[0].what
    peers = find_peers(arguments.peers, what, lines)
    kinds = [k for k in arguments.ids if k != "real" or has_reviews(arguments.data)]
    n_places = len(arguments.workload) * len(arguments.batch_sizes) * len(kinds)
    # Torch is timed apart from the other peers: see set_apart.
    n = n_places * len(operations) * (2 if "torch" in peers else 1)
    seconds = n * (1.5 * arguments.seconds + OVERHEAD_S)
    announce(lines, arguments, peers, n_measurements=n, seconds=seconds)
    # By default a GPU multiplies with 10 bits, too few for the check.
    with jax.default_matmul_precision("highest"):
        for workload in arguments.workload:
            if lines.has_room(3 * workload.table_bytes, what, workload=workload.name):
                _time_workload(operations, workload, peers, arguments, lines)


def _time_workload(
    operations: Sequence[Operation],
    workload: Workload,
    peers: Sequence[str],
    arguments: argparse.Namespace,
    lines: Lines,
) -> None:
    kinds, texts = find_texts(arguments, workload, operations[0].what, lines)
    if not kinds:
        return
    table = make_table(workload)
    tables = {"numpy": table, "jax": jnp.asarray(table)}
    if "torch" in peers:
        tables["torch"] = to_torch(table)
    for batch_size in arguments.batch_sizes:
        ids = {kind: make_ids(kind, workload, batch_size, texts) for kind in kinds}
        where = {"workload": workload.name, "batch_size": batch_size}
        for operation in operations:
            n_bytes = operation.rows_held * workload.rows_bytes(batch_size)
            n_bytes += operation.tables_held * workload.table_bytes
            if not lines.has_room(n_bytes, operation.what, **where):
                continue
            timed = _Timed(operation, workload, batch_size, peers, tables)
            for kind, batches in ids.items():
                timed.measure(batches, arguments.seconds, lines, **where, ids=kind)


class _Timed:
    """Implementations of an operation, compiled for one batch size."""

    def __init__(
        self,
        operation: Operation,
        workload: Workload,
        batch_size: int,
        peers: Sequence[str],
        tables: dict[str, Any],
    ):
        self.operation, self.table = operation, tables["numpy"]
        self.torch_table = tables.get("torch")
        self.sizes = workload, batch_size
        self.of_numpy = operation.of_numpy if "numpy" in peers else None
        shape = jax.ShapeDtypeStruct((batch_size, workload.length), jnp.int32)
        compiled = operation.make_compiled(workload, peers)
        self.weights = {
            name: tables["jax"] if way.weights is None else way.weights
            for name, way in compiled.items()
        }
        self.programs = {
            name: compile_program(way.function, self.weights[name], shape)
            for name, way in compiled.items()
        }
        self.of_torch = operation.of_torch if "torch" in peers else {}
        self.ways = {**compiled, **self.of_torch}

    def measure(
        self, batches: np.ndarray, budget_s: float, lines: Lines, **where: Any
    ) -> None:
        """Check all implementations on batches of ids, then time them in turns."""
        operation, n_distinct = self.operation, count_distinct(batches)
        runs = self._make_runs(batches)
        self._check(runs, batches)
        details: dict[str, Any] = {}
        for name in runs:
            way = self.ways.get(name)
            count = (way and way.count_bytes) or operation.count_bytes
            details[name] = {"fewest_bytes": count(*self.sizes, n_distinct)}
        for name, program in self.programs.items():
            details[name] |= program.details
        prepare = {name: way.prepare for name, way in self.ways.items() if way.prepare}
        where |= {"distinct": n_distinct}
        calls = {name: rotate(run, len(batches)) for name, run in runs.items()}
        for group in set_apart(calls):
            seconds = measure(group, budget_s, prepare)
            lines.report(operation.what, seconds, details=details, **where)

    def _make_runs(self, batches: np.ndarray) -> dict[str, Callable[[int], Any]]:
        """Return functions of the number of a batch, by implementation."""
        on_device = list(jnp.asarray(batches))
        runs: dict[str, Callable[[int], Any]] = {}
        for name, program in self.programs.items():
            runs[name] = _run_jax(program.call, self.weights[name], on_device)
        numpy = self.of_numpy
        if numpy is not None:
            runs["numpy"] = lambda number: numpy(self.table, batches[number])
        for name, way in self.of_torch.items():
            runs[name] = _run_torch(way.function, self.torch_table, batches)
        return runs

    def _check(
        self, runs: dict[str, Callable[[int], Any]], batches: np.ndarray
    ) -> None:
        row_bytes = self.table.shape[1] * 4
        is_few = max(batches[0].size * row_bytes, self.table.nbytes) <= FEW
        for number in range(len(batches) if is_few else 1):
            answer = self.operation.expect(self.table, batches[number])
            for name, run in runs.items():
                is_right = answer.accepts(_to_numpy(run(number)))
                require_right(is_right, f"{self.operation.what}: {name}")


def _to_numpy(found: Any) -> np.ndarray:
    if hasattr(found, "detach"):
        found = found.detach()
        found = (found.to_dense() if found.is_sparse else found).cpu()
    return np.asarray(found)


def _run_jax(call: Function, weights: Any, batches: list) -> Callable[[int], Any]:
    return lambda number: call(weights, batches[number]).block_until_ready()


def _run_torch(call: Function, table: Any, batches: Any) -> Callable[[int], Any]:
    device, wait = prepare_torch()
    import torch

    tensors = [torch.tensor(batch, device=device) for batch in batches]

    def run(number: int) -> Any:
        found = call(table, tensors[number])
        wait()
        return found

    return run
