"""Conv1D: convolutions over the words of a text, and their maximum over time."""

import functools
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike

from jaxembed._checks import check_count
from jaxembed.nn._initializers import glorot_uniform
from jaxembed.nn.sequence._time import check_rows, clear_padding


def conv1d(
    rows: ArrayLike, kernel: ArrayLike, mask: ArrayLike | None = None
) -> jax.Array:
    """Convolve the rows of each text with a kernel over neighbouring words.

    The window of a word reaches ``(W - 1) // 2`` words back and ``W // 2`` words ahead,
    as in Keras's ``Conv1D(padding="same")``. Padding, and words beyond the ends of the
    text, count as rows of zeros.

    Args:
      rows: ``float[B, L, D]``.
      kernel: ``float[W, D, F]``, weights of W neighbouring words and F features.
      mask: ``bool[B, L]``, True at a word; None for all True.

    Returns:
      ``float[B, L, F]``, one window for each position.

    Raises:
      TypeError: if the rows are not floats, or the mask not bools.
      ValueError: if shapes do not fit.

    Example:
      >>> rows, kernel = jnp.array([[[1.0], [2.0], [3.0]]]), jnp.ones((3, 1, 1))
      >>> conv1d(rows, kernel)[0, :, 0].tolist()
      [3.0, 6.0, 5.0]
    """
    padded, kernel, _ = _prepare(rows, kernel, mask)
    return _convolve(padded, kernel)


def conv1d_max(
    rows: ArrayLike, kernel: ArrayLike, mask: ArrayLike | None = None
) -> jax.Array:
    """Return the maximum of each feature of :func:`conv1d` over the words of a text.

    The derivative reads one window for each text and feature, that of the maximum, so
    that it takes few operations compared with the maximum itself. Of equal features,
    the first one is the maximum.

    Args:
      rows: ``float[B, L, D]``.
      kernel: ``float[W, D, F]``, weights of W neighbouring words and F features.
      mask: ``bool[B, L]``, True at a word; None for all True. Padding has no window.

    Returns:
      ``float[B, F]``; zeros for a text without words.

    Raises:
      TypeError: if the rows are not floats, or the mask not bools.
      ValueError: if shapes do not fit.

    Example:
      >>> rows, kernel = jnp.array([[[1.0], [2.0], [3.0]]]), jnp.ones((3, 1, 1))
      >>> conv1d_max(rows, kernel)
      Array([[6.]], dtype=float32)
      >>> jax.grad(lambda rows: conv1d_max(rows, kernel).sum())(rows)[0, :, 0].tolist()
      [1.0, 1.0, 1.0]
    """
    padded, kernel, mask = _prepare(rows, kernel, mask)
    features = _convolve(*jax.lax.stop_gradient((padded, kernel)))
    features = jnp.where(jnp.expand_dims(mask, 2), features, -jnp.inf)
    best = features.max(1)
    # XLA:CPU reduces with min faster than with argmax.
    n_texts, n_words = mask.shape
    numbers = jnp.arange(n_words, dtype=jnp.int32)[None, :, None]
    is_less = features < jnp.expand_dims(best, 1)
    places = jnp.where(is_less, n_words - 1, numbers).min(1)
    texts = jnp.arange(n_texts)[:, None, None]
    windows = padded[texts, places[..., None] + jnp.arange(len(kernel))[None, None]]
    values = jnp.einsum("bfwd,wdf->bf", windows, kernel)
    values = jnp.where(jnp.isnan(best), best, values)  # NaN may be in another window
    has_word = mask.any(1, keepdims=True)
    return jnp.where(has_word, values, jnp.zeros((), values.dtype))


def _prepare(
    rows: ArrayLike, kernel: ArrayLike, mask: ArrayLike | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return rows between zeros, ``[B, L + W - 1, D]``, the kernel and the mask."""
    rows, mask = check_rows(rows, mask)
    kernel = jnp.asarray(kernel)
    if kernel.ndim != 3 or kernel.shape[1] != rows.shape[2] or not len(kernel):
        raise ValueError(
            f"kernel must have the axes [W, D, F] with D of {rows.shape[2]}, got "
            f"{list(kernel.shape)}."
        )
    n_before = (kernel.shape[0] - 1) // 2
    around = ((0, 0), (n_before, kernel.shape[0] - 1 - n_before), (0, 0))
    return jnp.pad(clear_padding(rows, mask), around), kernel, mask


def _convolve(padded: jax.Array, kernel: jax.Array) -> jax.Array:
    """Return the sum of one product for each word of the window, ``float[B, L, F]``.

    XLA:CPU compiles a convolution in a loop, such as an epoch, to code that takes 20
    times as long.
    """
    n_words = padded.shape[1] - kernel.shape[0] + 1
    windows = (padded[:, i : i + n_words] @ part for i, part in enumerate(kernel))
    return functools.reduce(jnp.add, windows)


class Conv1D(nn.Module):
    """Convolutions of several widths, each pooled to its maximum over time.

    This is the sentence classifier of Kim (2014), without the Dense layer: features of
    a window of W words, a ReLU, and the maximum over the words of the text. Padding has
    no window, so that more padding never changes the result.

    Attributes:
      features: number of features of each width, F.
      widths: numbers of words of the windows, W.
      dtype: dtype of the computation; None for the dtype of the rows.
      kernel_init: initializer of the kernels, called as ``kernel_init(key, (W, D, F),
        dtype)``.

    Raises:
      TypeError: if ``widths`` is a number.

    Example:
      >>> conv, rows = Conv1D(features=4, widths=(2, 3)), jnp.ones((2, 5, 8))
      >>> conv.init_with_output(jax.random.key(0), rows)[0].shape
      (2, 8)
    """

    features: int = 100
    widths: Sequence[int] = (3, 4, 5)
    dtype: DTypeLike | None = None
    kernel_init: Callable[..., jax.Array] = glorot_uniform

    def __post_init__(self) -> None:
        if np.ndim(self.widths) == 0:
            raise TypeError(
                f"widths must be a sequence, such as ({self.widths},), got "
                f"{self.widths}."
            )
        self.widths = tuple(self.widths)  # a list cannot be hashed by jax.jit
        super().__post_init__()

    @nn.compact
    def __call__(self, rows: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
        """Return ``float[B, F * len(widths)]``; zeros for a text without words.

        Args:
          rows: ``float[B, L, D]``.
          mask: ``bool[B, L]``, True at a word; None for all True.

        Raises:
          TypeError: if a size is not an integer, the rows are not floats, or the mask
            not bools.
          ValueError: if a size is below 1, ``widths`` is empty, or shapes do not fit.
        """
        rows, mask = check_rows(rows, mask)
        if not self.widths:
            raise ValueError("widths must have at least one number of words, got none.")
        n_features = check_count("features", self.features)
        parts = []
        for place, width in enumerate(self.widths):
            shape = (check_count("widths", width), rows.shape[2], n_features)
            kernel = self.param(f"kernel_{place}", self.kernel_init, shape)
            bias = self.param(f"bias_{place}", nn.initializers.zeros, (n_features,))
            x, kernel, bias = nn.dtypes.promote_dtype(
                rows, kernel, bias, dtype=self.dtype
            )
            # Bias and ReLU rise with their argument, so they may follow the maximum.
            best = conv1d_max(x, kernel, mask)
            values = nn.relu(best + jnp.expand_dims(bias, 0))
            has_word = mask.any(1, keepdims=True)
            parts.append(jnp.where(has_word, values, jnp.zeros((), values.dtype)))
        return jnp.concatenate(parts, 1)
