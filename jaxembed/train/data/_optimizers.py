"""Optimizers: those of a plan, for tables and for all other parameters."""

import optax
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.typing import ArrayLike

from jaxembed.optim._sparse import RowState
from jaxembed.optim._tables import Params
from jaxembed.train._setup import Path, Paths, Plan


def make_tx(plan: Plan, sparse: Paths) -> optax.GradientTransformation:
    """Return the Optax optimizer of all parameters except the row-sparse tables.

    ``plan.table_tx.dense`` trains the tables in ``plan.tables`` that are not in
    ``sparse``. With ``plan.late``, the optimizer state has the same structure in all
    epochs.
    """
    if plan.table_tx is None or not (plan.late or plan.tables - sparse):
        return plan.tx

    def label(params: Params) -> Params:
        paths = flatten_dict(params)
        names = {path: "tables" if path in plan.tables else "rest" for path in paths}
        return unflatten_dict(names)

    return optax.partition({"tables": plan.table_tx.dense, "rest": plan.tx}, label)


def init_states(plan: Plan, tables: Params, count: ArrayLike = 0) -> Params:
    """Return new row-sparse states of tables, whose schedules start at ``count``."""
    if plan.table_tx is None:
        return {}
    states: dict[Path, RowState] = {
        path: plan.table_tx.init(table, count)
        for path, table in flatten_dict(tables).items()
    }
    return unflatten_dict(states)
