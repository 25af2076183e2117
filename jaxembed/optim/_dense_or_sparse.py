"""Dense or sparse: choose whether a table is trained densely or row by row."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict
from jax.typing import ArrayLike

Paths = frozenset[tuple[str, ...]]
# With fewer rows than this for each id, the dense form of an optimizer is faster. On
# two CPU cores at 10,000 rows, seconds of dense / row-sparse are 1.4 for 640 ids, 1.1
# for 3,200, 0.8 for 3,840, 0.6 for 8,000 (benchmarks/train_step.py).
ROWS_PER_ID = 3


def choose_sparse(
    tables: Paths, ids: ArrayLike | jax.ShapeDtypeStruct, params: Mapping[str, Any]
) -> Paths:
    """Return the tables to train row by row, chosen by shapes alone.

    These are the tables with more than ROWS_PER_ID rows for each id of a batch.

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
    return frozenset(
        path for path in tables if ROWS_PER_ID * n_ids < leaves[path].shape[0]
    )
