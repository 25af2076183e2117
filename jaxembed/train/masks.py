"""Masks: which rows of a table are trained."""

from typing import Any

import numpy as np
from flax.traverse_util import unflatten_dict
from jax.typing import ArrayLike

from jaxembed.train.plan import Interface
from jaxembed.train.state import Params


def make_masks(interface: Interface, trainable_rows: ArrayLike | None) -> Params:
    """The masks that :func:`step` takes, of NumPy.

    Args:
      interface: of the model.
      trainable_rows: ``bool[V]``, for the one table that reads the ids and is not
        frozen; None for all rows.

    Returns:
      ``bool[V]`` at the path of each table that has rows which are not trained: those
      that the argument says, and each ``padding_idx``.

    Raises:
      TypeError: if ``trainable_rows`` are not bools.
      ValueError: if they are not V, or if it is not clear of which table.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxembed import nn, optim
      >>> from jaxembed.train import make_plan
      >>> embed = nn.Embed(3, 2, padding_idx=0)
      >>> model = nn.TextClassifier(embed, nn.FlattenDense())
      >>> _, interface = make_plan(model, optim.rmsprop(), jnp.array([[1, 2]]))
      >>> make_masks(interface, [True, True, False])
      {'embed': {'embedding': array([False,  True, False])}}
    """
    tables = {p: c for p, c in interface.tables.items() if p not in interface.frozen}
    masks: dict[tuple[str, ...], Any] = {}
    if trainable_rows is not None:
        readers = [path for path, call in tables.items() if call.reads_ids]
        if len(readers) != 1:
            names = [".".join(path) for path in readers]
            raise ValueError(
                "trainable_rows is for the one table that reads the ids and is not "
                f"frozen; the model has {len(names)} of them: {names}. A table must be "
                "given the model's ids as they are; frozen=True in an Embed says by "
                "itself that none of its rows is trained."
            )
        n_rows = tables[readers[0]].module.num_embeddings
        masks[readers[0]] = _check(trainable_rows, n_rows)
    for path, call in tables.items():
        pad = getattr(call.module, "padding_idx", None)
        if pad is not None:
            mask = masks.setdefault(path, np.ones(call.module.num_embeddings, bool))
            mask[pad] = False
    return unflatten_dict(masks)


def _check(trainable_rows: ArrayLike, n_rows: int) -> np.ndarray:
    mask = np.array(trainable_rows)  # a copy
    if mask.dtype != bool:
        raise TypeError(
            f"trainable_rows must be bools, True for a row that is trained, got "
            f"{mask.dtype}: make them from numbers of rows with numpy.isin."
        )
    if mask.shape != (n_rows,):
        raise ValueError(
            f"trainable_rows must have the shape [{n_rows}], one for each row of the "
            f"table, got {list(mask.shape)}."
        )
    return mask
