"""Whether a row-sparse training step grows with the vocabulary.

Run:     python -m benchmarks.sparse_step
         python -m benchmarks.sparse_step --workload 50000x64x100 10000000x64x100
Prints:  JSON lines of seconds a step of RMSprop, of tables of different numbers of
         rows, in turns, for each batch size: with the same ids in all, which are those
         of the smallest by Zipf's law (``zipf``), and with ids from all of each
         (``uniform``).

The workloads are the tables, and differ in their rows only; a step moves the rows of
B x L ids. The lines are of the smallest workload, to which the others are compared, and
``rows`` says what each has. There are no peers here: benchmarks.train_step has theirs.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import _memory, _options, _timing, _workloads
from benchmarks._lines import Lines
from benchmarks._programs import Program, compile_program
from benchmarks._workloads import Workload
from jaxembed import optim

WHAT = "sparse step by table"
WORKLOADS = ("50000x64x100", "4000000x64x100")
KINDS = ("zipf", "uniform")
STEPS = 20  # in a scan, which is what is timed
START = 0.01  # all numbers of the table
TOLERANCE = 1e-6
RMSPROP = optim.sparse_rmsprop()
Carry = tuple[jax.Array, Any]  # table and state


def main(argv: list[str] | None = None) -> None:
    """Times the tables, checked before, for all batch sizes."""
    parser = _options.make_parser(
        __doc__, peers=(), workloads=WORKLOADS, batch_sizes=(32,)
    )
    arguments = parser.parse_args(argv)
    workloads = sorted(arguments.workload, key=lambda workload: workload.rows)
    if len({workload.rows for workload in workloads}) < max(len(workloads), 2):
        parser.error("--workload must be two or more tables, of different rows.")
    if len({(workload.dim, workload.length) for workload in workloads}) > 1:
        parser.error("the tables of --workload must differ in nothing but their rows.")
    lines = _options.open_lines(arguments)
    workloads = leave_out(workloads, lines)
    for batch_size in arguments.batch_sizes if workloads else ():
        programs = [compile_steps(workload, batch_size) for workload in workloads]
        for kind in KINDS:
            loops = make_loops(programs, workloads, batch_size, kind)
            check(loops, workloads[0].rows, kind)
            report(loops, workloads, batch_size, kind, arguments.seconds, lines)


def leave_out(workloads: Sequence[Workload], lines: Lines) -> list[Workload]:
    """Those that fit into memory together; the others get a line."""
    kept: list[Workload] = []
    for workload in workloads:
        # Each with its moments; and a dense step of the smallest, with its gradient.
        n_bytes = sum(2 * one.table_bytes for one in [*kept, workload])
        lack = _memory.find_lack(n_bytes + 4 * workloads[0].table_bytes)
        if lack is None:
            kept.append(workload)
        else:
            lines.leave_out(WHAT, name(workload), lack, workload=workloads[0].name)
    return kept


def name(workload: Workload) -> str:
    """Of a table, in the lines."""
    return f"jaxembed, {workload.rows} rows"


def gradients(rows: jax.Array) -> jax.Array:
    """Any gradients that follow from what was looked up."""
    return 0.1 * rows + 0.01


def sparse_step(carry: Carry, ids: jax.Array) -> tuple[Carry, None]:
    """Looks rows up and moves them, row by row."""
    table, state = carry
    rows = table.at[ids].get(mode="promise_in_bounds")
    return RMSPROP.update(gradients(rows), ids, state, table), None


def dense_step(carry: Carry, ids: jax.Array) -> tuple[Carry, None]:
    """The same by a gradient of the whole table, and Optax."""
    table, state = carry
    rows = table.at[ids].get(mode="promise_in_bounds")
    grads = jnp.zeros_like(table).at[ids].add(gradients(rows))
    updates, state = RMSPROP.dense.update(grads, state, table)
    return (optax.apply_updates(table, updates), state), None


def scan(step: Callable) -> Callable[[Carry, jax.Array], Carry]:
    """STEPS of a step."""
    return lambda carry, ids: jax.lax.scan(step, carry, ids)[0]


def start(n_rows: int, dim: int, tx: Any) -> Carry:
    """A table and the state of its optimizer."""
    table = jnp.full((n_rows, dim), START)
    return table, tx.init(table)


def compile_steps(workload: Workload, batch_size: int) -> Program:
    """The program for a table; nothing of its size is made."""
    carry = jax.eval_shape(lambda: start(workload.rows, workload.dim, RMSPROP))
    ids = jax.ShapeDtypeStruct((STEPS, batch_size * workload.length), jnp.int32)
    return compile_program(scan(sparse_step), carry, ids, donate=(0,))


class Loop:
    """A donated program that is called again and again with what it gave.

    Attributes:
      carry: table and state after the last call.
      ids: ``int32[n, STEPS, B * L]``, of n calls; then they come again.
      program: what is called.
    """

    def __init__(self, program: Program, carry: Carry, ids: np.ndarray):
        self.carry, self.ids, self._calls = carry, list(jax.device_put(ids)), 0
        self.program = program

    def __call__(self) -> None:
        """One call, with the next of the ids."""
        ids = self.ids[self._calls % len(self.ids)]
        self.carry, self._calls = self.program.call(self.carry, ids), self._calls + 1
        jax.block_until_ready(self.carry)


def make_loops(
    programs: Sequence[Program],
    workloads: Sequence[Workload],
    batch_size: int,
    kind: str,
) -> list[Loop]:
    """The loops of all tables, not yet called."""
    loops = []
    for program, workload in zip(programs, workloads, strict=True):
        words_of = workloads[0] if kind == "zipf" else workload
        ids = _workloads.make_ids(kind, words_of, STEPS * batch_size)
        ids = ids.reshape(len(ids), STEPS, batch_size * workload.length)
        carry = start(workload.rows, workload.dim, RMSPROP)
        loops.append(Loop(program, carry, ids))
    return loops


def check(loops: Sequence[Loop], n_rows: int, kind: str) -> None:
    """Refuses wrong tables, after a call of each.

    The first must be what Optax makes of it. The others must be the same in a bit where
    the ids are the same, and be as they were below.
    """
    first, *others = loops
    table, state = start(n_rows, first.carry[0].shape[1], RMSPROP.dense)
    dense, _ = jax.jit(scan(dense_step))((table, state), first.ids[0])
    for loop in loops:
        loop()
    found = np.asarray(first.carry[0])
    is_right = np.allclose(found, dense, rtol=0, atol=TOLERANCE)
    is_right &= not np.all(found == START)
    for loop in others if kind == "zipf" else ():
        is_right &= np.array_equal(loop.carry[0][:n_rows], found)
        is_right &= bool(is_as_it_was(loop.carry[0], n_rows))
    if not is_right:
        raise SystemExit(f"{WHAT}: a table is wrong: there is nothing to time.")


@functools.partial(jax.jit, static_argnums=1)  # else the rows would be copied
def is_as_it_was(table: jax.Array, n_rows: int) -> jax.Array:
    """Whether the rows from ``n_rows`` on are those of the beginning."""
    return jnp.all(table[n_rows:] == START)


def report(
    loops: Sequence[Loop],
    workloads: Sequence[Workload],
    batch_size: int,
    kind: str,
    budget_s: float,
    lines: Lines,
) -> None:
    """Times the tables in turns, and prints their lines."""
    calls: dict[str, _timing.Call] = {}
    details = {}
    for loop, workload in zip(loops, workloads, strict=True):
        calls[name(workload)] = loop
        details[name(workload)] = {"rows": workload.rows} | loop.program.details
    seconds = _timing.measure(calls, budget_s)
    steps = {name: [s / STEPS for s in found] for name, found in seconds.items()}
    lines.report(
        WHAT,
        steps,
        details=details,
        workload=workloads[0].name,
        batch_size=batch_size,
        ids=kind,
        ids_in_step=loops[0].ids[0].shape[1],
    )


if __name__ == "__main__":
    main()
