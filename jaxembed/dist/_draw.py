"""Initial rows of a table, drawn shard by shard with the numbers of one device."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec
from jax.typing import DTypeLike

from jaxembed.dist._mesh import Rules
from jaxembed.dist._modes import constrain, run_auto

Initializer = Callable[..., jax.Array]
# Words, shards and columns of the table on which an initializer is tried.
TRIAL = 5, 2, 3


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
    draws each element by itself, each device draws its own shard only. Another
    initializer, such as one that depends on V, draws the whole table on each device.

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
    is_free = draws_by_element(init, key, dtype)
    split = PartitionSpec(None, rules.vocab, None)

    def run(mesh: Any, key: jax.Array) -> jax.Array:
        if is_free:
            table = init(key, by_shard, dtype)
        else:
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


def draws_by_element(init: Initializer, key: jax.Array, dtype: DTypeLike) -> bool:
    """Return whether the numbers of an initializer do not depend on the shape.

    It is called on a small table, and on a cube of the same elements and some more.

    Args:
      init: initializer, called as ``init(key, shape, dtype)``.
      key: random key, whose values are not used.
      dtype: dtype of the table.

    Example:
      >>> key, initializers = jax.random.key(0), jax.nn.initializers
      >>> draws_by_element(initializers.normal(0.1), key, jnp.float32)
      True
      >>> draws_by_element(initializers.lecun_normal(), key, jnp.float32)
      False
    """
    n_words, n, dim = TRIAL
    size = -(-n_words // n)
    is_typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    name = str(jax.random.key_impl(key)) if is_typed else None
    try:
        with jax.ensure_compile_time_eval():
            trial = jax.random.key(0, impl=name)
            trial = trial if is_typed else jax.random.key_data(trial)
            flat = np.asarray(init(trial, (n_words, dim), dtype))
            cube = np.asarray(init(trial, (size, n, dim), dtype))
    except Exception:  # an initializer may need the shape of its table
        return False
    found = cube.reshape(-1, dim)[:n_words]
    return cube.size == size * n * dim and flat.tobytes() == found.tobytes()
