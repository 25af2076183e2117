"""Maxima of `embedding_bag`: of the rows of ids ``[B, L]``, with their gradient.

The JVP rule has a linear tangent, as in `_kernels`.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxembed.nn.bag._kernels import read, read_wide, where
from jaxembed.nn.bag._loops import fold

NO_PLACE = np.iinfo(np.int32).max


@jax.custom_jvp
def max_rows(table: jax.Array, ids: jax.Array, mask: jax.Array | None) -> jax.Array:
    """Return ``dtype[B, D]``, the maxima of the rows of each bag; -inf if empty.

    The gradient goes to the first of equal rows. Arguments as in `sum_rows`.
    """

    def value(columns: tuple, _: None) -> jax.Array:
        ids, mask = columns
        return where(mask, read(table, ids), -jnp.inf)

    return fold(value, (ids, mask), jnp.maximum, -jnp.inf)


@max_rows.defjvp
def _max_rows_jvp(primals: tuple, tangents: tuple) -> tuple:
    table, ids, mask = primals
    maxima = max_rows(table, ids, mask)
    places = find_winners(table, ids, mask, maxima)

    @functools.partial(jax.checkpoint, prevent_cse=False)  # does not save rows
    def run(tangent: jax.Array, ids: jax.Array, places: jax.Array) -> jax.Array:
        return jax.lax.platform_dependent(
            tangent, ids, places, tpu=pick_by_row, default=pick
        )

    return maxima, run(tangents[0], ids, places)


def pick(table: jax.Array, ids: jax.Array, places: jax.Array) -> jax.Array:
    """Gather ``table[ids[b, places[b, d]], d]`` for each number of a bag ``[B, D]``.

    The gradient is summed in at least float32.

    Args:
      table: ``dtype[V, D]``.
      ids: ``int[B, L]``, each in ``[0, V)``.
      places: ``int32[B, D]``, the result of `find_winners`; 0 for NO_PLACE.
    """
    winners = jnp.take_along_axis(ids, places, 1, mode="fill", fill_value=len(table))
    columns = jnp.arange(table.shape[1], dtype=winners.dtype)
    columns = jnp.broadcast_to(columns, winners.shape)
    return read_wide(table, (winners, columns), mode="fill").astype(table.dtype)


def pick_by_row(table: jax.Array, ids: jax.Array, places: jax.Array) -> jax.Array:
    """Compute `pick` from the rows of all ids.

    The transpose adds whole rows to the gradient. A TPU adds single numbers in another
    memory format than that of the table, and XLA then copies the gradient.
    """
    rows = read_wide(table, ids.reshape(-1), mode="promise_in_bounds")
    rows = rows.reshape(*ids.shape, -1)
    own = jnp.expand_dims(jnp.arange(ids.shape[1], dtype=places.dtype), (0, 2))
    is_winner = jnp.expand_dims(places, 1) == own
    return jnp.where(is_winner, rows, 0).sum(1).astype(table.dtype)


def find_winners(
    table: jax.Array, ids: jax.Array, mask: jax.Array | None, maxima: jax.Array
) -> jax.Array:
    """Return ``int32[B, D]``, the first place in each bag that has the maximum.

    A NaN wins, as it does in the maximum. NO_PLACE where the bag is empty.
    """
    table, maxima = jax.lax.stop_gradient((table, maxima))
    places = jnp.arange(ids.shape[1], dtype=jnp.int32)
    places = jnp.broadcast_to(places, ids.shape)

    def value(columns: tuple, maxima: jax.Array) -> jax.Array:
        ids, mask, places = columns
        rows = read(table, ids)
        best = maxima if ids.ndim == 1 else jnp.expand_dims(maxima, 1)
        has_won = where(mask, (rows == best) | jnp.isnan(rows), False)
        return jnp.where(has_won, jnp.expand_dims(places, -1), NO_PLACE)

    return fold(value, (ids, mask, places), jnp.minimum, NO_PLACE, rows=maxima)
