"""Plan: what is fixed when a training program is compiled, read off the model."""

import dataclasses
import functools
import inspect
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np
import optax
from jax.typing import ArrayLike

from jaxembed.nn import Embed, embedding_bag, lookup
from jaxembed.nn._summary import Call, find_tables, is_frozen, record_calls
from jaxembed.optim import SparseOptimizer
from jaxembed.train._sparse import check_reads


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
      >>> import jax.numpy as jnp
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
      >>> import jax.numpy as jnp
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
    max_norm = None if max_norm is None else float(max_norm)
    sparse = frozenset() if table_tx is None else _find_sparse(interface)
    for path in sorted(sparse):
        check_reads(model, shapes, ids, path)
    plan = Plan(model, tx, interface.frozen, table_tx, sparse, max_norm)
    return plan, interface


def _find_sparse(interface: Interface) -> frozenset[tuple[str, ...]]:
    tables = {p: c for p, c in interface.tables.items() if p not in interface.frozen}
    for path, call in tables.items():
        _check_module(".".join(path), call.module)
    if not tables:
        raise ValueError("table_tx is given, and the model has no table to train.")
    return frozenset(tables)


def _check_module(name: str, module: Any) -> None:
    """Refuses an Embed whose rows may have other gradients than its table's."""
    kind = type(module)
    if not isinstance(module, Embed):
        raise ValueError(
            f"table_tx trains {name} row by row, and so it must be of a "
            f"jaxembed.nn.Embed, not a {kind.__name__} of Flax."
        )
    reads: dict[str, tuple[Any, Any]] = {"lookup_fn": (module.lookup_fn, lookup)}
    reads |= {"bag_fn": (module.bag_fn, embedding_bag)}
    reads |= {
        method: (getattr(kind, method), getattr(Embed, method))
        for method in ("read_rows", "read_bags")
    }
    for attribute, (found, ours) in reads.items():
        is_ours = found is ours or (
            isinstance(found, functools.partial)
            and found.func is ours
            and not found.args
            and found.keywords in ({"mode": "fill"}, {"mode": "promise_in_bounds"})
        )
        if not is_ours:
            raise ValueError(
                f"table_tx trains {name} row by row, for which its {attribute} must be "
                f"that of jaxembed.nn or a partial of it with mode='fill' or "
                f"'promise_in_bounds', got {found}: train it with tx, without table_tx."
            )


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
    if max_norm is None:
        return
    if np.ndim(max_norm) or np.asarray(max_norm).dtype.kind not in "fiu":
        raise TypeError(f"max_norm must be a number, got {max_norm!r}.")
    if not 0 < max_norm < float("inf"):
        raise ValueError(f"max_norm must be a positive number, got {max_norm}.")
