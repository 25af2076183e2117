"""Steps: a training step of one batch, dense and row-sparse."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from benchmarks.tpu.case import KEY, Case, Maker, Size, shape_of
from jaxembed import nn, optim, train

RATE = 1e-3
# Optimizer of the table, its numbers read and written for each number of a row (table
# and moments), and for each row (such as the step of its last update).
SPARSE: dict[str, tuple[optim.SparseOptimizer, int, int]] = {
    "SGD": (optim.sparse_sgd(RATE), 2, 0),
    "Adagrad": (optim.sparse_adagrad(RATE), 4, 0),
    "Adagrad of rows": (optim.sparse_adagrad(RATE, per_row=True), 2, 2),
    "RMSprop": (optim.sparse_rmsprop(RATE), 4, 2),
    "lazy Adam": (optim.lazy_adam(RATE), 6, 0),
}
# Optimizer of all parameters, and its numbers read and written for each number of the
# table: the gradient twice, the table twice, and each moment twice.
DENSE: dict[str, tuple[optax.GradientTransformation, int]] = {
    "SGD": (optax.sgd(RATE), 4),
    "Adagrad": (optax.adagrad(RATE), 6),
    "RMSprop": (optim.rmsprop(RATE), 6),
    "Adam": (optax.adam(RATE), 8),
}


def make_state(
    size: Size,
    model: Any,
    tx: optax.GradientTransformation,
    *,
    table_tx: optim.SparseOptimizer | None = None,
) -> tuple[train.Plan, train.TrainState, dict]:
    """Return the plan, and the shapes of the state and of its frozen parameters.

    With ``table_tx`` the tables are trained row by row, whatever the sizes.
    """
    plan, _ = train.make_plan(model, tx, size.ids, table_tx=table_tx)

    def create(key: jax.Array) -> train.TrainState:
        return train.create_state(plan, size.ids, key=key, sparse=plan.tables)

    state = jax.eval_shape(create, KEY)
    return plan, state.replace(frozen={}), state.frozen


def make_step(size: Size, model: Any, **optimizers: Any) -> Case:
    """Return a training step of a model, whose state is donated."""
    plan, state, frozen = make_state(size, model, **optimizers)
    mask = shape_of((size.batch_size,), jnp.bool_)
    batch = train.Batch(size.ids, size.labels, mask)

    def step(state: Any, frozen: Any, batch: train.Batch, key: jax.Array) -> Any:
        return train.step(plan, state, frozen, batch, key)

    arguments = state, frozen, batch, KEY
    return Case(
        size, step, arguments, donate=(0,), dense=bool(state.params.get("embed"))
    )


def make_linear(size: Size) -> nn.TextClassifier:
    """Return the smallest model: a linear classifier of bags."""
    embed = nn.Embed(size.rows, size.dim)
    return nn.TextClassifier(embed, nn.DenseHead(), pool="mean")


def make_dense_step(size: Size, *, name: str) -> Case:
    """Return a step in which an Optax optimizer trains the table."""
    tx, numbers = DENSE[name]
    fewest = 4 * size.n_ids + size.distinct_bytes + numbers * size.table_bytes
    return make_step(size, make_linear(size), tx=tx)._replace(fewest_bytes=fewest)


def make_sparse_step(size: Size, *, name: str) -> Case:
    """Return a step that updates only the rows of the batch."""
    table_tx, numbers, per_row = SPARSE[name]
    distinct = min(size.n_ids, size.rows)
    fewest = 4 * size.n_ids + numbers * size.distinct_bytes + 4 * per_row * distinct
    case = make_step(size, make_linear(size), tx=optax.sgd(RATE), table_tx=table_tx)
    return case._replace(fewest_bytes=fewest)


def make_update(size: Size, *, name: str) -> Case:
    """Return the update of a table alone, given the gradient of each looked-up row."""
    table_tx, numbers, per_row = SPARSE[name]
    distinct = min(size.n_ids, size.rows)
    fewest = size.n_ids * (4 + size.row_bytes) + numbers * size.distinct_bytes
    fewest += 4 * per_row * distinct
    grads = {"embedding": shape_of((size.n_ids, size.dim))}
    ids = shape_of((size.n_ids,), jnp.int32)
    table = size.table["embedding"]
    # Moments and row gradients have the format of the table, by its name.
    tables = {"embedding": (table, jax.eval_shape(table_tx.init, table))}

    def update(tables: dict, grads: dict, ids: jax.Array) -> dict:
        table, state = tables["embedding"]
        return {"embedding": table_tx.update(grads["embedding"], ids, state, table)}

    return Case(size, update, (tables, grads, ids), fewest, donate=(0,))


def make_frozen_step(size: Size) -> Case:
    """Return a step that trains the head on bags of a frozen table."""
    embed = nn.Embed(size.rows, size.dim, frozen=True)
    model = nn.TextClassifier(embed, nn.DenseHead(), pool="mean")
    fewest = 4 * size.n_ids + size.distinct_bytes
    return make_step(size, model, tx=optim.rmsprop(RATE))._replace(fewest_bytes=fewest)


STEPS: dict[str, Maker] = {
    **{
        f"step, dense {name}": functools.partial(make_dense_step, name=name)
        for name in DENSE
    },
    **{
        f"step, row-sparse {name}": functools.partial(make_sparse_step, name=name)
        for name in SPARSE
    },
    **{
        f"update, row-sparse {name}": functools.partial(make_update, name=name)
        for name in SPARSE
    },
    "step, frozen table": make_frozen_step,
}
