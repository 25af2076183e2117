"""Dense or sparse: choose whether a table is trained densely or row by row."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict
from jax.typing import ArrayLike

from jaxembed.optim._layout import is_by_row

Paths = frozenset[tuple[str, ...]]
# With fewer rows than this for each id, the dense form of an optimizer is faster, by
# the kind of device. For D columns, r bytes of a row, N ids and V rows:
# - cpu: measured on two cores at 10,000 rows. Seconds of dense / row-sparse RMSprop are
#   1.4 for 640 ids, 1.1 for 3,200, 0.8 for 3,840, 0.6 for 8,000
#   (benchmarks/train_step.py).
# - gpu: not measured. The dense form moves 6 V r + 2 N r bytes: table, moment and
#   gradient, each written and read once, and the sums of the gradient. The row-sparse
#   form moves 10 N r: 4 N r for the rows, and 6 N r to order the gradients, to multiply
#   and to mask them. They are equal at V = 4/3 N.
# - tpu: not measured. XLA's cost model for v5e and RMSprop (libtpu 0.0.42.1) has 26 and
#   34 kB for an id, and 3.4 and 10.2 kB for a row, at D of 100 and 300.
ROWS_PER_ID = {"cpu": 3, "gpu": 2, "tpu": 8}
# The same on a TPU for a table stored by columns, see is_by_row. A step on a table
# of 2,000,000 x 16 with 3,200 ids, a row for each 625, has 1.4 GB in both forms.
ROWS_PER_ID_BY_COLUMN = 600


def choose_sparse(
    tables: Paths, ids: ArrayLike | jax.ShapeDtypeStruct, params: Mapping[str, Any]
) -> Paths:
    """Return the tables to train row by row, chosen by shapes alone.

    These are the tables with more than ROWS_PER_ID rows for each id of a batch, on the
    default kind of device.

    Args:
      tables: paths of the tables of a row-sparse optimizer.
      ids: ``int[B, L]`` of one batch, or its shape.
      params: all parameters, or their shapes.

    Example:
      >>> ids = np.zeros((2, 5), int)
      >>> params = {"embed": {"embedding": np.zeros((31, 8))}}
      >>> choose_sparse(frozenset([("embed", "embedding")]), ids, params)
      frozenset({('embed', 'embedding')})
    """
    leaves, n_ids = flatten_dict(params), math.prod(np.shape(ids))
    return frozenset(path for path in tables if _is_large(leaves[path].shape, n_ids))


def _is_large(shape: tuple[int, int], n_ids: int) -> bool:
    """Return whether a table ``[V, D]`` has enough rows for each id of a batch."""
    device = jax.default_backend()
    least = ROWS_PER_ID.get(device, ROWS_PER_ID["gpu"])
    if device == "tpu" and not is_by_row(*shape):
        least = ROWS_PER_ID_BY_COLUMN
    return least * n_ids < shape[0]
