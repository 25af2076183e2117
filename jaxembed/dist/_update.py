"""Row-sparse update of sharded tables: each device updates the rows of its shards."""

import functools
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.sharding import PartitionSpec

from jaxembed.dist._mesh import Rules
from jaxembed.dist._modes import run_auto
from jaxembed.dist.exchange._deliver import deliver
from jaxembed.dist.exchange._fetch import check_rows, place
from jaxembed.optim._deduplicate import sum_in_order
from jaxembed.optim._sparse import Moments, RowState, SparseOptimizer
from jaxembed.optim._tables import Params, Path, Reads


def update_tables(
    tx: SparseOptimizer,
    row_grads: Reads,
    ids: Reads,
    *,
    states: Params,
    tables: Params,
    rules: Rules,
    n_rows: Mapping[Path, int],
    grads: Params,
    trainable_rows: Params | None = None,
    max_norm: float | None = None,
) -> tuple[Params, Params, Params]:
    """Update the rows of sharded tables that a batch reads, in a jitted step.

    Each device sums the gradients of equal ids and sends them to the shards that own
    the rows. Each shard updates its rows with its part of the optimizer state. The
    result is that of one device up to rounding, for any distribution of ids.

    Args:
      tx: row-sparse optimizer of all tables.
      row_grads: by the path of a table, ``float[..., D]`` gradients for each lookup.
      ids: by the same paths, ``int[...]`` ids of each lookup. The first axis of ids and
        gradients is spread over all devices. Ids out of range are left out.
      states: the state of ``tx`` at the path of each table, in nested dicts; moments
        and other arrays by row are in shard order.
      tables: ``float[Vp, D]`` in shard order, in nested dicts.
      rules: placement on the mesh.
      n_rows: number of words V by the path of a table.
      grads: gradients of all other parameters, which count in the norm.
      trainable_rows: ``bool[Vp]`` in shard order for some of the tables, in nested
        dicts. Rows that are False keep every bit and do not count in the norm.
      max_norm: largest global norm of all gradients; None for no limit. With a limit,
        the gradients of rows are sent twice.

    Returns:
      ``grads``, scaled if the norm is larger; the tables; and their states, with
      ``count`` one higher.

    Raises:
      ValueError: if a table is not that of the number of words at its path.

    Example:
      >>> from jaxembed import optim
      >>> from jaxembed.dist import make_mesh
      >>> tx, rules = optim.sparse_sgd(0.5), Rules(make_mesh(devices=jax.devices()[:1]))
      >>> table, path = jnp.ones((3, 1)), ("embedding",)
      >>> _, tables, _ = update_tables(
      ...     tx, {path: (jnp.ones((2, 1)),)}, {path: (jnp.array([2, 2]),)},
      ...     states={"embedding": tx.init(table)}, tables={"embedding": table},
      ...     rules=rules, n_rows={path: 3}, grads={})
      >>> tables["embedding"][:, 0].tolist()
      [1.0, 1.0, 0.0]
    """
    before, known = flatten_dict(states), flatten_dict(tables)
    masks, moved, after = flatten_dict(trainable_rows or {}), {}, {}
    sums = {}
    for path in before:
        check_rows(rules, known[path], n_rows[path])
        sums[path] = _sum_reads(rules, row_grads[path], ids[path], n_rows[path])
    scale = None
    if max_norm is not None:
        squares = [
            _sum_squares(rules, sums[path], len(known[path]), masks.get(path))
            for path in before
        ]
        norm = jnp.sqrt(optax.tree.norm(grads, squared=True) + sum(squares))
        grads = jax.tree.map(lambda leaf: _clip(leaf, norm, max_norm), grads)
        scale = norm, max_norm
    for path, state in before.items():
        given = sums[path], known[path], state, masks.get(path), scale
        moved[path], after[path] = _update(rules, tx, *given)
    return grads, unflatten_dict(moved), unflatten_dict(after)


def _clip(array: jax.Array, norm: jax.Array, max_norm: float) -> jax.Array:
    """Scale a gradient like ``optax.clip_by_global_norm``."""
    return jnp.where(
        norm < max_norm, array, array / norm.astype(array.dtype) * max_norm
    )


def _sum_reads(
    rules: Rules,
    row_grads: tuple[jax.Array, ...],
    ids: tuple[jax.Array, ...],
    n_rows: int,
) -> tuple[jax.Array, jax.Array]:
    """Sum the gradients of equal ids on each device.

    Returns:
      ``float32[n * U, D]`` sums and ``int32[n * U]`` stored rows for n devices, spread
      by ``rules.batch``. The rows of each device rise, padded by Vp.
    """
    n_stored, n, batch = rules.pad(n_rows), rules.n_devices, PartitionSpec(rules.axes)
    dim = row_grads[0].shape[-1]

    def sum_local(grads: list, rows: list) -> tuple[jax.Array, jax.Array]:
        flat = jnp.concatenate([part.reshape(-1, dim) for part in grads])
        places = jnp.concatenate([part.reshape(-1) for part in rows])
        sums, distinct = sum_in_order(flat, places, n_stored)
        size = min(len(distinct), n_stored)
        return sums[:size], distinct[:size]

    def run(mesh: Any, row_grads: tuple, ids: tuple) -> tuple:
        grads, rows = [], []
        for grad, read in zip(row_grads, ids, strict=True):
            read = read.astype(jnp.promote_types(read.dtype, jnp.int32))
            shape = math.prod(read.shape[:1]), math.prod(read.shape[1:])
            extra = -shape[0] % n if shape[0] else n
            grad = grad.astype(jnp.float32).reshape(*shape, dim)
            found = place(rules, read, n_rows).reshape(shape)
            grads.append(jnp.pad(grad, [(0, extra), (0, 0), (0, 0)]))
            rows.append(jnp.pad(found, [(0, extra), (0, 0)], constant_values=n_stored))
        sharded = jax.shard_map(
            sum_local, mesh=mesh, in_specs=batch, out_specs=batch, check_vma=False
        )
        return sharded(grads, rows)

    return run_auto(run, rules, (batch, batch), row_grads, ids)


def _sum_squares(
    rules: Rules,
    sums: tuple[jax.Array, jax.Array],
    n_stored: int,
    mask: jax.Array | None,
) -> jax.Array:
    """Return the sum of the squared gradients of all rows of a table."""
    batch, whole = PartitionSpec(rules.axes), PartitionSpec()

    def run_local(sums: tuple, mask: jax.Array | None) -> jax.Array:
        def add(total: jax.Array, grads: jax.Array, rows: jax.Array) -> jax.Array:
            is_row = (rows < size)[:, None]
            return total + jnp.where(is_row, jnp.square(grads), 0).sum()

        size = n_stored // rules.n_shards
        options: dict = {"size": size, "mask": mask, "apply": add}
        total = deliver(rules, *sums, **options, carry=jnp.float32(0))
        return jax.lax.psum(total, rules.vocab)

    def run(mesh: Any, sums: tuple, mask: jax.Array | None) -> jax.Array:
        specs = batch, PartitionSpec(rules.vocab)
        return jax.shard_map(
            run_local, mesh=mesh, in_specs=specs, out_specs=whole, check_vma=False
        )(sums, mask)

    return run_auto(run, rules, whole, sums, mask)


def _update(
    rules: Rules,
    tx: SparseOptimizer,
    sums: tuple[jax.Array, jax.Array],
    table: jax.Array,
    state: RowState,
    mask: jax.Array | None,
    scale: tuple[jax.Array, float] | None,
) -> tuple[jax.Array, RowState]:
    """Return a table and its state after the step."""
    batch, by_row, whole = rules.batch.spec, rules.rows.spec, rules.whole.spec
    norm, max_norm = (None, None) if scale is None else scale
    run_local = functools.partial(_update_shard, rules, tx, max_norm)

    def run(mesh: Any, *arrays: Any) -> Any:
        return jax.shard_map(
            run_local,
            mesh=mesh,
            in_specs=(batch, by_row, by_row, whole),
            out_specs=by_row,
            check_vma=False,
        )(*arrays)

    changed = table, state.moments, state.last
    specs = jax.tree.map(
        lambda leaf: PartitionSpec(rules.vocab, *[None] * (leaf.ndim - 1)), changed
    )
    rest = (state.slot, mask), (state.count, norm)
    table, moments, last = run_auto(run, rules, specs, sums, changed, *rest)
    return table, state._replace(count=state.count + 1, moments=moments, last=last)


def _update_shard(
    rules: Rules,
    tx: SparseOptimizer,
    max_norm: float | None,
    sums: tuple[jax.Array, jax.Array],
    changed: tuple[jax.Array, Moments, jax.Array | None],
    by_row: tuple[jax.Array, jax.Array | None],
    numbers: tuple[jax.Array, jax.Array | None],
) -> tuple[jax.Array, Moments, jax.Array | None]:
    """Update the rows of one shard, on each device.

    Args:
      rules: placement on the mesh.
      tx: row-sparse optimizer.
      max_norm: largest norm, or None.
      sums: gradients and rows of this device.
      changed: table, moments and ``last`` of the shard, which are returned.
      by_row: ``slot`` and mask of the shard.
      numbers: ``count``, and the norm of all gradients.
    """
    (slot, mask), (count, norm) = by_row, numbers

    def apply(carry: tuple, grads: jax.Array, rows: jax.Array) -> tuple:
        table, moments, last = carry
        if norm is not None and max_norm is not None:
            grads = _clip(grads, norm, max_norm)
        # The count of each turn is that of the step.
        state = RowState(count, moments, last, slot)
        options = {"distinct": True, "in_order": True}
        table, state = tx.update(grads, rows, state, table, **options)
        return table, state.moments, state.last

    options: dict = {"size": len(changed[0]), "mask": mask, "apply": apply}
    return deliver(rules, *sums, **options, carry=changed)
