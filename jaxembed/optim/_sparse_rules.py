"""Row-sparse optimizers: SGD, Adagrad, RMSprop, and lazy Adam."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxembed.optim._checks import check_settings, refuse
from jaxembed.optim._keras_rmsprop import rmsprop
from jaxembed.optim._sparse import Rule, SparseOptimizer, init_moments, make_sparse


def sparse_sgd(
    learning_rate: optax.ScalarOrSchedule, *, momentum: float | None = None
) -> SparseOptimizer:
    """Return ``optax.sgd`` of a table, at the cost of the rows of the batch.

    Args:
      learning_rate: a number, or a schedule of the step.
      momentum: not supported, since momentum moves rows without a gradient.

    Returns:
      :class:`SparseOptimizer`, exact: a row without a gradient does not move.

    Raises:
      ValueError: if ``momentum`` is given.

    Example:
      >>> tx, table = sparse_sgd(0.5), jnp.ones((4, 1))
      >>> ids, row_grads = jnp.array([2, 0, 2]), jnp.ones((3, 1))
      >>> table, _ = tx.update(row_grads, ids, tx.init(table), table)
      >>> table[:, 0].tolist()
      [0.5, 1.0, 0.0, 1.0]
    """
    refuse("momentum", momentum, "optax.sgd(..., momentum=...)")
    check_settings(learning_rate=learning_rate)

    def step(grads: jax.Array, moments: dict, count: jax.Array) -> tuple:
        return -_rate(learning_rate, count) * grads, moments

    return make_sparse(Rule({}, step), optax.sgd(learning_rate))


def sparse_adagrad(
    learning_rate: optax.ScalarOrSchedule,
    *,
    per_row: bool = False,
    initial_accumulator_value: float = 0.1,
    eps: float = 1e-7,
) -> SparseOptimizer:
    """Return ``optax.adagrad`` of a table, at the cost of the rows of the batch.

    Args:
      learning_rate: a number, or a schedule of the step.
      per_row: True for one accumulator per row, which sums the mean square of the row's
        gradient (Gupta, Koren and Singer 2014) and needs ``1 / D`` of the memory; False
        for one per element.
      initial_accumulator_value: initial value of each accumulator.
      eps: added to the accumulator, inside the root.

    Returns:
      :class:`SparseOptimizer`, exact: a row without a gradient does not move.

    Raises:
      ValueError: if a setting is negative.

    Example:
      >>> tx, table = sparse_adagrad(0.5, per_row=True), jnp.ones((4, 2))
      >>> row_grads, ids = jnp.array([[3.0, 4.0]]), jnp.array([2])
      >>> table, state = tx.update(row_grads, ids, tx.init(table), table)
      >>> state.moments["sum_of_squares"].round(3)
      Array([ 0.1,  0.1, 12.6,  0.1], dtype=float32)
    """
    settings = {"initial_accumulator_value": initial_accumulator_value, "eps": eps}
    check_settings(learning_rate=learning_rate, **settings)

    def step(grads: jax.Array, moments: dict, count: jax.Array) -> tuple:
        squares = jnp.square(grads)
        squares = squares.mean(-1) if per_row else squares
        total = squares + moments["sum_of_squares"]
        # 0 before the first gradient, as in Optax.
        scale = jnp.where(total > 0, jax.lax.rsqrt(total + eps), 0.0)
        scale = scale[:, None] if per_row else scale
        updates = -_rate(learning_rate, count) * (scale * grads)
        return updates, {"sum_of_squares": total}

    rule = Rule({"sum_of_squares": initial_accumulator_value}, step, per_row)
    if per_row:
        return make_sparse(rule, _make_dense(rule))
    dense = optax.adagrad(learning_rate, initial_accumulator_value, eps)
    return make_sparse(rule, dense)


def sparse_rmsprop(
    learning_rate: optax.ScalarOrSchedule = 1e-3,
    *,
    decay: float = 0.9,
    eps: float = 1e-7,
    momentum: float | None = None,
    centered: bool = False,
) -> SparseOptimizer:
    """Return :func:`rmsprop` of a table, at the cost of the rows of the batch.

    A row without a gradient does not move, but its ``nu`` decays. This decay is
    deferred: the state holds the step up to which a row is decayed, and the next update
    of the row first multiplies ``nu`` by ``decay ** steps``. So the weights equal those
    of the dense rule.

    Args:
      learning_rate: a number, or a schedule of the step.
      decay: decay of ``nu``, the mean of the squared gradients.
      eps: added to ``nu``, inside the root.
      momentum: not supported, since momentum moves rows without a gradient.
      centered: not supported, since the mean gradient of a row changes in every step.

    Returns:
      :class:`SparseOptimizer`, exact up to rounding.

    Raises:
      ValueError: if ``momentum`` or ``centered`` is given, or a setting is out of
        range.

    Example:
      >>> tx, table = sparse_rmsprop(0.1), jnp.zeros((4, 1))
      >>> ids, row_grads = jnp.array([2]), jnp.array([[2.0]])
      >>> table, state = tx.update(row_grads, ids, tx.init(table), table)
      >>> table[2].round(4)  # -0.1 * 2 / sqrt(0.1 * 4)
      Array([-0.3162], dtype=float32)
    """
    refuse("momentum", momentum, "optax.rmsprop(..., momentum=...)")
    refuse("centered", centered, "optax.rmsprop(..., centered=True)")
    check_settings(learning_rate=learning_rate, decay=decay, eps=eps)

    def step(grads: jax.Array, moments: dict, count: jax.Array) -> tuple:
        nu = (1 - decay) * jnp.square(grads) + decay * moments["nu"]
        updates = -_rate(learning_rate, count) * (jax.lax.rsqrt(nu + eps) * grads)
        return updates, {"nu": nu}

    dense = rmsprop(learning_rate, decay=decay, eps=eps)
    return make_sparse(Rule({"nu": 0.0}, step, decay=decay), dense)


def lazy_adam(
    learning_rate: optax.ScalarOrSchedule = 1e-3,
    *,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> SparseOptimizer:
    """Return lazy Adam, which skips rows whose gradient is zero, and their moments.

    Adam's momentum keeps moving such rows, so an exact Adam cannot be row-sparse. Lazy
    Adam equals TensorFlow's ``LazyAdam``. torch's ``SparseAdam`` differs in ``eps``,
    which it adds before the bias correction. The correction uses the number of all
    steps. ``dense`` applies the same rule to all rows.

    Args:
      learning_rate: a number, or a schedule of the step.
      b1: decay of the mean of the gradients.
      b2: decay of the mean of the squared gradients.
      eps: added outside of the root.

    Returns:
      :class:`SparseOptimizer`.

    Raises:
      ValueError: if a setting is out of range.

    Example:
      >>> tx, table = lazy_adam(0.5), jnp.zeros((3, 1))
      >>> state, ids = tx.init(table), jnp.array([1])
      >>> table, state = tx.update(jnp.array([[2.0]]), ids, state, table)
      >>> table[:, 0].round(4)
      Array([ 0. , -0.5,  0. ], dtype=float32)
    """
    check_settings(learning_rate=learning_rate, b1=b1, b2=b2, eps=eps)

    def step(grads: jax.Array, moments: dict, count: jax.Array) -> tuple:
        has_grad = jnp.any(grads != 0, -1, keepdims=True)
        mu = b1 * moments["mu"] + (1 - b1) * grads
        nu = b2 * moments["nu"] + (1 - b2) * jnp.square(grads)
        steps = (count + 1).astype(jnp.float32)
        mean, square = mu / (1 - b1**steps), nu / (1 - b2**steps)
        updates = -_rate(learning_rate, count) * (mean / (jnp.sqrt(square) + eps))
        after = {"mu": mu, "nu": nu}
        kept = {n: jnp.where(has_grad, after[n], moments[n]) for n in after}
        return jnp.where(has_grad, updates, 0.0), kept

    rule = Rule({"mu": 0.0, "nu": 0.0}, step)
    return make_sparse(rule, _make_dense(rule))


def _rate(learning_rate: optax.ScalarOrSchedule, count: jax.Array) -> jax.Array | float:
    return learning_rate(count) if callable(learning_rate) else learning_rate


class DenseState(NamedTuple):
    """State of a rule that is applied to all rows.

    Attributes:
      count: ``int32[]``, number of steps done.
      moments: trees like the parameters, by the name of the moment.
    """

    count: jax.Array  # type: ignore[assignment]  # not tuple.count
    moments: dict[str, optax.Params]


def _make_dense(rule: Rule) -> optax.GradientTransformation:
    """Return a rule that Optax lacks as an Optax transformation."""

    def init(params: optax.Params) -> DenseState:
        leaves, tree = jax.tree.flatten(params)
        all_moments = [init_moments(rule, leaf) for leaf in leaves]
        moments = {
            name: jax.tree.unflatten(tree, [found[name] for found in all_moments])
            for name in rule.start
        }
        return DenseState(jnp.zeros((), jnp.int32), moments)

    def update(
        grads: optax.Updates, state: DenseState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, DenseState]:
        leaves, tree = jax.tree.flatten(grads)
        found = {n: jax.tree.leaves(m) for n, m in state.moments.items()}
        updates, after = [], []
        for i, leaf in enumerate(leaves):
            moments = {name: values[i] for name, values in found.items()}
            change, moments = rule.step(leaf.astype(jnp.float32), moments, state.count)
            updates.append(change.astype(leaf.dtype))
            after.append(moments)
        moments = {n: jax.tree.unflatten(tree, [m[n] for m in after]) for n in found}
        new = state._replace(count=state.count + 1, moments=moments)
        return jax.tree.unflatten(tree, updates), new

    return optax.GradientTransformation(init, update)
