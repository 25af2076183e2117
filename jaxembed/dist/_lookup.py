"""Lookups in a table on a mesh: `lookup` and `embedding_bag` of ids on all devices."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jax.typing import ArrayLike

from jaxembed import nn
from jaxembed._checks import check_count
from jaxembed.dist._mesh import Rules
from jaxembed.dist._modes import run_auto
from jaxembed.dist.exchange._fetch import fetch
from jaxembed.nn._lookup import as_ids
from jaxembed.nn._tap import tap_bags
from jaxembed.nn.bag._bag import check_bag


def lookup(table: ArrayLike, ids: ArrayLike, rules: Rules, n_rows: int) -> jax.Array:
    """Return one row of a sharded table for each id, as :func:`jaxembed.nn.lookup`.

    The ids are spread over all devices. Each device fetches the distinct rows that its
    ids need from the shards that own them. The table never leaves its shards. It has a
    first derivative in reverse mode, as of ``jax.grad``.

    Args:
      table: ``dtype[Vp, D]``, the result of :func:`to_shards`.
      ids: ``int[B, ...]``, each in ``[0, V)``. An id out of range gives a row of NaN
        and gets no gradient.
      rules: placement on the mesh.
      n_rows: number of words, V.

    Returns:
      ``dtype[B, ..., D]``, spread by ``rules.batch``.

    Raises:
      TypeError: if ``ids`` are not integers.
      ValueError: if ``table`` is not that of ``n_rows`` words.

    Example:
      >>> from jaxembed.dist import make_mesh, to_shards
      >>> rules = Rules(make_mesh(devices=jax.devices()[:1]))
      >>> table = to_shards(jnp.array([[0.0, 1.0], [2.0, 3.0]]), rules)
      >>> lookup(table, jnp.array([1, -1]), rules, 2)
      Array([[ 2.,  3.],
             [nan, nan]], dtype=float32)
    """
    table, numbers = _check(table, ids, n_rows)
    return _run(_Reading(rules, n_rows), table, numbers)


def embedding_bag(
    table: ArrayLike,
    ids: ArrayLike,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    combine: str = "mean",
    *,
    rules: Rules,
    n_rows: int,
) -> jax.Array:
    """Pool the rows of each bag of ids, as :func:`jaxembed.nn.embedding_bag`.

    The bags are spread over all devices; see :func:`lookup`. With "max",
    ``nn.tap_bags`` would look for the largest elements in other rows, since the table
    is in shard order: use a model of :func:`shard_model` instead.

    Args:
      table: ``dtype[Vp, D]`` of floats, the result of :func:`to_shards`.
      ids: ``int[B, L]``, each in ``[0, V)``.
      weights: ``float[B, L]``; None for ones.
      mask: ``bool[B, L]``, True at a real token; None for all True.
      combine: "sum", "mean", "sqrtn" or "max".
      rules: placement on the mesh.
      n_rows: number of words, V.

    Returns:
      ``dtype[B, D]``, spread by ``rules.batch``.

    Raises:
      TypeError: if ids are not integers, mask not bools, or table or weights not
        floats.
      ValueError: if shapes do not fit, ``combine`` is unknown, or ``table`` is not that
        of ``n_rows`` words.

    Example:
      >>> from jaxembed.dist import make_mesh, to_shards
      >>> rules = Rules(make_mesh(devices=jax.devices()[:1]))
      >>> table = to_shards(jnp.array([[0.0], [2.0], [4.0]]), rules)
      >>> embedding_bag(table, jnp.array([[1, 2]]), rules=rules, n_rows=3)
      Array([[3.]], dtype=float32)
    """
    table, _, weights, mask, _ = check_bag(table, ids, weights, mask, combine)
    table, numbers = _check(table, ids, n_rows)
    return _run(_Reading(rules, n_rows, combine), table, numbers, weights, mask)


def tapped_bag(
    table: jax.Array,
    ids: jax.Array,
    weights: jax.Array | None,
    mask: jax.Array | None,
    combine: str,
    *,
    tap: jax.Array,
    rules: Rules,
    n_rows: int,
) -> jax.Array:
    """Pool bags like :func:`embedding_bag`, and route their gradient to ``tap``.

    Args:
      table: see :func:`embedding_bag`; gets no gradient.
      ids: see :func:`embedding_bag`.
      weights: see :func:`embedding_bag`.
      mask: see :func:`embedding_bag`.
      combine: see :func:`embedding_bag`.
      tap: ``float32[B, L, D]``, see :func:`jaxembed.nn.tap_bags`.
      rules: placement on the mesh.
      n_rows: number of words, V.
    """
    table, _, weights, mask, _ = check_bag(table, ids, weights, mask, combine)
    table, numbers = _check(jax.lax.stop_gradient(table), ids, n_rows)
    return _run(_Reading(rules, n_rows, combine), table, numbers, weights, mask, tap)


def _check(
    table: ArrayLike, ids: ArrayLike, n_rows: int
) -> tuple[jax.Array, jax.Array]:
    """Return the table, and the ids as int32."""
    check_count("n_rows", n_rows)
    table, known = jnp.asarray(table), jnp.asarray(as_ids(ids))
    if table.ndim != 2:
        raise ValueError(f"table must have the axes [Vp, D], got {list(table.shape)}.")
    return table, known.astype(jnp.int32)


class _Reading(NamedTuple):
    """Way to read a table; static under ``jax.jit``.

    Attributes:
      rules: placement on the mesh.
      n_rows: number of words, V.
      combine: reduction of each bag; None for a lookup without bags.
    """

    rules: Rules
    n_rows: int
    combine: str | None = None


@functools.partial(jax.jit, static_argnums=0)
def _run(
    reading: _Reading,
    table: jax.Array,
    ids: jax.Array,
    weights: jax.Array | None = None,
    mask: jax.Array | None = None,
    tap: jax.Array | None = None,
) -> jax.Array:
    """Read the table on each device for its part of the ids; jitted to compile once.

    Args:
      reading: way to read.
      table: ``dtype[Vp, D]``.
      ids: ``int32[B, ...]``.
      weights: ``float[B, L]`` or None.
      mask: ``bool[B, L]`` or None.
      tap: ``float32[B, L, D]`` or None.
    """
    rules, rest = reading.rules, (weights, mask, tap)
    if not ids.ndim:
        return _run(reading, table, ids[None])[0]
    read = functools.partial(_read, reading.combine)
    if 0 in ids.shape:  # nothing is read, so any table gives the result
        return read(jnp.zeros((1, table.shape[1]), table.dtype), ids, *rest)
    n, batch = len(ids), PartitionSpec(rules.axes)
    extra = -n % rules.n_devices

    def run(mesh: Any, table: jax.Array, *arrays: Any) -> jax.Array:
        ids, *rest = jax.tree.map(
            lambda x: jnp.pad(x, [(0, extra), *[(0, 0)] * (x.ndim - 1)]), arrays
        )
        rows, numbers = fetch(mesh, rules, table, ids, n_rows=reading.n_rows)
        sharded = jax.shard_map(read, mesh=mesh, in_specs=batch, out_specs=batch)
        return sharded(rows, numbers, *rest)[:n]

    spec = PartitionSpec() if extra else batch
    return run_auto(run, rules, spec, table, ids, *rest)


def _read(
    combine: str | None, rows: jax.Array, numbers: jax.Array, *rest: Any
) -> jax.Array:
    """Read a small table of one device."""
    if combine is None:
        return nn.lookup(rows, numbers)
    weights, mask, tap = rest
    given = numbers, weights, mask, combine
    bags = nn.embedding_bag(rows, *given)
    return bags if tap is None else tap_bags(bags, tap, rows, *given)
