"""Recurrent: an LSTM or a GRU over the words of a text."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from jaxembed._checks import check_count
from jaxembed.nn._initializers import glorot_uniform
from jaxembed.nn.sequence._cells import gru, lstm
from jaxembed.nn.sequence._time import (
    check_rows,
    clear_padding,
    max_over_time,
    mean_over_time,
)

N_GATES = {"lstm": 4, "gru": 3}
POOLS = ("last", "mean", "max")

orthogonal = nn.initializers.orthogonal()


class Recurrent(nn.Module):
    """LSTM or GRU over the words of a text, pooled over time.

    Padding in front of the words, behind or between them leaves the state as it is, and
    never changes the result. All words are multiplied by the kernel at once, before the
    loop over the words. Names, shapes and default initial values of the weights are
    Keras's.

    Attributes:
      features: number of features of one direction, H.
      cell: "lstm" or "gru", see :func:`lstm` and :func:`gru`.
      bidirectional: True to concatenate a second cell, which reads the words from the
        last to the first.
      pool: "last" for the output after the last word, "mean" or "max" for the mean or
        the maximum of the outputs over the words.
      dtype: dtype of the computation; None for the dtype of the rows.
      kernel_init: initializer of the kernels, called as ``kernel_init(key, (D, 4 * H),
        dtype)`` for an LSTM, and with ``3 * H`` for a GRU.
      recurrent_init: initializer of the recurrent kernels, for ``(H, 4 * H)``.
      bias_init: initializer of the biases; None for ones at the forget gate of an LSTM,
        and zeros elsewhere.

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
    kernel_init: Callable[..., jax.Array] = glorot_uniform
    recurrent_init: Callable[..., jax.Array] = orthogonal
    bias_init: Callable[..., jax.Array] | None = None

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
        rows, mask = check_rows(rows, mask)
        rows = jnp.swapaxes(clear_padding(rows, mask), 0, 1)
        mask = jnp.swapaxes(mask, 0, 1)
        run = lstm if self.cell == "lstm" else gru
        parts = []
        for name in ("forward", "backward")[: 1 + self.bidirectional]:
            weights = self._make_weights(name, rows)
            x, *arrays = nn.dtypes.promote_dtype(
                rows, *weights.values(), dtype=self.dtype
            )
            weights = dict(zip(weights, arrays, strict=True))
            order = slice(None, None, -1 if name == "backward" else 1)
            outputs = run(x[order], mask[order], weights)
            parts.append(self._pool(outputs, mask[order]))
        return jnp.concatenate(parts, 1)

    def _make_weights(self, name: str, rows: jax.Array) -> dict[str, jax.Array]:
        """Return the weights of a direction, as parameters named ``NAME_...``."""
        n_features, n_gates = check_count("features", self.features), N_GATES[self.cell]
        width = n_gates * n_features
        is_lstm = self.cell == "lstm"
        first_bias = _forget_bias if is_lstm else nn.initializers.zeros
        shapes: dict[str, tuple[Callable, tuple[int, ...]]] = {
            "kernel": (self.kernel_init, (rows.shape[2], width)),
            "recurrent_kernel": (self.recurrent_init, (n_features, width)),
            "bias": (
                self.bias_init or first_bias,
                (width,) if is_lstm else (2, width),
            ),
        }
        return {
            part: self.param(f"{name}_{part}", init, shape)
            for part, (init, shape) in shapes.items()
        }

    def _pool(self, outputs: jax.Array, mask: jax.Array) -> jax.Array:
        """Return ``float[B, H]`` of outputs ``float[L, B, H]``."""
        if self.pool == "last":  # padding has left the state as it was
            return outputs[-1]
        pool = mean_over_time if self.pool == "mean" else max_over_time
        return pool(jnp.swapaxes(outputs, 0, 1), jnp.swapaxes(mask, 0, 1))


def _forget_bias(
    key: jax.Array, shape: tuple[int], dtype: DTypeLike = jnp.float32
) -> jax.Array:
    """Return zeros, and ones for the forget gate, so that an LSTM first remembers."""
    n_features = shape[0] // 4
    return jnp.zeros(shape, dtype).at[n_features : 2 * n_features].set(1)
