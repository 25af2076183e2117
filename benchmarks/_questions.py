"""Questions that are asked of a table and of batches of ids, for all sizes of both."""

import argparse
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import _memory, _timing, _workloads
from benchmarks._answers import Answer, count_distinct
from benchmarks._functions import Bound, Count, Function, Functions, OfTorch
from benchmarks._lines import Lines
from benchmarks._peers import (
    find_peers,
    prepare_torch,
    set_apart,
    set_threads,
    to_torch,
)
from benchmarks._programs import Program, compile_program, rotate
from benchmarks._workloads import Workload

FEW = 2**26  # bytes of rows; above it one batch is checked in place of all


class Question(NamedTuple):
    """What is measured, and who answers.

    Attributes:
      what: a name.
      make_functions: gives those that JAX compiles, for a workload and the peers that
        there are; the first is jaxembed's.
      on_host: those of NumPy arrays, by the peer that they need.
      of_torch: those of torch tensors.
      answer: what is right, for a table and the ids of a batch.
      count_bytes: the fewest to move, for a workload, a batch size and the number of
        distinct ids.
      rows_held: how many times a row for each id is in memory.
      tables_held: how many tables.
    """

    what: str
    make_functions: Callable[[Workload, Sequence[str]], Functions]
    on_host: dict[str, Function]
    of_torch: dict[str, OfTorch]
    answer: Callable[[np.ndarray, np.ndarray], Answer]
    count_bytes: Count
    rows_held: int = 2
    tables_held: int = 2


def ask(
    questions: Sequence[Question], arguments: argparse.Namespace, lines: Lines
) -> None:
    """Checks each answer, then times it, for all workloads, sizes and kinds of ids."""
    peers = find_peers(arguments.peers, questions[0].what, lines)
    # Without it a GPU multiplies with 10 bits, which the check would refuse.
    with jax.default_matmul_precision("highest"):
        for workload in arguments.workload:
            ask_of_table(questions, workload, peers, arguments, lines)


def ask_of_table(
    questions: Sequence[Question],
    workload: Workload,
    peers: Sequence[str],
    arguments: argparse.Namespace,
    lines: Lines,
) -> None:
    """All batch sizes of a workload."""
    what = questions[0].what
    lack = _memory.find_lack(3 * workload.table_bytes)
    if lack is not None:
        lines.leave_out(what, "all", lack, workload=workload.name)
        return
    kinds, texts = _workloads.find_texts(arguments, workload, what, lines)
    if not kinds:
        return
    table = _workloads.make_table(workload)
    tables = {"jax": jnp.asarray(table), "numpy": table}
    if "torch" in peers:
        tables["torch"] = to_torch(table)
    for batch_size in arguments.batch_sizes:
        ids = {
            kind: _workloads.make_ids(kind, workload, batch_size, texts)
            for kind in kinds
        }
        for question in questions:
            where = {"workload": workload.name, "batch_size": batch_size}
            n_bytes = question.rows_held * workload.rows_bytes(batch_size)
            n_bytes += question.tables_held * workload.table_bytes
            lack = _memory.find_lack(n_bytes)
            if lack is not None:
                lines.leave_out(question.what, "all", lack, **where)
                continue
            time_question(question, workload, tables, ids, peers, arguments, lines)


def time_question(
    question: Question,
    workload: Workload,
    tables: dict[str, Any],
    ids: dict[str, np.ndarray],
    peers: Sequence[str],
    arguments: argparse.Namespace,
    lines: Lines,
) -> None:
    """One question for a batch size and all kinds of ids, by the same programs."""
    batch_size = next(iter(ids.values())).shape[1]
    shape = jax.ShapeDtypeStruct((batch_size, workload.length), jnp.int32)
    functions = {
        name: function
        if isinstance(function, Bound)
        else Bound(function, tables["jax"])
        for name, function in question.make_functions(workload, peers).items()
    }
    programs = {
        name: compile_program(function.function, function.weights, shape)
        for name, function in functions.items()
    }
    for kind, batches in ids.items():
        runs = make_runs(question, programs, functions, tables, batches, peers)
        check(question, runs, tables["numpy"], batches)
        n_distinct = count_distinct(batches)
        sizes = workload, batch_size, n_distinct
        counts = find_counts(question, functions)
        details: dict[str, Any] = {
            name: {"fewest_bytes": counts.get(name, question.count_bytes)(*sizes)}
            for name in runs
        }
        for name, program in programs.items():
            details[name] |= program.details
        where = {"workload": workload.name, "batch_size": batch_size, "ids": kind}
        calls = {name: rotate(run, len(batches)) for name, run in runs.items()}
        for group in set_apart(calls):
            seconds = _timing.measure(group, arguments.seconds, _prepare(question))
            facts = where | {"distinct": n_distinct}
            lines.report(question.what, seconds, details=details, **facts)


def make_runs(
    question: Question,
    programs: dict[str, Program],
    functions: dict[str, Bound],
    tables: dict[str, Any],
    batches: np.ndarray,
    peers: Sequence[str],
) -> dict[str, Callable[[int], Any]]:
    """What answers for a batch by its number, by implementation."""
    on_device = list(jnp.asarray(batches))
    runs: dict[str, Callable[[int], Any]] = {}
    for name, program in programs.items():
        runs[name] = _run_jax(program.call, functions[name].weights, on_device)
    for name, function in question.on_host.items():
        if name in peers:
            runs[name] = _run_numpy(function, tables["numpy"], batches)
    if "torch" in peers:
        for name, of_torch in question.of_torch.items():
            runs[name] = _run_torch(of_torch.function, tables["torch"], batches)
    return runs


def check(
    question: Question,
    runs: dict[str, Callable[[int], Any]],
    table: np.ndarray,
    batches: np.ndarray,
) -> None:
    """Refuses a wrong answer."""
    is_few = batches[0].size * table.shape[1] * 4 <= FEW and table.nbytes <= FEW
    for number in range(len(batches) if is_few else 1):
        answer = question.answer(table, batches[number])
        for name, run in runs.items():
            if not answer.accepts(_to_numpy(run(number))):
                raise SystemExit(
                    f"{question.what}: {name} is wrong: there is nothing to time."
                )


def _to_numpy(found: Any) -> np.ndarray:
    if hasattr(found, "detach"):
        found = found.detach()
        found = found.to_dense() if found.is_sparse else found
        found = found.cpu()
    return np.asarray(found)


def find_counts(question: Question, functions: dict[str, Bound]) -> dict[str, Count]:
    """Those of implementations that move others than the question says."""
    special: dict[str, Bound | OfTorch] = {**functions, **question.of_torch}
    return {
        name: one.count_bytes
        for name, one in special.items()
        if one.count_bytes is not None
    }


def _prepare(question: Question) -> dict[str, Callable[[], None]]:
    """What is done before a turn of torch's, outside of its clock."""
    return {
        name: functools.partial(set_threads, of_torch.n_threads)
        for name, of_torch in question.of_torch.items()
    }


def _run_jax(call: Function, table: Any, batches: list) -> Callable[[int], Any]:
    return lambda number: call(table, batches[number]).block_until_ready()


def _run_numpy(call: Function, table: Any, batches: Any) -> Callable[[int], Any]:
    return lambda number: call(table, batches[number])


def _run_torch(call: Function, table: Any, batches: Any) -> Callable[[int], Any]:
    device, wait = prepare_torch()
    import torch

    tensors = [torch.tensor(batch, device=device) for batch in batches]

    def run(number: int) -> Any:
        found = call(table, tensors[number])
        wait()
        return found

    return run
