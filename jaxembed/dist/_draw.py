"""Initial rows of a table, drawn shard by shard with the numbers of one device."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jax.typing import DTypeLike

from jaxembed.dist._cube import Shapes, draw_cube
from jaxembed.dist._mesh import Rules
from jaxembed.dist._modes import constrain, run_auto

Initializer = Callable[..., jax.Array]


def draw_table(
    init: Initializer,
    key: jax.Array,
    shape: tuple[int, int],
    dtype: DTypeLike,
    *,
    rules: Rules,
    padding_idx: int | None,
) -> jax.Array:
    """Return an initial table in shard order, with the numbers of one device.

    The generator of JAX computes each number from its position. If an initializer
    computes each element by itself, as all of Flax do except ``orthogonal``, each
    device draws its own shard only. Another initializer, or another generator such as
    "rbg", draws the whole table on each device.

    Args:
      init: initializer, called as ``init(key, shape, dtype)``.
      key: random key.
      shape: number of words and of columns, V and D.
      dtype: dtype of the table.
      rules: placement on the mesh.
      padding_idx: word whose row is zeros, or None.

    Returns:
      ``dtype[Vp, D]``, spread by ``rules.table``.
    """
    (n_words, dim), n = shape, rules.n_shards
    n_stored = rules.pad(n_words)
    # [S, n, D] in word order: the second axis is that of the shards.
    by_shard = n_stored // n, n, dim
    split = PartitionSpec(None, rules.vocab, None)

    def run(mesh: Any, key: jax.Array) -> jax.Array:
        table = draw_cube(init, key, dtype, Shapes(shape, by_shard))
        if table is None:
            padding = [(0, n_stored - n_words), (0, 0)]
            table = jnp.pad(init(key, shape, dtype), padding).reshape(by_shard)
        table = constrain(table, mesh, split)
        words = jax.lax.broadcasted_iota(jnp.int32, by_shard[:2], 0) * n
        words += jax.lax.broadcasted_iota(jnp.int32, by_shard[:2], 1)
        is_word = words < n_words
        if padding_idx is not None:
            is_word &= words != padding_idx
        table = jnp.where(is_word[:, :, None], table, jnp.zeros((), table.dtype))
        table = table.swapaxes(0, 1).reshape(n_stored, dim)
        return constrain(table, mesh, rules.table.spec)

    return jax.jit(lambda key: run_auto(run, rules, rules.table.spec, key))(key)
