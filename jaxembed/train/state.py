"""State: what a training run carries from step to step, and what stays the same."""

import dataclasses
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.typing import ArrayLike

from jaxembed.nn import find_tables

Params = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is fixed when a training program is compiled. Equal plans share it.

    Attributes:
      model: a Linen module, called as ``model(ids, train=...)``.
      tx: the Optax optimizer of the trainable parameters.
      frozen: the paths of the parameters that stay as they are.
    """

    model: nn.Module
    tx: optax.GradientTransformation
    frozen: frozenset[tuple[str, ...]] = frozenset()


class TrainState(flax.struct.PyTreeNode):
    """What training changes, and the frozen parameters beside it.

    Attributes:
      step: ``int32[]``, how many steps were made.
      params: the trainable parameters.
      opt_state: the optimizer's state for them.
      frozen: the frozen parameters, which no optimizer sees.
    """

    step: jax.Array
    params: Params
    opt_state: Any
    frozen: Params

    @property
    def variables(self) -> dict[str, Params]:
        """All parameters, as ``model.apply`` wants them."""
        return {"params": merge(self.params, self.frozen)}


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


def make_plan(
    model: nn.Module, tx: optax.GradientTransformation, params: Params, ids: ArrayLike
) -> Plan:
    """The plan that trains ``model``, with the tables that it calls frozen left out."""
    tables = find_tables(model, {"params": params}, ids)
    frozen = [path for path, table in tables.items() if getattr(table, "frozen", False)]
    return Plan(model, tx, frozenset(frozen))


def create_state(
    model: nn.Module,
    tx: optax.GradientTransformation,
    ids: ArrayLike,
    *,
    key: jax.Array,
    params: Params | None = None,
) -> TrainState:
    """The state before the first step.

    Args:
      model: a Linen module, called as ``model(ids)``.
      tx: an Optax optimizer.
      ids: ``int[B, L]``; only the shape counts.
      key: for the initial weights.
      params: initial weights instead, which are copied.

    Returns:
      :class:`TrainState`.

    Raises:
      ValueError: if the model has variables that are no parameters, or ``params`` are
        not of the shapes that the model makes.

    Example:
      >>> from jaxembed import nn, optim
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.FlattenDense())
      >>> ids = jnp.zeros((1, 3), jnp.int32)
      >>> state = create_state(model, optim.rmsprop(), ids, key=jax.random.key(0))
      >>> jax.tree.map(jnp.shape, state.params["embed"])
      {'embedding': (9, 2)}
    """
    shapes = jax.eval_shape(model.init, key, ids)
    if set(shapes) != {"params"}:
        raise ValueError(
            f"the model must have parameters only, got the collections {list(shapes)}: "
            "a layer like BatchNorm is not supported."
        )
    if params is None:
        params = jax.jit(model.init)(key, ids)["params"]
    else:
        _check_shapes(params, shapes["params"])
        params = jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), params)
    trainable, frozen = split(params, make_plan(model, tx, params, ids).frozen)
    return TrainState(jnp.zeros((), jnp.int32), trainable, tx.init(trainable), frozen)


def _check_shapes(params: Params, shapes: Params) -> None:
    got = {path: jnp.shape(leaf) for path, leaf in flatten_dict(params).items()}
    expected = {path: leaf.shape for path, leaf in flatten_dict(shapes).items()}
    for path in sorted(got.keys() | expected.keys()):
        if got.get(path) != expected.get(path):
            raise ValueError(
                f"params: {'.'.join(path)} must have the shape {expected.get(path)}, "
                f"as the model makes it, got {got.get(path)}."
            )
