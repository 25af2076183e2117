"""Setup: the plan of a training run and the interface of its model, from shapes."""

import dataclasses
import functools
import warnings
from typing import NamedTuple

import flax.linen as nn
import jax
import numpy as np
import optax
from flax.traverse_util import flatten_dict
from jax.sharding import Mesh

from jaxembed._checks import MAX_IDS, check_count, check_positive
from jaxembed.dist import Rules, shard_model
from jaxembed.nn._hooks import check_embed
from jaxembed.nn._inspect import Ids, Path, Table, Variables, find_tables
from jaxembed.nn._row_grads import check_lookups
from jaxembed.optim import SparseOptimizer
from jaxembed.train._losses import CROSS_ENTROPY, check_loss
from jaxembed.train.data._arguments import check_optimizers, find_shapes
from jaxembed.train.sharded._shards import Shards, find_shards, make_rules

Paths = frozenset[Path]


@dataclasses.dataclass(frozen=True)
class Plan:
    """Settings that are fixed when a training program is compiled.

    A plan is a static argument of ``jax.jit``. Two plans are equal if their models are
    equal and their optimizers identical, so reuse ``tx`` to reuse a compiled program.

    Attributes:
      model: a Linen module, called as ``model(ids, train=...)``.
      tx: Optax optimizer of the trainable parameters.
      table_tx: row-sparse optimizer of ``tables``; None to train them with ``tx``.
      max_norm: largest global norm of all gradients together; None to clip nothing.
      frozen: paths of the parameters that are never trained.
      tables: paths of the tables that ``table_tx`` trains.
      late: paths of the tables that are frozen in the first epochs.
      unfreeze_after: number of epochs in which ``late`` is frozen.
      loss: name of the loss, see :func:`jaxembed.train.example_losses`.
      shards: placement of the tables on a mesh; None for one device.
    """

    model: nn.Module
    tx: optax.GradientTransformation
    table_tx: SparseOptimizer | None = None
    max_norm: float | None = None
    frozen: Paths = frozenset()
    tables: Paths = frozenset()
    late: Paths = frozenset()
    unfreeze_after: int = 0
    loss: str = CROSS_ENTROPY
    shards: Shards | None = None

    def __post_init__(self) -> None:
        # Hashed once: jit hashes the plan at each call.
        object.__setattr__(self, "_hash", hash(tuple(vars(self).values())))

    def __hash__(self) -> int:
        return self.__dict__["_hash"]

    @property
    def rules(self) -> Rules | None:
        """Sharding rules of the mesh; None for one device."""
        return None if self.shards is None else self.shards.rules

    @functools.cached_property
    def network(self) -> nn.Module:
        """The model as a program runs it: on a mesh, with tables in shard order."""
        return self.model if not self.rules else shard_model(self.model, self.rules)

    def at(self, epoch: int) -> "Plan":
        """Return the plan of an epoch; ``late`` is frozen before ``unfreeze_after``."""
        frozen = self.frozen
        if epoch < self.unfreeze_after:
            frozen |= self.late
        return dataclasses.replace(self, frozen=frozen, unfreeze_after=0)


class Interface(NamedTuple):
    """Ids that a model accepts, and classes that it predicts.

    Attributes:
      limits: ``int64[L]``, an upper bound for each column; 0 if no table reads it.
      classes: number of classes.
      tables: the tables of the model, by path.
      is_flat: whether the logits have the axes [B], one number for each example.
    """

    limits: np.ndarray
    classes: int
    tables: dict[Path, Table]
    is_flat: bool = True

    @property
    def frozen(self) -> Paths:
        """Paths of the tables with ``frozen=True``."""
        return frozenset(path for path, t in self.tables.items() if t.frozen)

    @property
    def unchecked(self) -> list[str]:
        """Names of the tables whose ids cannot be checked before training."""
        tables = self.tables.items()
        return [".".join(path) for path, table in tables if table.columns is None]


def inspect_model(model: nn.Module, variables: Variables, ids: Ids) -> Interface:
    """Return the :class:`Interface` of a model, from shapes alone.

    Args:
      model: a Linen module, called as ``model(ids)``.
      variables: the result of ``model.init``, or its shapes.
      ids: ``int[B, L]``, or its shape.

    Raises:
      ValueError: if the model returns other axes than ``[B]`` or ``[B, C]``.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxembed.nn import DenseHead, Embed, TextClassifier
      >>> model, ids = TextClassifier(Embed(9, 2), DenseHead()), jnp.array([[1, 2]])
      >>> inspect_model(model, model.init(jax.random.key(0), ids), ids)[:2]
      (array([9, 9]), 2)
    """
    calls, tables = find_tables(model, variables, ids)
    shape: tuple[int, ...] = getattr(calls[-1].output, "shape", ())
    if len(shape) not in (1, 2):
        raise ValueError(
            "the model must return logits with the axes [B] or [B, C], got "
            f"{list(shape)}."
        )
    limits = np.full(np.shape(ids)[-1], MAX_IDS)
    for table in tables.values():
        if table.columns is not None:
            n_rows = table.module.num_embeddings
            limits[table.columns] = np.minimum(limits[table.columns], n_rows)
    if limits.min() < MAX_IDS and all(t.columns is not None for t in tables.values()):
        limits[limits == MAX_IDS] = 0  # no table reads these columns
    is_flat = len(shape) == 1
    return Interface(limits, 2 if is_flat else shape[1], tables, is_flat)


def warn_unchecked(interface: Interface, *, stacklevel: int = 3) -> None:
    """Warn if the ids that a table reads cannot be checked before training."""
    if not interface.tables:
        warnings.warn(
            "ids were not checked: the model does not use an Embed of Linen. An id out "
            "of range may read as NaN.",
            stacklevel=stacklevel,
        )
    if interface.unchecked:
        warnings.warn(
            "ids were not checked against the rows of "
            f"{', '.join(interface.unchecked)}: the model computes these ids, or looks "
            "them up inside nn.scan or nn.vmap. An id out of range is named later.",
            stacklevel=stacklevel,
        )


def make_plan(
    model: nn.Module,
    tx: optax.GradientTransformation,
    ids: Ids,
    *,
    table_tx: SparseOptimizer | None = None,
    max_norm: float | None = None,
    unfreeze_after: int = 0,
    loss: str = CROSS_ENTROPY,
    mesh: Mesh | Rules | None = None,
) -> tuple[Plan, Interface]:
    """Return the plan that trains all parameters of ``model`` except frozen tables.

    Args:
      model: a Linen module, called as ``model(ids, train=...)``.
      tx: an Optax optimizer.
      ids: ``int[B, L]``, or its shape.
      table_tx: a row-sparse optimizer of the tables that are not frozen.
      max_norm: global norm to which all gradients together are clipped.
      unfreeze_after: number of epochs in which all tables are frozen.
      loss: name of the loss, see :func:`jaxembed.train.example_losses`.
      mesh: mesh of ``dist.make_mesh``, or sharding rules, to spread the rows of tables
        and the examples over devices; None for one device.

    Returns:
      The plan, and the interface of the model.

    Raises:
      TypeError: if the model does not take ``train``, if ``tx`` and ``table_tx`` are
        interchanged, or if a number or ``mesh`` has another type.
      ValueError: if the model has variables that are not parameters, or not the table
        that ``table_tx`` or ``unfreeze_after`` needs, if a number is out of range, or
        if ``mesh`` lacks an axis or the model makes its ``Embed`` itself.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxembed import nn, optim
      >>> model = nn.TextClassifier(nn.Embed(9, 2, frozen=True), nn.DenseHead())
      >>> plan, _ = make_plan(model, optim.rmsprop(), jnp.array([[1, 2, 3]]))
      >>> plan.frozen
      frozenset({('embed', 'embedding')})
    """
    shapes = find_shapes(model, ids)
    interface = inspect_model(model, shapes, ids)
    check_optimizers(tx, table_tx)
    trained = frozenset(interface.tables) - interface.frozen
    tables: Paths = frozenset()
    if table_tx is not None:
        tables = trained
        if not tables:
            raise ValueError(
                "table_tx needs a trainable table, and the model does not have one: "
                "leave table_tx out, or use an Embed with frozen=False."
            )
        for path in sorted(tables):
            check_embed(interface.tables[path].module, ".".join(path))
            check_lookups(model, shapes, ids, path)
    unfreeze_after = check_count("unfreeze_after", unfreeze_after, least=0)
    if unfreeze_after and not trained:
        raise ValueError(
            f"unfreeze_after={unfreeze_after} needs a trainable table, and the model "
            "does not have one: leave unfreeze_after out, or use an Embed with "
            "frozen=False."
        )
    shards = None if mesh is None else make_shards(model, mesh, shapes, ids)[1]
    plan = Plan(
        model,
        tx,
        table_tx,
        None if max_norm is None else check_positive("max_norm", max_norm),
        frozen=interface.frozen,
        tables=tables,
        late=trained if unfreeze_after else frozenset(),
        unfreeze_after=unfreeze_after,
        loss=check_loss(loss),
        shards=shards,
    )
    return plan, interface


def make_shards(
    model: nn.Module, mesh: Mesh | Rules, shapes: Variables, ids: Ids
) -> tuple[nn.Module, Shards]:
    """Return a model with its tables in shard order, and its :class:`Shards`."""
    network = shard_model(model, rules := make_rules(mesh))
    stored = jax.eval_shape(network.init, jax.random.key(0), ids)["params"]
    tables = find_tables(model, shapes, ids)[1]
    return network, find_shards(rules, tables, flatten_dict(stored))
