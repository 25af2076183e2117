"""State: what a training run carries from step to step, and what stays the same."""

import dataclasses
import inspect
from typing import Any, NamedTuple

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.typing import ArrayLike

from jaxembed.nn import Call, Embed, find_tables, is_frozen, record_calls
from jaxembed.optim import SparseOptimizer
from jaxembed.train.tables import init_states

Params = dict[str, Any]
# Folded into the key for the initial weights; no epoch has this number.
INIT = 2**32 - 1


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is fixed when a training program is compiled. Equal plans share it.

    Attributes:
      model: a Linen module, called as ``model(ids, train=...)``.
      tx: the Optax optimizer of the trainable parameters, but for row-sparse tables.
      frozen: the paths of the parameters that stay as they are.
      table_tx: the optimizer of row-sparse tables.
      sparse: the paths of these tables.
      max_norm: to which the norm of all gradients together is clipped, or None.
    """

    model: nn.Module
    tx: optax.GradientTransformation
    frozen: frozenset[tuple[str, ...]] = frozenset()
    table_tx: SparseOptimizer | None = None
    sparse: frozenset[tuple[str, ...]] = frozenset()
    max_norm: float | None = None


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


class Interface(NamedTuple):
    """What a model takes and gives.

    Attributes:
      num_embeddings: ids are below it: V of the smallest table that reads them; None
        if there is none.
      classes: how many classes its logits tell apart.
      frozen: the paths of the tables that stay as they are.
      tables: the calls of all tables, by the path of the table.
    """

    num_embeddings: int | None
    classes: int
    frozen: frozenset[tuple[str, ...]]
    tables: dict[tuple[str, ...], Call]


def inspect_model(model: nn.Module, variables: Any, ids: ArrayLike) -> Interface:
    """The :class:`Interface` of a model, found by running it on shapes alone.

    Raises:
      ValueError: if it returns other axes than ``[B]`` or ``[B, C]``.

    Example:
      >>> from jaxembed.nn import Embed, FlattenDense, TextClassifier
      >>> model, ids = TextClassifier(Embed(9, 2), FlattenDense()), jnp.array([[1, 2]])
      >>> inspect_model(model, model.init(jax.random.key(0), ids), ids)[:3]
      (9, 2, frozenset())
    """
    calls = record_calls(model, variables, ids)
    tables = find_tables(calls)
    output = calls[-1].output
    shape: tuple[int, ...] = () if output is None else output.shape
    if len(shape) not in (1, 2):
        raise ValueError(
            "the model must return logits with the axes [B] or [B, C], got "
            f"{list(shape)}."
        )
    # A table of positions, or of anything but the ids, says nothing about them.
    limits = [t.module.num_embeddings for t in tables.values() if t.reads_ids]
    frozen = [path for path, table in tables.items() if is_frozen(table.module)]
    classes = 2 if len(shape) == 1 else shape[1]
    return Interface(min(limits, default=None), classes, frozenset(frozen), tables)


def make_plan(
    model: nn.Module,
    tx: optax.GradientTransformation,
    ids: ArrayLike,
    *,
    table_tx: SparseOptimizer | None = None,
    max_norm: float | None = None,
) -> tuple[Plan, Interface]:
    """The plan that trains all of ``model`` but its frozen tables.

    Args:
      model: a Linen module, called as ``model(ids, train=...)``.
      tx: an Optax optimizer.
      ids: ``int[B, L]``; only the shape counts.
      table_tx: an optimizer of the tables that are not frozen, row by row.
      max_norm: to which the norm of all gradients together is clipped.

    Returns:
      The plan, and what it was made from.

    Raises:
      TypeError: if the model does not take ``train``, or an optimizer is of the kind
        of the other.
      ValueError: if it has variables that are no parameters, or no table for
        ``table_tx``, or if ``max_norm`` is not positive.

    Example:
      >>> from jaxembed import nn, optim
      >>> model = nn.TextClassifier(nn.Embed(9, 2, frozen=True), nn.FlattenDense())
      >>> plan, _ = make_plan(model, optim.rmsprop(), jnp.array([[1, 2, 3]]))
      >>> plan.frozen
      frozenset({('embed', 'embedding')})
    """
    arguments = inspect.signature(type(model).__call__).parameters
    if "train" not in arguments:
        raise TypeError(
            f"{type(model).__name__} must take the argument train: bool, which says "
            f"whether dropout is active; it takes {list(arguments)[1:]}."
        )
    shapes = jax.eval_shape(model.init, jax.random.key(0), ids)
    if set(shapes) != {"params"}:
        raise ValueError(
            f"the model must have parameters only, got the collections {list(shapes)}: "
            "a layer like BatchNorm is not supported."
        )
    interface = inspect_model(model, shapes, ids)
    _check_optimizers(tx, table_tx, max_norm)
    sparse = frozenset() if table_tx is None else _find_sparse(interface)
    plan = Plan(model, tx, interface.frozen, table_tx, sparse, max_norm)
    return plan, interface


def _find_sparse(interface: Interface) -> frozenset[tuple[str, ...]]:
    tables = {p: c for p, c in interface.tables.items() if p not in interface.frozen}
    for path, call in tables.items():
        if not isinstance(call.module, Embed):
            raise ValueError(
                f"table_tx trains {'.'.join(path)} row by row, and so it must be of a "
                f"jaxembed.nn.Embed, not a {type(call.module).__name__} of Flax."
            )
    if not tables:
        raise ValueError("table_tx is given, and the model has no table to train.")
    return frozenset(tables)


def _check_optimizers(tx: Any, table_tx: Any, max_norm: float | None) -> None:
    if isinstance(tx, SparseOptimizer):
        raise TypeError(
            "tx is a row-sparse optimizer, which can train tables only: give it as "
            "table_tx, and an Optax optimizer of the other parameters as tx."
        )
    if table_tx is not None and not isinstance(table_tx, SparseOptimizer):
        raise TypeError(
            f"table_tx must be a row-sparse optimizer of jaxembed.optim, got "
            f"{type(table_tx).__name__}: an Optax one trains the tables as tx."
        )
    if max_norm is not None and not 0 < max_norm < float("inf"):
        raise ValueError(f"max_norm must be a positive number, got {max_norm}.")


def create_state(
    plan: Plan, ids: ArrayLike, *, key: jax.Array, params: Params | None = None
) -> TrainState:
    """The state before the first step.

    Args:
      plan: of the run.
      ids: ``int[B, L]``; only the shape counts.
      key: for the initial weights.
      params: initial weights instead, which are copied.

    Returns:
      :class:`TrainState`.

    Raises:
      ValueError: if ``params`` are not of the shapes that the model makes.

    Example:
      >>> from jaxembed import nn, optim
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.FlattenDense())
      >>> ids = jnp.zeros((1, 3), jnp.int32)
      >>> plan, _ = make_plan(model, optim.rmsprop(), ids)
      >>> state = create_state(plan, ids, key=jax.random.key(0))
      >>> jax.tree.map(jnp.shape, state.params["embed"])
      {'embedding': (9, 2)}
    """
    if params is not None:
        shapes = jax.eval_shape(plan.model.init, key, ids)["params"]
        _check_shapes(params, shapes)
        # A copy: training donates its buffers.
        params = jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), params)

    def start(key: jax.Array, params: Params | None) -> TrainState:
        if params is None:
            params = plan.model.init(jax.random.fold_in(key, INIT), ids)["params"]
        rest, frozen = split(params, plan.frozen)
        rest, tables = split(rest, plan.sparse)
        states = init_states(plan.table_tx, tables)
        step = jnp.zeros((), jnp.int32)
        return TrainState(step, rest, plan.tx.init(rest), frozen, tables, states)

    # It runs once: what counts is how fast it compiles, here in half the time.
    on_cpu = jax.default_backend() == "cpu"
    options = {"xla_backend_optimization_level": 0} if on_cpu else None
    return jax.jit(start, compiler_options=options)(key, params)


def _check_shapes(params: Params, shapes: Params) -> None:
    got = {path: jnp.shape(leaf) for path, leaf in flatten_dict(params).items()}
    expected = {path: leaf.shape for path, leaf in flatten_dict(shapes).items()}
    for path in sorted(got.keys() | expected.keys()):
        if got.get(path) != expected.get(path):
            raise ValueError(
                f"params: {'.'.join(path)} must have the shape {expected.get(path)}, "
                f"as the model makes it, got {got.get(path)}."
            )
