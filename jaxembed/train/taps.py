"""Taps: the gradients of the rows that a model reads, in place of the whole table's."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxembed.nn import Embed, tap_rows

Path = tuple[str, ...]
Paths = frozenset[Path]
Taps = dict[str, list[jax.Array]]


class Reads(NamedTuple):
    """What a model reads of its row-sparse tables, by their joined paths.

    Attributes:
      taps: ``float32[..., D]`` zeros for each read, one row for each id.
      ids: the ids of each read, in the same order.
    """

    taps: Taps
    ids: Taps


def name_of(path: Path) -> str:
    """The key of a table among the taps: dict keys of JAX must be of one kind."""
    return "/".join(path)


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
    tables = frozenset(tuple(name.split("/")) for name in taps)
    with nn.intercept_methods(_record(tables, reads, taps)):
        logits = model.apply(variables, batch_ids, train=True, rngs=rngs)
    return logits, reads.ids


def flatten_reads(
    row_grads: list[jax.Array], ids: list[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """The gradients ``float32[N, D]`` and ids ``int32[N]`` of all reads of a table."""
    dim = row_grads[0].shape[-1]
    grads = [grad.reshape(-1, dim) for grad in row_grads]
    numbers = [read.reshape(-1).astype(jnp.int32) for read in ids]
    return jnp.concatenate(grads), jnp.concatenate(numbers)


def _record(tables: Paths, reads: Reads, taps: Taps | None = None) -> Callable:
    """An interceptor that notes the reads of tables and puts taps behind them."""

    def intercept(run: Any, args: Any, kwargs: Any, context: Any) -> Any:
        module, method = context.module, context.method_name
        path = (*module.path, "embedding")
        is_read = isinstance(module, Embed) and method in ("read_rows", "read_bags")
        if not is_read or path not in tables:
            return run(*args, **kwargs)
        table, ids, *bag = args
        name = name_of(path)
        noted = reads.ids.setdefault(name, [])
        shape = (*jnp.shape(ids), table.shape[1])
        tap = jnp.zeros(shape) if taps is None else taps[name][len(noted)]
        reads.taps.setdefault(name, []).append(tap)
        table = jax.lax.stop_gradient(table)
        ids = jnp.asarray(ids)
        if method == "read_rows":
            noted.append(ids)
            return tap_rows(module.lookup_fn(table, ids), tap)
        mask = bag[1]
        noted.append(ids if mask is None else jnp.where(mask, ids, len(table)))
        return module.bag_fn(table, ids, *bag, tap=tap)

    return intercept


def count_ids(reads: Reads, path: Path) -> int:
    """How many ids of a table a step reads."""
    return sum(math.prod(ids.shape) for ids in reads.ids[name_of(path)])
