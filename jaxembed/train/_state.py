"""State: what a training run carries from step to step."""

import functools
import math
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.typing import ArrayLike

from jaxembed.train._setup import Plan
from jaxembed.train._sparse import init_states

Params = dict[str, Any]
# Folded into the key for the initial weights; no epoch has this number.
INIT = 2**32 - 1
# Fewer numbers are drawn by code that compiles in half the time, and is four times as
# slow: it runs once.
MANY = 5_000_000


class TrainState(flax.struct.PyTreeNode):
    """What training changes, and the frozen parameters beside it.

    Attributes:
      step: ``int32[]``, how many steps were made.
      params: the trainable parameters, but for row-sparse tables.
      opt_state: the optimizer's state for them.
      frozen: the frozen parameters, which no optimizer sees.
      tables: the row-sparse tables.
      table_states: their optimizer's :class:`jaxembed.optim.RowState`, at their paths.
    """

    step: jax.Array
    params: Params
    opt_state: Any
    frozen: Params
    tables: Params = flax.struct.field(default_factory=dict)
    table_states: Params = flax.struct.field(default_factory=dict)

    @property
    def variables(self) -> dict[str, Params]:
        """All parameters, as ``model.apply`` wants them."""
        return self.variables_with(self.frozen)

    def variables_with(self, frozen: Params) -> dict[str, Params]:
        """All parameters, where the frozen ones are kept apart."""
        return {"params": merge(merge(self.params, self.tables), frozen)}


def merge(params: Params, frozen: Params) -> Params:
    """One tree of two that have no leaf in common.

    Example:
      >>> merge({"head": {"kernel": 1}}, {"embed": {"embedding": 2}})
      {'head': {'kernel': 1}, 'embed': {'embedding': 2}}
    """
    return unflatten_dict(flatten_dict(params) | flatten_dict(frozen))


def split(params: Params, paths: frozenset[tuple[str, ...]]) -> tuple[Params, Params]:
    """The leaves that are not at ``paths``, and those that are.

    Example:
      >>> split({"a": {"b": 1}, "c": 2}, frozenset([("a", "b")]))
      ({'c': 2}, {'a': {'b': 1}})
    """
    leaves = flatten_dict(params)
    apart = {path: leaf for path, leaf in leaves.items() if path in paths}
    rest = {path: leaf for path, leaf in leaves.items() if path not in paths}
    return unflatten_dict(rest), unflatten_dict(apart)


def create_state(
    plan: Plan, ids: ArrayLike, *, key: jax.Array, params: Params | None = None
) -> TrainState:
    """The state before the first step.

    Args:
      plan: of the run.
      ids: ``int[B, L]``; only the shape counts.
      key: for the initial weights.
      params: initial values of all parameters, or of some, which are copied.

    Returns:
      :class:`TrainState`.

    Raises:
      ValueError: if ``params`` are none of the model's, or have other shapes.

    Example:
      >>> from jaxembed import nn, optim
      >>> from jaxembed.train import make_plan
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.FlattenDense())
      >>> ids = jnp.zeros((1, 3), jnp.int32)
      >>> plan, _ = make_plan(model, optim.rmsprop(), ids)
      >>> state = create_state(plan, ids, key=jax.random.key(0))
      >>> jax.tree.map(jnp.shape, state.params["embed"])
      {'embedding': (9, 2)}
    """
    check_params(plan, ids, params)
    # A copy: training donates its buffers.
    params = jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), params or {})
    start = jax.jit(functools.partial(start_state, plan, ids)).trace(key, params)
    n_numbers = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(start.out_info))
    is_small = jax.default_backend() == "cpu" and n_numbers < MANY
    options = {"xla_backend_optimization_level": 0} if is_small else None
    return start.lower().compile(options)(key, params)


def start_state(
    plan: Plan, ids: ArrayLike, key: jax.Array, params: Params
) -> TrainState:
    """The state of :func:`create_state`, unchecked. Pure, for ``jax.vmap``."""
    drawn = plan.model.init(jax.random.fold_in(key, INIT), ids)["params"]
    rest, frozen = split(merge(drawn, params), plan.frozen)
    rest, tables = split(rest, plan.sparse)
    states = init_states(plan.table_tx, tables)
    step = jnp.zeros((), jnp.int32)
    return TrainState(step, rest, plan.tx.init(rest), frozen, tables, states)


def check_params(plan: Plan, ids: ArrayLike, params: Params | None) -> None:
    """Refuses initial values that are none of the model's parameters.

    Raises:
      ValueError: names the first one, and the shape it should have.
    """
    shapes = jax.eval_shape(plan.model.init, jax.random.key(0), ids)["params"]
    expected = {path: leaf.shape for path, leaf in flatten_dict(shapes).items()}
    for path, leaf in sorted(flatten_dict(params or {}).items()):
        if jnp.shape(leaf) != expected.get(path):
            known = ", ".join(".".join(path) for path in expected)
            raise ValueError(
                f"params: {'.'.join(path)} must have the shape {expected.get(path)}, "
                f"as the model makes it, got {jnp.shape(leaf)}; the model has {known}."
            )
