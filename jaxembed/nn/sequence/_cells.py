"""Cells: the loops of an LSTM and of a GRU over the words of a text.

The derivative of each loop is a linear loop of its own, so that its transpose adds up
the gradient of the recurrent kernel in one product after the loop. JAX's own derivative
of a scan adds a product to that gradient for each word.
"""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp

Weights = Mapping[str, jax.Array]
Pair = tuple[jax.Array, jax.Array]


def lstm(rows: jax.Array, mask: jax.Array, weights: Weights) -> jax.Array:
    """Return the outputs of an LSTM (Hochreiter and Schmidhuber 1997) at each word.

    Args:
      rows: ``float[L, B, D]``.
      mask: ``bool[L, B]``, True at a word. Padding leaves the state as it is.
      weights: those of Keras's ``LSTM``, whose gates are input, forget, cell and
        output: kernel ``float[D, 4 * H]``, recurrent_kernel ``float[H, 4 * H]`` and
        bias ``float[4 * H]``.

    Returns:
      ``float[L, B, H]``.

    Example:
      >>> weights = {"kernel": jnp.ones((1, 4)), "recurrent_kernel": jnp.ones((1, 4))}
      >>> rows, mask = jnp.ones((2, 1, 1)), jnp.ones((2, 1), bool)
      >>> lstm(rows, mask, weights | {"bias": jnp.zeros(4)})[:, 0, 0].round(3)
      Array([0.37 , 0.651], dtype=float32)
    """
    inputs = _project(rows, weights["kernel"], weights["bias"])
    return _run_lstm(inputs, weights["recurrent_kernel"], jnp.expand_dims(mask, 2))


def gru(rows: jax.Array, mask: jax.Array, weights: Weights) -> jax.Array:
    """Return the outputs of a GRU (Cho et al. 2014) at each word.

    Args:
      rows: ``float[L, B, D]``.
      mask: ``bool[L, B]``, True at a word. Padding leaves the state as it is.
      weights: those of Keras's ``GRU``, whose gates are update, reset and new: kernel
        ``float[D, 3 * H]``, recurrent_kernel ``float[H, 3 * H]`` and bias ``float[2, 3
        * H]``, for the words and for the state.

    Returns:
      ``float[L, B, H]``.

    Example:
      >>> weights = {"kernel": jnp.ones((1, 3)), "recurrent_kernel": jnp.ones((1, 3))}
      >>> weights |= {"bias": jnp.zeros((2, 3))}
      >>> gru(jnp.ones((2, 1, 1)), jnp.ones((2, 1), bool), weights).shape
      (2, 1, 1)
    """
    for_words, for_state = weights["bias"]
    inputs = _project(rows, weights["kernel"], for_words)
    recurrent = weights["recurrent_kernel"]
    return _run_gru(inputs, recurrent, for_state, jnp.expand_dims(mask, 2))


@jax.custom_jvp
def _run_lstm(inputs: jax.Array, recurrent: jax.Array, mask: jax.Array) -> jax.Array:
    return _scan_lstm(inputs, recurrent, mask)[0]


def _scan_lstm(
    inputs: jax.Array, recurrent: jax.Array, mask: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return outputs and cells ``float[L, B, H]``, and gates ``float[L, B, 4 * H]``."""
    n = recurrent.shape[0]

    def step(carry: Pair, some: Pair) -> tuple[Pair, tuple]:
        (state, cell), (words, is_word) = carry, some
        # sigmoid(x) is tanh(x / 2) / 2 + 1 / 2, so that one tanh has all gates.
        gates = jnp.tanh((words + state @ recurrent) * scale) * scale + shift
        i, f, new, o = jnp.split(gates, 4, -1)
        after = f * cell + i * new
        state = jnp.where(is_word, o * jnp.tanh(after), state)
        cell = jnp.where(is_word, after, cell)
        return (state, cell), (state, cell, gates)

    scale = jnp.repeat(jnp.array([[0.5, 0.5, 1, 0.5]], inputs.dtype), n, axis=1)
    shift = jnp.repeat(jnp.array([[0.5, 0.5, 0, 0.5]], inputs.dtype), n, axis=1)
    start = _zeros(inputs, recurrent)
    return jax.lax.scan(step, (start, start), (inputs, mask))[1]


@_run_lstm.defjvp
def _derive_lstm(primals: tuple, tangents: tuple) -> Pair:
    """Return the outputs of an LSTM and their derivative, a loop that is linear."""
    (inputs, recurrent, mask), (d_inputs, d_recurrent, _) = primals, tangents
    outputs, cells, gates = _scan_lstm(inputs, recurrent, mask)
    before, cells_before = _delay(outputs), _delay(cells)
    i, f, new, o = jnp.split(gates, 4, -1)
    of_cell = jnp.tanh(cells)
    slopes = [new * i * (1 - i), cells_before * f * (1 - f), i * (1 - new**2)]
    slopes += [of_cell * o * (1 - o)]
    zero = jnp.zeros((), outputs.dtype)
    of_words = [jnp.where(mask, slope, zero) for slope in slopes]
    kept = jnp.where(mask, f, jnp.ones((), f.dtype))
    shown = jnp.where(mask, o * (1 - of_cell**2), zero)
    moved = d_inputs + _times(before, d_recurrent)

    def step(carry: Pair, some: tuple) -> tuple[Pair, jax.Array]:
        (d_state, d_cell), (moved, kept, shown, held, *slopes) = carry, some
        d_gates = jnp.split(moved + d_state @ recurrent, 4, -1)
        i, f, new, o = map(jnp.multiply, d_gates, slopes)
        d_cell = kept * d_cell + (i + f + new)
        d_state = held * d_state + (o + shown * d_cell)
        return (d_state, d_cell), d_state

    start = _zeros(inputs, recurrent)
    held = jnp.broadcast_to(~mask, outputs.shape).astype(outputs.dtype)
    parts = moved, kept, shown, held, *of_words
    return outputs, jax.lax.scan(step, (start, start), parts)[1]


@jax.custom_jvp
def _run_gru(
    inputs: jax.Array, recurrent: jax.Array, bias: jax.Array, mask: jax.Array
) -> jax.Array:
    return _scan_gru(inputs, recurrent, bias, mask)[0]


def _scan_gru(
    inputs: jax.Array, recurrent: jax.Array, bias: jax.Array, mask: jax.Array
) -> Pair:
    """Return outputs ``float[L, B, H]``, and gates ``float[L, B, 4 * H]``.

    The gates are update, reset, new, and the part of new that reset multiplies.
    """

    def step(state: jax.Array, some: Pair) -> tuple[jax.Array, Pair]:
        words, is_word = some
        (xz, xr, xn), (hz, hr, hn) = (
            jnp.split(x, 3, -1)
            for x in (words, state @ recurrent + jnp.expand_dims(bias, 0))
        )
        update, reset = nn.sigmoid(xz + hz), nn.sigmoid(xr + hr)
        new = jnp.tanh(xn + reset * hn)
        after = update * state + (1 - update) * new
        state = jnp.where(is_word, after, state)
        return state, (state, jnp.concatenate([update, reset, new, hn], -1))

    return jax.lax.scan(step, _zeros(inputs, recurrent), (inputs, mask))[1]


@_run_gru.defjvp
def _derive_gru(primals: tuple, tangents: tuple) -> Pair:
    """Return the outputs of a GRU and their derivative, a loop that is linear."""
    inputs, recurrent, bias, mask = primals
    d_inputs, d_recurrent, d_bias, _ = tangents
    outputs, gates = _scan_gru(inputs, recurrent, bias, mask)
    before = _delay(outputs)
    update, reset, new, hn = jnp.split(gates, 4, -1)
    of_words = jnp.where(mask, (1 - update) * (1 - new**2), jnp.zeros((), new.dtype))
    slopes = [(before - new) * update * (1 - update), of_words * hn * reset]
    slopes[0] = jnp.where(mask, slopes[0], jnp.zeros((), new.dtype))
    slopes = [slopes[0], slopes[1] * (1 - reset), of_words * reset]
    kept = jnp.where(mask, update, jnp.ones((), update.dtype))
    d_words = jnp.split(d_inputs, 3, -1)
    d_gates = jnp.split(_times(before, d_recurrent) + d_bias[None, None], 3, -1)
    moved = sum(map(jnp.multiply, slopes, d_gates), of_words * d_words[2])
    moved += slopes[0] * d_words[0] + slopes[1] * d_words[1]

    def step(d_state: jax.Array, some: tuple) -> Pair:
        moved, kept, *slopes = some
        d_gates = jnp.split(d_state @ recurrent, 3, -1)
        d_state = kept * d_state + sum(map(jnp.multiply, slopes, d_gates), moved)
        return d_state, d_state

    parts = moved, kept, *slopes
    return outputs, jax.lax.scan(step, _zeros(inputs, recurrent), parts)[1]


def _project(rows: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """Return the products of all words with the kernel, ``float[L, B, G]``."""
    return _times(rows, kernel) + bias[None, None]


def _times(rows: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return ``rows @ kernel`` as one product of two matrices."""
    flat = rows.reshape(-1, rows.shape[2]) @ kernel
    return flat.reshape(*rows.shape[:2], kernel.shape[1])


def _zeros(inputs: jax.Array, recurrent: jax.Array) -> jax.Array:
    """Return the first state, ``float[B, H]``."""
    return jnp.zeros((inputs.shape[1], recurrent.shape[0]), inputs.dtype)


def _delay(outputs: jax.Array) -> jax.Array:
    """Return the outputs before each word, ``float[L, B, H]``."""
    return jnp.concatenate([jnp.zeros_like(outputs[:1]), outputs[:-1]])
