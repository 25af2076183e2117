"""Layout: whether tables are trained row by row or whole, by what each costs here."""

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxembed.optim import SparseOptimizer
from jaxembed.train._setup import Plan
from jaxembed.train._sparse import count_ids, find_reads

LAYOUTS = ("auto", "dense", "sparse")
# Numbers in a table to measure with; a larger one is as much slower, densely.
MEASURED = 2**22
STEPS, REPEATS = 4, 3
CLEAR = 4.0  # a ratio that noise does not turn round


@functools.lru_cache
def make_dense(plan: Plan) -> Plan:
    """The plan with the same numbers that trains its row-sparse tables whole.

    Args:
      plan: with ``table_tx``.

    Returns:
      :class:`Plan`; the same one for the same plan, so that they share a program.
    """
    assert plan.table_tx is not None

    def label(params: Any) -> Any:
        leaves = flatten_dict(params)
        names = {p: "tables" if p in plan.sparse else "rest" for p in leaves}
        return unflatten_dict(names)

    tx = optax.partition({"tables": plan.table_tx.dense, "rest": plan.tx}, label)
    return dataclasses.replace(plan, tx=tx, table_tx=None, sparse=frozenset())


def check_layout(layout: str, table_tx: SparseOptimizer | None) -> None:
    """Refuses a layout that there is not, or that needs ``table_tx``.

    Raises:
      ValueError: says which there are.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {LAYOUTS}, got {layout!r}.")
    if layout != "auto" and table_tx is None:
        raise ValueError(
            f"layout={layout!r} is of tables that table_tx trains: give one, such as "
            "jaxembed.optim.sparse_rmsprop()."
        )


def choose_layout(plan: Plan, ids: np.ndarray) -> str:
    """The faster layout for a plan with ``table_tx``; see :func:`measure_layouts`."""
    shapes = jax.eval_shape(plan.model.init, jax.random.key(0), ids[:1])
    seconds = measure_layouts(plan, shapes, ids)
    return min(seconds, key=lambda name: seconds[name])


def measure_layouts(plan: Plan, shapes: Any, ids: np.ndarray) -> dict[str, float]:
    """Seconds that the update of the tables takes in a step, for each layout.

    Args:
      plan: with ``table_tx``.
      shapes: of all variables of the model.
      ids: ``int32[B, L]``, a batch of the examples.

    Returns:
      ``{"sparse": ..., "dense": ...}``; the dense one of a large table by extrapolation
      from its first rows.
    """
    assert plan.table_tx is not None
    seconds = {"sparse": 0.0, "dense": 0.0}
    reads = find_reads(plan.model, shapes, ids, plan.sparse)
    tables = flatten_dict(shapes["params"])
    for path in plan.sparse:
        n_rows, dim = tables[path].shape
        n_ids = count_ids(reads, path)
        size = max(min(n_rows, MEASURED // dim), 1)
        batch = np.resize(ids.ravel(), (STEPS, n_ids)) % size
        table = jnp.zeros((size, dim), tables[path].dtype)
        found = _time(plan.table_tx, table, jnp.asarray(batch, jnp.int32))
        seconds["sparse"] += found["sparse"]
        seconds["dense"] += found["dense"] * n_rows / size
    return seconds


def _time(tx: SparseOptimizer, table: jax.Array, ids: jax.Array) -> dict[str, float]:
    """The best of some runs, in turns; fewer where it is clear."""
    row_grads = jnp.full((ids.shape[1], table.shape[1]), 1e-3)

    def sparse(carry: Any, batch: jax.Array) -> tuple[Any, None]:
        table, state = carry
        return tx.update(row_grads, batch, state, table), None

    def dense(carry: Any, batch: jax.Array) -> tuple[Any, None]:
        table, state = carry
        grads = jnp.zeros_like(table).at[batch].add(row_grads.astype(table.dtype))
        updates, state = tx.dense.update(grads, state, table)
        return (optax.apply_updates(table, updates), state), None

    runs = {
        "sparse": _compile(sparse, (jnp.copy(table), tx.init(table)), ids),
        "dense": _compile(dense, (jnp.copy(table), tx.dense.init(table)), ids),
    }
    best = {name: float("inf") for name in runs}
    for _ in range(REPEATS):
        for name, run in runs.items():
            best[name] = min(best[name], run())
        if not 1 / CLEAR < best["dense"] / best["sparse"] < CLEAR:
            break
    return best


def _compile(step: Callable, carry: Any, ids: jax.Array) -> Callable[[], float]:
    """Seconds of a step, of a donated scan that was run once before."""
    scan = jax.jit(
        lambda carry, ids: jax.lax.scan(step, carry, ids)[0], donate_argnums=0
    )
    box = [scan(carry, ids)]

    def run() -> float:
        carry = jax.block_until_ready(box.pop())
        start = time.perf_counter()
        box.append(jax.block_until_ready(scan(carry, ids)))
        return (time.perf_counter() - start) / STEPS

    return run
