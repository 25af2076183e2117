"""Tables: what a training step does to those that are row-sparse."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax.core.tracers import current_trace
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.typing import ArrayLike

from jaxembed.nn import Embed, tap_rows
from jaxembed.nn._lookup import as_ids
from jaxembed.optim import SparseOptimizer, deduplicate
from jaxembed.optim._sparse import RowState, keep_trained

Path = tuple[str, ...]
Paths = frozenset[Path]
Taps = dict[Path, list[jax.Array]]


class Reads(NamedTuple):
    """What a model reads of its row-sparse tables, by their paths.

    Attributes:
      taps: ``float32[..., D]`` zeros for each read, one row for each id.
      ids: the ids of each read, in the same order.
    """

    taps: Taps
    ids: Taps


def find_reads(
    model: nn.Module, variables: Any, ids: ArrayLike, tables: Paths
) -> Reads:
    """The reads of some tables, found by running a model on shapes alone.

    Args:
      model: a Linen module, called as ``model(ids, train=True)``.
      variables: its parameters, or their shapes.
      ids: ``int32[B, L]``, or their shape.
      tables: the paths of the tables.

    Returns:
      :class:`Reads` of shapes.
    """
    if not tables:
        return Reads({}, {})
    keys = {"dropout": jax.random.key(0)}

    def run(variables: Any, ids: ArrayLike) -> Reads:
        reads = Reads({}, {})
        with nn.intercept_methods(_record(tables, reads)):
            model.apply(variables, ids, train=True, rngs=keys)
        return reads

    return jax.eval_shape(run, variables, ids)


def zeros_like(reads: Reads) -> Taps:
    """The taps to differentiate by."""
    return jax.tree.map(lambda tap: jnp.zeros(tap.shape, tap.dtype), reads.taps)


def apply_with_taps(
    model: nn.Module, variables: Any, batch_ids: ArrayLike, taps: Taps, rngs: Any
) -> tuple[jax.Array, Taps]:
    """The logits of a model, with a tap behind each read of a table.

    Args:
      model: see :func:`find_reads`.
      variables: all parameters.
      batch_ids: ``int32[B, L]``.
      taps: those of :func:`zeros_like`; tables without any are read as ever.
      rngs: random keys by name.

    Returns:
      The logits, and the ids of each read; an id that is left out of a bag is V.
    """
    reads = Reads({}, {})
    with nn.intercept_methods(_record(frozenset(taps), reads, taps)):
        logits = model.apply(variables, batch_ids, train=True, rngs=rngs)
    return logits, reads.ids


def flatten_reads(
    row_grads: list[jax.Array], ids: list[jax.Array], n_rows: int
) -> tuple[jax.Array, jax.Array]:
    """The gradients ``float32[N, D]`` and ids ``int32[N]`` of all reads of a table.

    An id that is none of its rows becomes V, before a cast could wrap it to one.
    """
    dim = row_grads[0].shape[-1]
    grads = [grad.reshape(-1, dim) for grad in row_grads]
    numbers = [
        jnp.where((read < 0) | (read >= n_rows), n_rows, read).astype(jnp.int32)
        for read in ids
    ]
    return jnp.concatenate(grads), jnp.concatenate([n.reshape(-1) for n in numbers])


def check_reads(model: nn.Module, variables: Any, ids: ArrayLike, path: Path) -> None:
    """Refuses a model whose reads of a table do not tell all of its gradient.

    Args:
      model: see :func:`find_reads`.
      variables: the shapes of its parameters.
      ids: ``int[B, L]``; only the shape counts.
      path: of the table.

    Raises:
      ValueError: says what the model does with the table.
    """
    name = ".".join(path)
    reads, keys = Reads({}, {}), {"dropout": jax.random.key(0)}

    def run(variables: Any) -> Any:
        intercept = _record(frozenset([path]), reads, is_blind=True)
        with nn.intercept_methods(intercept):
            return model.apply(variables, ids, train=True, rngs=keys)

    jaxpr = jax.make_jaxpr(run)(variables)
    if path not in reads.ids:
        raise ValueError(
            f"table_tx is to train {name}, which the model does not read when it is "
            "called with train=True."
        )
    paths = [
        tuple(key.key for key in p) for p, _ in jax.tree.leaves_with_path(variables)
    ]
    place = paths.index(("params", *path))
    if _depends(jaxpr, place):
        raise ValueError(
            f"table_tx trains {name} by the rows that are looked up, and the model "
            "also uses the table in another way, whose gradient would be lost: train "
            "it with tx, without table_tx."
        )


def _depends(closed: Any, place: int) -> bool:
    """Whether an output of a jaxpr may depend on one of its inputs."""
    jaxpr = getattr(closed, "jaxpr", closed)
    reached = {jaxpr.invars[place]}
    for equation in jaxpr.eqns:
        if any(
            type(v) is type(jaxpr.invars[0]) and v in reached for v in equation.invars
        ):
            reached.update(equation.outvars)
    return any(not hasattr(v, "val") and v in reached for v in jaxpr.outvars)


def _record(
    tables: Paths, reads: Reads, taps: Taps | None = None, *, is_blind: bool = False
) -> Callable:
    """An interceptor that notes the reads of tables and puts taps behind them.

    Args:
      tables: the paths of those to note.
      reads: to which they are added.
      taps: of each read, in order; None for zeros.
      is_blind: whether zeros are given in place of what is read.
    """
    trace = current_trace()

    def intercept(run: Any, args: Any, kwargs: Any, context: Any) -> Any:
        module, method = context.module, context.method_name
        path = (*module.path, "embedding")
        is_read = isinstance(module, Embed) and method in ("read_rows", "read_bags")
        if not is_read or path not in tables:
            return run(*args, **kwargs)
        _check_trace(path, trace)
        table, ids, *bag = args
        ids = jnp.asarray(as_ids(ids))  # not wrapped to other rows
        noted = reads.ids.setdefault(path, [])
        shape = (*ids.shape, table.shape[1])
        tap = jnp.zeros(shape) if taps is None else taps[path][len(noted)]
        reads.taps.setdefault(path, []).append(tap)
        is_out = jnp.zeros(ids.shape, bool) if not bag or bag[1] is None else ~bag[1]
        wide = ids.astype(jnp.promote_types(ids.dtype, jnp.int32))  # V may need it
        noted.append(jnp.where(is_out, len(table), wide))
        if is_blind:
            return jnp.zeros((len(ids), table.shape[1]) if bag else shape, table.dtype)
        table = jax.lax.stop_gradient(table)
        if bag:
            return module.bag_fn(table, ids, *bag, tap=tap)
        return tap_rows(module.lookup_fn(table, ids), tap)

    return intercept


def _check_trace(path: Path, trace: Any) -> None:
    if current_trace() != trace:
        raise ValueError(
            f"table_tx trains {'.'.join(path)} by the rows that are looked up, and the "
            "model looks them up within a transformation (remat, jit, vmap, scan or "
            "cond), where they cannot be noted: look them up outside of it, or train "
            "the table with tx, without table_tx."
        )


def count_ids(reads: Reads, path: Path) -> int:
    """How many ids of a table a step reads."""
    return sum(math.prod(ids.shape) for ids in reads.ids[path])


Trees = tuple[Any, Any]


def sum_rows(
    states: Any, row_grads: Taps, ids: Taps, trainable_rows: Any
) -> tuple[Any, Any]:
    """The gradient of each row that the batch touches, and is trained.

    Args:
      states: a :class:`RowState` at the path of each table.
      row_grads: the gradient of each row that was looked up, for each read.
      ids: the ids of each read.
      trainable_rows: ``bool[V]`` at the paths of some of the tables.

    Returns:
      ``float32[N, D]`` and ``int32[N]`` of :func:`deduplicate` at each path, and the
      states with their new notes.
    """
    masks = flatten_dict(trainable_rows)
    grads, after = {}, {}
    for path, state in flatten_dict(states).items():
        n_rows = len(state.slot)
        flat, numbers = flatten_reads(row_grads[path], ids[path], n_rows)
        if path in masks:
            # Before the sums, so that what is not trained counts in no norm.
            numbers = keep_trained(numbers, masks[path])
        sums, rows, slot = deduplicate(flat, numbers, state.slot)
        grads[path], after[path] = (sums, rows), state._replace(slot=slot)
    return unflatten_dict(grads), unflatten_dict(after)


def update_tables(
    tx: SparseOptimizer, grads: Any, states: Any, tables: Any
) -> tuple[Any, Any]:
    """The tables after a step, and the states of their optimizer.

    Args:
      tx: the optimizer of all tables.
      grads: of :func:`sum_rows`.
      states: likewise.
      tables: ``float[V, D]`` at the same paths.
    """
    moved, after = {}, {}
    pairs, tables = flatten_dict(grads), flatten_dict(tables)
    for path, state in flatten_dict(states).items():
        moved[path], after[path] = tx.update(
            *pairs[path], state, tables[path], distinct=True
        )
    return unflatten_dict(moved), unflatten_dict(after)


def init_states(tx: SparseOptimizer | None, tables: Any, count: Any = 0) -> Any:
    """The states of the optimizer of the tables, schedules at step ``count``."""
    leaves = flatten_dict(tables)
    if tx is None or not leaves:
        return {}
    states: dict[tuple, RowState] = {p: tx.init(t, count) for p, t in leaves.items()}
    return unflatten_dict(states)


def clip(grads: Any, row_grads: Any, max_norm: float | None) -> Trees:
    """Scales all gradients so that their common norm is at most ``max_norm``.

    Args:
      grads: of the parameters that are not row-sparse.
      row_grads: of :func:`sum_rows`.
      max_norm: or None, for no limit.

    Returns:
      Both, scaled as ``optax.clip_by_global_norm`` would.
    """
    if max_norm is None:
        return grads, row_grads
    pairs = flatten_dict(row_grads)
    sums = {path: pair[0] for path, pair in pairs.items()}
    norm = optax.tree.norm([grads, list(sums.values())])

    def scale(leaf: jax.Array) -> jax.Array:
        return jnp.where(
            norm < max_norm, leaf, leaf / norm.astype(leaf.dtype) * max_norm
        )

    scaled = {path: (scale(pair[0]), pair[1]) for path, pair in pairs.items()}
    return jax.tree.map(scale, grads), unflatten_dict(scaled)
