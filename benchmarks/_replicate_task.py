"""What a replicate trains on, and what it ends with."""

from typing import NamedTuple

import numpy as np

from benchmarks._workloads import Workload

HIDDEN, N_TRAIN, BATCH_SIZE = 32, 200, 32  # BATCH_SIZE is of reviews in a step


class Task(NamedTuple):
    """The reviews, and the table of one arm.

    Attributes:
      workload: sizes of the table and of the texts.
      ids: ``int32[N, L]``.
      labels: ``int[N]``.
      rows: ``int32[K, n]``, the draws.
      held_out: ``int[M]``, the reviews to validate on.
      table: ``float32[V, D]`` of an arm that is frozen; None for one that is learned.
      epochs: how many.
    """

    workload: Workload
    ids: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    held_out: np.ndarray
    table: np.ndarray | None
    epochs: int


class Learned(NamedTuple):
    """What trainings have come to, in the mean.

    Attributes:
      accuracy: of the last epoch's validation.
      first_loss: of the training in the first epoch.
      loss: of that in the last one.
    """

    accuracy: float
    first_loss: float
    loss: float
