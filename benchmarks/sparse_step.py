"""Whether a training step grows with the vocabulary: row-sparse against dense.

Run:     python -m benchmarks.sparse_step
Prints:  JSON lines: an RMSprop step of tables of two sizes, with the same ids and with
         ids from all of each; a step of a large table against Optax's dense one; a step
         of the notebook's first model against its dense form and against Keras.
"""

import argparse
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import _notebook_step, _timing
from jaxembed import optim

STEPS = 20  # in a scan, which is what is timed
TOLERANCE = 1e-6
Carry = tuple[jax.Array, Any]


def main(argv: list[str] | None = None) -> None:
    """Times each of the questions, its answer checked before."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs=2, default=[50_000, 4_000_000])
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--ids", type=int, default=3_200, help="of a step")
    parser.add_argument("--dense", type=int, nargs=2, default=[400_000, 300])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=31, help="of the first model")
    parser.add_argument("--examples", type=int, default=20_000, help="of an epoch")
    arguments = parser.parse_args(argv)
    for kind in ("same ids", "uniform ids"):
        time_sizes(arguments, kind)
    n_rows, dim = arguments.dense
    time_dense(n_rows, dim, arguments.ids, arguments.repeats)
    _notebook_step.main(arguments.examples, arguments.epochs)


def zipf(rng: np.random.Generator, n_rows: int, shape: tuple[int, ...]) -> np.ndarray:
    """``int32`` ids of words by Zipf's law."""
    weights = 1 / np.arange(1, n_rows + 1)
    return rng.choice(n_rows, shape, p=weights / weights.sum()).astype(np.int32)


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


RMSPROP = optim.sparse_rmsprop()


class Loop:
    """A donated program that is called again and again with what it gave.

    Attributes:
      carry: table and state after the last call.
      temp_bytes: temporary memory of the program; None where XLA does not say.
    """

    def __init__(self, run: Callable, carry: Carry, ids: np.ndarray):
        self.carry, self._ids, self._calls = carry, jax.device_put(ids), 0
        shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), carry)
        lowered = jax.jit(run, donate_argnums=0).lower(shapes, self._ids[0])
        self._run = lowered.compile()
        memory = self._run.memory_analysis()
        self.temp_bytes = None if memory is None else memory.temp_size_in_bytes

    def __call__(self) -> None:
        """One call, with the next of the ids."""
        ids = self._ids[self._calls % len(self._ids)]
        self.carry, self._calls = self._run(self.carry, ids), self._calls + 1
        jax.block_until_ready(self.carry)


def scan(step: Callable) -> Callable[[Carry, jax.Array], Carry]:
    """STEPS of a step."""
    return lambda carry, ids: jax.lax.scan(step, carry, ids)[0]


def start(n_rows: int, dim: int, tx: Any) -> Carry:
    """A table and the state of its optimizer."""
    table = jnp.full((n_rows, dim), 0.01)
    return table, tx.init(table)


def time_sizes(arguments: argparse.Namespace, kind: str) -> None:
    """Steps of two tables, of which the first is the smaller one."""
    rng = np.random.default_rng(0)
    small = min(arguments.rows)
    loops = {}
    for n_rows in arguments.rows:
        shape = (8, STEPS, arguments.ids)
        if kind == "same ids":
            ids = zipf(np.random.default_rng(0), small, shape)
        else:
            ids = rng.integers(0, n_rows, shape, dtype=np.int32)
        carry = start(n_rows, arguments.dim, RMSPROP)
        loops[f"{n_rows} rows"] = Loop(scan(sparse_step), carry, ids)
    if kind == "same ids":
        check_equal_rows(list(loops.values()), small)
    seconds = _timing.alternate(dict(loops), arguments.repeats)
    _timing.report(
        f"{STEPS} row-sparse RMSprop steps, {kind}",
        seconds,
        dim=arguments.dim,
        ids=arguments.ids,
        temp_bytes={name: loop.temp_bytes for name, loop in loops.items()},
    )


def check_equal_rows(loops: list[Loop], n_rows: int) -> None:
    """Refuses tables whose first rows differ in a bit after the same steps."""
    for loop in loops:
        loop()
    one, other = (np.asarray(loop.carry[0][:n_rows]) for loop in loops)
    if not np.array_equal(one, other) or np.all(one == one[0]):
        raise SystemExit("the tables differ: there is nothing to time.")


def time_dense(n_rows: int, dim: int, n_ids: int, repeats: int) -> None:
    """Single steps from Python, donated, of one large table."""
    ids = zipf(np.random.default_rng(0), n_rows, (8, n_ids))
    loops = {
        "jaxembed": Loop(
            lambda carry, ids: sparse_step(carry, ids)[0],
            start(n_rows, dim, RMSPROP),
            ids,
        ),
        "optax dense": Loop(
            lambda carry, ids: dense_step(carry, ids)[0],
            start(n_rows, dim, RMSPROP.dense),
            ids,
        ),
    }
    for _ in range(8):
        for loop in loops.values():
            loop()
    sparse, dense = (np.asarray(loop.carry[0]) for loop in loops.values())
    difference = float(np.abs(sparse - dense).max())
    if difference > TOLERANCE:
        raise SystemExit(f"the weights differ by {difference}: nothing is timed.")
    seconds = _timing.alternate(dict(loops), repeats)
    _timing.report(
        "RMSprop step, row-sparse and dense",
        seconds,
        rows=n_rows,
        dim=dim,
        ids=n_ids,
        distinct=int(np.mean([np.unique(batch).size for batch in ids])),
        difference=difference,
        temp_bytes={name: loop.temp_bytes for name, loop in loops.items()},
    )


if __name__ == "__main__":
    main()
