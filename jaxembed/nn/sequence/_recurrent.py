"""Recurrent: an LSTM or a GRU over the words of a text."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from jaxembed._checks import check_count
from jaxembed.nn.sequence._time import (
    check_rows,
    max_over_time,
    mean_over_time,
    move_to_front,
)

CELLS = {"lstm": nn.OptimizedLSTMCell, "gru": nn.GRUCell}
POOLS = ("last", "mean", "max")


class Recurrent(nn.Module):
    """LSTM or GRU over the words of a text, pooled over time.

    The cells are Flax's, run by ``flax.linen.RNN``. The words of a text are moved
    before its padding, so that padding in front, behind or between the words never
    changes the result.

    Attributes:
      features: number of features of one direction, H.
      cell: "lstm" (Hochreiter and Schmidhuber 1997) or "gru" (Cho et al. 2014).
      bidirectional: True to concatenate a second cell, which reads the words from the
        last to the first.
      pool: "last" for the output after the last word, "mean" or "max" for the mean or
        the maximum of the outputs over the words.
      dtype: dtype of the computation; None for the dtype of the rows.
      param_dtype: dtype in which the weights are stored, and that of the first state.
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
    param_dtype: DTypeLike = jnp.float32
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
            ("cell", self.cell, tuple(CELLS)),
            ("pool", self.pool, POOLS),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {known}, got {value!r}.")
        n_features = check_count("features", self.features)
        rows, mask, lengths = move_to_front(*check_rows(rows, mask))
        parts = []
        for name in ("forward", "backward")[: 1 + self.bidirectional]:
            dtypes = {"dtype": self.dtype, "param_dtype": self.param_dtype}
            cell = CELLS[self.cell](n_features, name=name, **dtypes)
            is_reverse = name == "backward"
            order = {"reverse": is_reverse, "keep_order": is_reverse}
            rnn = nn.RNN(cell, unroll=self.unroll, **order)
            outputs = rnn(rows, seq_lengths=lengths)
            parts.append(self._pool(outputs, mask, lengths, is_reverse))
        return jnp.concatenate(parts, 1)

    def _pool(
        self,
        outputs: jax.Array,
        mask: jax.Array,
        lengths: jax.Array,
        is_reverse: bool,
    ) -> jax.Array:
        """Return ``float[B, H]`` of outputs ``float[B, L, H]``."""
        if self.pool == "mean":
            return mean_over_time(outputs, mask)
        if self.pool == "max":
            return max_over_time(outputs, mask)
        ends = jnp.zeros_like(lengths) if is_reverse else jnp.maximum(lengths - 1, 0)
        last = jnp.take_along_axis(outputs, ends[:, None, None], axis=1)[:, 0]
        return jnp.where(lengths[:, None] > 0, last, jnp.zeros((), last.dtype))
