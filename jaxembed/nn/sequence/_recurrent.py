"""Recurrent: an LSTM or a GRU over the words of a text."""

from collections.abc import Callable, Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from jaxembed._checks import check_count
from jaxembed.nn._initializers import glorot_uniform
from jaxembed.nn.sequence._time import (
    check_rows,
    max_over_time,
    mean_over_time,
    move_to_front,
)

N_GATES = {"lstm": 4, "gru": 3}
POOLS = ("last", "mean", "max")

Weights = Mapping[str, jax.Array]
orthogonal = nn.initializers.orthogonal()


def lstm(rows: jax.Array, weights: Weights, *, unroll: int = 1) -> jax.Array:
    """Return the outputs of an LSTM (Hochreiter and Schmidhuber 1997) at each word.

    Args:
      rows: ``float[B, L, D]``.
      weights: those of Keras's ``LSTM``, whose gates are input, forget, cell and
        output: kernel ``float[D, 4 * H]``, recurrent_kernel ``float[H, 4 * H]`` and
        bias ``float[4 * H]``.
      unroll: number of words for one iteration of the compiled loop.

    Returns:
      ``float[B, L, H]``.

    Example:
      >>> weights = {"kernel": jnp.ones((1, 4)), "recurrent_kernel": jnp.ones((1, 4))}
      >>> rows = jnp.ones((1, 2, 1))
      >>> lstm(rows, weights | {"bias": jnp.zeros(4)})[0, :, 0].round(3)
      Array([0.37 , 0.651], dtype=float32)
    """

    def step(carry: tuple, inputs: jax.Array) -> tuple:
        state, cell = carry
        gates = inputs + state @ weights["recurrent_kernel"]
        i, f, new, o = jnp.split(gates, 4, -1)
        cell = nn.sigmoid(f) * cell + nn.sigmoid(i) * jnp.tanh(new)
        state = nn.sigmoid(o) * jnp.tanh(cell)
        return (state, cell), state

    inputs = _project(rows, weights["kernel"], weights["bias"])
    start = _zeros(inputs, weights)
    return _scan(step, (start, start), inputs, unroll)


def gru(rows: jax.Array, weights: Weights, *, unroll: int = 1) -> jax.Array:
    """Return the outputs of a GRU (Cho et al. 2014) at each word.

    Args:
      rows: ``float[B, L, D]``.
      weights: those of Keras's ``GRU``, whose gates are update, reset and new: kernel
        ``float[D, 3 * H]``, recurrent_kernel ``float[H, 3 * H]`` and bias ``float[2, 3
        * H]``, for the words and for the state.
      unroll: number of words for one iteration of the compiled loop.

    Returns:
      ``float[B, L, H]``.

    Example:
      >>> weights = {"kernel": jnp.ones((1, 3)), "recurrent_kernel": jnp.ones((1, 3))}
      >>> rows = jnp.ones((1, 2, 1))
      >>> gru(rows, weights | {"bias": jnp.zeros((2, 3))}).shape
      (1, 2, 1)
    """
    for_words, for_state = weights["bias"]

    def step(state: jax.Array, inputs: jax.Array) -> tuple:
        gates = state @ weights["recurrent_kernel"] + jnp.expand_dims(for_state, 0)
        (xz, xr, xn), (hz, hr, hn) = (jnp.split(x, 3, -1) for x in (inputs, gates))
        update, reset = nn.sigmoid(xz + hz), nn.sigmoid(xr + hr)
        new = jnp.tanh(xn + reset * hn)
        state = update * state + (1 - update) * new
        return state, state

    inputs = _project(rows, weights["kernel"], for_words)
    return _scan(step, _zeros(inputs, weights), inputs, unroll)


class Recurrent(nn.Module):
    """LSTM or GRU over the words of a text, pooled over time.

    The words of a text are moved before its padding, so that padding in front, behind
    or between the words never changes the result. All words are multiplied by the
    kernel at once, before the loop over the words. Names, shapes and initial values of
    the weights are Keras's.

    Attributes:
      features: number of features of one direction, H.
      cell: "lstm" or "gru", see :func:`lstm` and :func:`gru`.
      bidirectional: True to concatenate a second cell, which reads the words from the
        last to the first.
      pool: "last" for the output after the last word, "mean" or "max" for the mean or
        the maximum of the outputs over the words.
      dtype: dtype of the computation; None for the dtype of the rows.
      unroll: number of words for one iteration of the compiled loop.

    Example:
      >>> layer = Recurrent(features=4, cell="gru", bidirectional=True, pool="mean")
      >>> layer.init_with_output(jax.random.key(0), jnp.ones((2, 5, 8)))[0].shape
      (2, 8)
    """

    features: int = 64
    cell: str = "lstm"
    bidirectional: bool = False
    pool: str = "last"
    dtype: DTypeLike | None = None
    unroll: int = 1

    @nn.compact
    def __call__(self, rows: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
        """Return ``float[B, H]``, or ``float[B, 2 * H]`` for two directions.

        A text without words gives zeros.

        Args:
          rows: ``float[B, L, D]``.
          mask: ``bool[B, L]``, True at a word; None for all True.

        Raises:
          TypeError: if a size is not an integer, the rows are not floats, or the mask
            not bools.
          ValueError: if ``cell`` or ``pool`` is unknown, a size is below 1, or shapes
            do not fit.
        """
        for name, value, known in (
            ("cell", self.cell, tuple(N_GATES)),
            ("pool", self.pool, POOLS),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {known}, got {value!r}.")
        rows, mask, lengths = move_to_front(*check_rows(rows, mask))
        run = lstm if self.cell == "lstm" else gru
        parts = []
        for name in ("forward", "backward")[: 1 + self.bidirectional]:
            weights = self._make_weights(name, rows)
            x, *arrays = nn.dtypes.promote_dtype(
                rows, *weights.values(), dtype=self.dtype
            )
            if name == "backward":
                x = _reverse(x, lengths)
            weights = dict(zip(weights, arrays, strict=True))
            outputs = run(x, weights, unroll=check_count("unroll", self.unroll))
            parts.append(self._pool(outputs, mask, lengths))
        return jnp.concatenate(parts, 1)

    def _make_weights(self, name: str, rows: jax.Array) -> dict[str, jax.Array]:
        """Return the weights of a direction, as parameters named ``NAME_...``."""
        n_features, n_gates = check_count("features", self.features), N_GATES[self.cell]
        width = n_gates * n_features
        shapes: dict[str, tuple[Callable, tuple[int, ...]]] = {
            "kernel": (glorot_uniform, (rows.shape[2], width)),
            "recurrent_kernel": (orthogonal, (n_features, width)),
            "bias": (_forget_bias, (width,))
            if self.cell == "lstm"
            else (nn.initializers.zeros, (2, width)),
        }
        return {
            part: self.param(f"{name}_{part}", init, shape)
            for part, (init, shape) in shapes.items()
        }

    def _pool(
        self, outputs: jax.Array, mask: jax.Array, lengths: jax.Array
    ) -> jax.Array:
        """Return ``float[B, H]`` of outputs ``float[B, L, H]``."""
        if self.pool == "mean":
            return mean_over_time(outputs, mask)
        if self.pool == "max":
            return max_over_time(outputs, mask)
        ends = jnp.maximum(lengths - 1, 0)
        last = jnp.take_along_axis(outputs, ends[:, None, None], axis=1)[:, 0]
        return jnp.where(lengths[:, None] > 0, last, jnp.zeros((), last.dtype))


def _forget_bias(
    key: jax.Array, shape: tuple[int], dtype: DTypeLike = jnp.float32
) -> jax.Array:
    """Return zeros, and ones for the forget gate, so that an LSTM first remembers."""
    n_features = shape[0] // 4
    return jnp.zeros(shape, dtype).at[n_features : 2 * n_features].set(1)


def _project(rows: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """Return the products of all words with the kernel, ``float[L, B, G]``."""
    return jnp.einsum("bld,dg->lbg", rows, kernel) + bias[None, None]


def _zeros(inputs: jax.Array, weights: Weights) -> jax.Array:
    """Return the first state, ``float[B, H]``."""
    return jnp.zeros((inputs.shape[1], len(weights["recurrent_kernel"])), inputs.dtype)


def _scan(
    step: Callable, start: jax.Array | tuple, inputs: jax.Array, unroll: int
) -> jax.Array:
    """Return the outputs of a loop over the words, ``float[B, L, H]``."""
    # JAX cannot unroll a loop of a symbolic length, as an export has it.
    unroll = unroll if isinstance(inputs.shape[0], int) else 1
    _, outputs = jax.lax.scan(step, start, inputs, unroll=unroll)
    return jnp.swapaxes(outputs, 0, 1)


def _reverse(rows: jax.Array, lengths: jax.Array) -> jax.Array:
    """Return the words of each text from the last to the first, before its padding."""
    places = jnp.arange(rows.shape[1])[None]
    order = jnp.where(places < lengths[:, None], lengths[:, None] - 1 - places, places)
    return jnp.take_along_axis(rows, jnp.expand_dims(order, 2), axis=1)
