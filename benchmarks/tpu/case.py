"""Case: a program of jaxembed with the shapes that it is compiled for."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


def shape_of(axes: tuple[int, ...], dtype: Any = jnp.float32) -> Any:
    """Return the shape of an array, which stands for the array when it is compiled."""
    return jax.ShapeDtypeStruct(axes, dtype)


class Size(NamedTuple):
    """Sizes of a table and of a batch of texts."""

    rows: int  # number of rows of the table, V
    dim: int  # length of a row, D
    batch_size: int  # number of texts, B
    length: int  # number of ids of a text, L

    @property
    def n_ids(self) -> int:
        """Number of ids of the batch, N."""
        return self.batch_size * self.length

    @property
    def row_bytes(self) -> int:
        """Number of bytes of a row in float32."""
        return 4 * self.dim

    @property
    def table_bytes(self) -> int:
        """Number of bytes of the table in float32, without padding."""
        return self.rows * self.row_bytes

    @property
    def distinct_bytes(self) -> int:
        """Number of bytes of the rows of the batch, each distinct row once.

        Ids are counted as distinct as far as the table has rows.
        """
        return min(self.n_ids, self.rows) * self.row_bytes

    @property
    def ids(self) -> Any:
        """Shape of the ids, ``int32[B, L]``."""
        return shape_of((self.batch_size, self.length), jnp.int32)

    @property
    def labels(self) -> Any:
        """Shape of the labels, ``int32[B]``."""
        return shape_of((self.batch_size,), jnp.int32)

    @property
    def table(self) -> Any:
        """Shape of the table, ``float32[V, D]``, below its name in a model."""
        return {"embedding": shape_of((self.rows, self.dim))}


class Case(NamedTuple):
    """Program to compile.

    Attributes:
      size: Sizes of its table and batch.
      function: Function to compile.
      arguments: Shapes of its arguments.
      fewest_bytes: Bytes that it must move at least; None where loops hide the traffic
        from XLA's cost model, so that no ratio can be formed.
      donate: Positions of the arguments whose memory the results reuse.
      dense: Whether a gradient of the size of the table is part of the program.
    """

    size: Size
    function: Callable[..., Any]
    arguments: tuple
    fewest_bytes: int | None = None
    donate: tuple[int, ...] = ()
    dense: bool = False


Maker = Callable[[Size], Case]
KEY = jax.eval_shape(lambda: jax.random.key(0))
