"""Checker: checks of the batches of a stream against the model."""

import dataclasses
from typing import Any

import numpy as np

from jaxembed._checks import check_weights
from jaxembed.nn._inspect import Variables
from jaxembed.train._evaluate import explain_shapes
from jaxembed.train._setup import Interface, inspect_model
from jaxembed.train._step import Batch
from jaxembed.train.data._checks import check_examples, check_form
from jaxembed.train.stream._source import Arrays


@dataclasses.dataclass
class Checker:
    """Checks of batches against the model.

    Attributes:
      model: the model.
      shapes: shapes of its parameters.
      loss: name of the loss.
      interfaces: the interface of the model for texts of each length.
    """

    model: Any
    shapes: Variables
    loss: str
    interfaces: dict[int, Interface] = dataclasses.field(default_factory=dict)

    def check(self, arrays: Arrays, name: str) -> Batch:
        """Return a batch of NumPy arrays, if it fits the model.

        Raises:
          TypeError: if the ids are not integers, or the mask is not of bools.
          ValueError: if an id, a label or a weight is out of range, or if the mask has
            another length.
        """
        ids, labels = check_form((arrays.ids, arrays.labels), name)
        length = ids.shape[1]
        if length not in self.interfaces:
            with explain_shapes(ids):
                found = inspect_model(self.model, self.shapes, ids[:1])
            self.interfaces[length] = found
        pair: Any = check_examples(
            self.interfaces[length], (ids, labels), f"{name} ", loss=self.loss
        )
        weights: Any = None
        if arrays.weights is not None:
            weights = check_weights(arrays.weights, len(ids))
        mask: Any = check_mask(arrays.mask, len(ids), name)
        return Batch(pair[0], pair[1], mask, weights)


def check_mask(mask: np.ndarray | None, n_examples: int, name: str) -> np.ndarray:
    """Return the mask of a batch; all True if it is None.

    Example:
      >>> check_mask(np.array([True]), 2, "batch 1:")
      Traceback (most recent call last):
      ValueError: batch 1: mask must have the shape [2], one bool for each example, got
      [1].
    """
    if mask is None:
        return np.ones(n_examples, bool)
    if mask.dtype != bool:
        raise TypeError(
            f"{name} mask must be bools, False for padding, got {mask.dtype}."
        )
    if mask.shape != (n_examples,):
        raise ValueError(
            f"{name} mask must have the shape [{n_examples}], one bool for each "
            f"example, got {list(mask.shape)}."
        )
    return mask
