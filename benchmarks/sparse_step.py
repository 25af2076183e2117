"""A row-sparse training step against the size of the vocabulary.

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
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.harness import options
from benchmarks.harness.compiled import compile_program
from benchmarks.harness.lines import Lines
from benchmarks.harness.turns import measure, require_right
from benchmarks.harness.workloads import Workload, make_ids
from jaxembed import optim

WHAT = "sparse step by table"
WORKLOADS = ("50000x64x100", "4000000x64x100")
KINDS = ("zipf", "uniform")
STEPS = 20  # in a scan, which is what is timed
START = 0.01  # all numbers of the table
TOLERANCE = 1e-6
RMSPROP = optim.sparse_rmsprop()
Carry = Any  # table and state


def main(argv: list[str] | None = None) -> None:
    """Check the tables, then time them, for all batch sizes."""
    parser = options.make_parser(
        __doc__, peers=(), workloads=WORKLOADS, batch_sizes=(32,)
    )
    arguments = parser.parse_args(argv)
    workloads = sorted(arguments.workload, key=lambda workload: workload.rows)
    if len({workload.rows for workload in workloads}) < max(len(workloads), 2):
        parser.error("--workload must be two or more tables, of different rows.")
    if len({(workload.dim, workload.length) for workload in workloads}) > 1:
        parser.error("the tables of --workload must differ in nothing but their rows.")
    lines = options.open_lines(arguments)
    workloads = leave_out(workloads, lines)
    for batch_size in arguments.batch_sizes if workloads else ():
        loops = {name(one): Loop(one, batch_size) for one in workloads}
        details = {
            name(one): {"rows": one.rows} | loops[name(one)].program.details
            for one in workloads
        }
        for kind in KINDS:
            for one in workloads:
                words_of = workloads[0] if kind == "zipf" else one
                ids = make_ids(kind, words_of, STEPS * batch_size)
                loops[name(one)].restart(ids.reshape(len(ids), STEPS, -1))
            check(list(loops.values()), kind)
            seconds = measure(dict(loops), arguments.seconds)
            lines.report(
                WHAT,
                {name: [s / STEPS for s in found] for name, found in seconds.items()},
                details=details,
                workload=workloads[0].name,
                batch_size=batch_size,
                ids=kind,
                ids_in_step=batch_size * workloads[0].length,
            )


def leave_out(workloads: Sequence[Workload], lines: Lines) -> list[Workload]:
    """Return the tables that fit into memory together; the others get a line."""
    kept: list[Workload] = []
    for workload in workloads:
        # Each with its moments; and a dense step of the smallest, with its gradient.
        n_bytes = sum(2 * one.table_bytes for one in [*kept, workload])
        n_bytes += 4 * workloads[0].table_bytes
        where = {"workload": workloads[0].name}
        if lines.has_room(n_bytes, WHAT, name(workload), **where):
            kept.append(workload)
    return kept


def name(workload: Workload) -> str:
    """Return the name of a table in the lines."""
    return f"jaxembed, {workload.rows} rows"


def gradients(rows: jax.Array) -> jax.Array:
    """Make gradients from the rows that were looked up."""
    return 0.1 * rows + 0.01


def sparse_step(carry: Carry, ids: jax.Array) -> tuple[Carry, None]:
    """Look rows up and move them, row by row."""
    table, state = carry
    rows = table.at[ids].get(mode="promise_in_bounds")
    return RMSPROP.update(gradients(rows), ids, state, table), None


def dense_step(carry: Carry, ids: jax.Array) -> tuple[Carry, None]:
    """Make the same step by a gradient of the whole table, and Optax."""
    table, state = carry
    rows = table.at[ids].get(mode="promise_in_bounds")
    grads = jnp.zeros_like(table).at[ids].add(gradients(rows))
    updates, state = RMSPROP.dense.update(grads, state, table)
    return (optax.apply_updates(table, updates), state), None


def start(n_rows: int, dim: int, tx: Any) -> Carry:
    """Return a table and the state of its optimizer."""
    table = jnp.full((n_rows, dim), START)
    return table, tx.init(table)


class Loop:
    """A donated program of STEPS steps that continues with each call.

    Attributes:
      carry: Table and state after the last call.
      ids: Ids of n calls, ``int32[n, STEPS, B * L]``; then they come again.
      program: Program to call.
    """

    def __init__(self, workload: Workload, batch_size: int):
        def steps(carry: Carry, ids: jax.Array) -> Carry:
            return jax.lax.scan(sparse_step, carry, ids)[0]

        self.carry: Carry = None
        self.sizes = workload.rows, workload.dim, RMSPROP
        shape = STEPS, batch_size * workload.length
        carry = jax.eval_shape(lambda: start(*self.sizes))
        ids = jax.ShapeDtypeStruct(shape, jnp.int32)
        self.program = compile_program(steps, carry, ids, donate=(0,))

    def restart(self, ids: np.ndarray) -> None:
        """Begin with a new table and other ids."""
        self.carry = None  # frees the memory of the last table
        self.carry = start(*self.sizes)
        self.ids, self._calls = list(jax.device_put(ids)), 0

    def __call__(self) -> None:
        """Call the program with the next ids."""
        ids = self.ids[self._calls % len(self.ids)]
        self.carry, self._calls = self.program.call(self.carry, ids), self._calls + 1
        jax.block_until_ready(self.carry)


def check(loops: Sequence[Loop], kind: str) -> None:
    """Call each loop once, and stop at a wrong table.

    The first table must be what Optax makes of it. Where the ids are the same, the
    others must have the same bits in these rows, and be unchanged below.
    """
    first, *others = loops
    n_rows, dim, _ = first.sizes

    @jax.jit
    def make_dense(ids: jax.Array) -> jax.Array:
        carry = start(n_rows, dim, RMSPROP.dense)
        return jax.lax.scan(dense_step, carry, ids)[0][0]

    dense = make_dense(first.ids[0])
    for loop in loops:
        loop()
    found = np.asarray(first.carry[0])
    is_right = np.allclose(found, dense, rtol=0, atol=TOLERANCE)
    is_right &= not np.all(found == START)
    for loop in others if kind == "zipf" else ():
        is_right &= np.array_equal(loop.carry[0][:n_rows], found)
        is_right &= bool(is_unchanged(loop.carry[0], n_rows))
    require_right(is_right, f"{WHAT}: a table")


@functools.partial(jax.jit, static_argnums=1)  # else the rows would be copied
def is_unchanged(table: jax.Array, n_rows: int) -> jax.Array:
    """Return whether the rows from ``n_rows`` on are those of the beginning."""
    return jnp.all(table[n_rows:] == START)


if __name__ == "__main__":
    main()
