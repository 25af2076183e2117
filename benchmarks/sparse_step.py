"""Row-sparse step: its time against the size of the vocabulary.

Run:     python -m benchmarks.sparse_step
         python -m benchmarks.sparse_step --large
         python -m benchmarks.sparse_step --workload 50000x64x100 10000000x64x100
Prints:  JSON lines of seconds per step of RMSprop, for each batch size, kind of ids and
         table. The tables take turns.

A workload is a table. Workloads differ in the number of rows only. With ids "zipf", all
tables get the same ids: ids of the smallest table, drawn by Zipf's law. With ids
"uniform", the ids of a table are drawn from all of its rows. A step updates the rows of
B x L ids. Ratios are relative to the smallest table. In a line, workload is the
smallest table, and rows is the number of rows of the measured table.
benchmarks.train_step compares with other libraries.
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
from benchmarks.harness.plan import announce
from benchmarks.harness.turns import measure, require_right
from benchmarks.harness.workloads import Workload, make_ids
from jaxembed import optim

WHAT = "sparse step by table"
WORKLOADS, LARGE = ("50000x64x100", "500000x64x100"), ("4000000x64x100",)
KINDS = ("zipf", "uniform")
STEPS = 20  # steps in a timed scan
START = 0.01  # initial value of the table
TOLERANCE = 1e-6
OVERHEAD_S = 3  # seconds to make and check the tables on two cores, about
RMSPROP = optim.sparse_rmsprop()
Carry = Any  # table and state


def main(argv: list[str] | None = None) -> None:
    """Check the tables, then time them, for all batch sizes."""
    parser = options.make_parser(
        "sparse_step",
        __doc__,
        peers=(),
        workloads=WORKLOADS,
        large=LARGE,
        batch_sizes=(32,),
    )
    arguments = parser.parse_args(argv)
    workloads = sorted(arguments.workload, key=lambda workload: workload.rows)
    if len({workload.rows for workload in workloads}) < max(len(workloads), 2):
        parser.error("--workload must name two or more tables of different sizes.")
    if len({(workload.dim, workload.length) for workload in workloads}) > 1:
        parser.error("--workload must name tables that differ in their rows only.")
    with options.open_lines(arguments) as lines:
        n = len(KINDS) * len(arguments.batch_sizes)
        seconds = n * (1.5 * arguments.seconds + OVERHEAD_S * len(workloads))
        announce(lines, arguments, (), n_measurements=n, seconds=seconds)
        workloads = leave_out(workloads, lines)
        for batch_size in arguments.batch_sizes if workloads else ():
            time_tables(workloads, batch_size, arguments.seconds, lines)


def time_tables(
    workloads: Sequence[Workload], batch_size: int, budget_s: float, lines: Lines
) -> None:
    """Check the steps of all tables, then time them in turns, for each kind of ids."""
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
        seconds = measure(dict(loops), budget_s)
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
    """Return the tables that fit into memory; write a line for each larger table."""
    kept: list[Workload] = []
    for workload in workloads:
        # Tables and moments; and a dense step of the smallest table with its gradient.
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
    """Look up rows and update only these rows."""
    table, state = carry
    rows = table.at[ids].get(mode="promise_in_bounds")
    return RMSPROP.update(gradients(rows), ids, state, table), None


def dense_step(carry: Carry, ids: jax.Array) -> tuple[Carry, None]:
    """Run the same step with a dense gradient and Optax."""
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
    """Compiled loop of ``STEPS`` steps on one table.

    A call continues from the table of the previous call, whose buffers are donated.

    Attributes:
      carry: Table and optimizer state after the last call.
      ids: Ids of n calls, ``int32[n, STEPS, B * L]``, reused cyclically.
      program: Compiled loop.
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
        """Start again with a new table and other ids."""
        self.carry = None  # frees the memory of the old table
        self.carry = start(*self.sizes)
        self.ids, self._calls = list(jax.device_put(ids)), 0

    def __call__(self) -> None:
        """Call the program with the next ids."""
        ids = self.ids[self._calls % len(self.ids)]
        self.carry, self._calls = self.program.call(self.carry, ids), self._calls + 1
        jax.block_until_ready(self.carry)


def check(loops: Sequence[Loop], kind: str) -> None:
    """Call each loop once, and stop at a wrong table.

    The first table must be equal to Optax's. With the same ids (zipf), each larger
    table must have the same bits in these rows and be unchanged in all further rows.
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


@functools.partial(
    jax.jit, static_argnums=1
)  # compiled, so that the rows are not copied
def is_unchanged(table: jax.Array, n_rows: int) -> jax.Array:
    """Return whether the rows from ``n_rows`` on have their initial values."""
    return jnp.all(table[n_rows:] == START)


if __name__ == "__main__":
    main()
