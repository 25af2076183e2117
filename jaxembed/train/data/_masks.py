"""Masks: the rows of each table that are trained."""

import numpy as np
from flax.traverse_util import unflatten_dict
from jax.typing import ArrayLike

from jaxembed._checks import check_row_mask
from jaxembed.train._setup import Interface, Path
from jaxembed.train._state import Params


def make_masks(interface: Interface, trainable_rows: ArrayLike | None) -> Params:
    """Return the row masks of :func:`step`, as NumPy arrays.

    Args:
      interface: the interface of the model.
      trainable_rows: ``bool[V]`` of the one trainable table that reads ids, or None.

    Returns:
      ``bool[V]`` at the path of each table with untrained rows. The row of
      ``padding_idx`` is always untrained.

    Raises:
      TypeError: if ``trainable_rows`` are not bools.
      ValueError: if the shape is not ``[V]``, or without exactly one such table.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxembed import nn, optim
      >>> from jaxembed.train import make_plan
      >>> embed = nn.Embed(3, 2, padding_idx=0)
      >>> model = nn.TextClassifier(embed, nn.DenseHead())
      >>> _, interface = make_plan(model, optim.rmsprop(), jnp.array([[1, 2]]))
      >>> make_masks(interface, [True, True, False])
      {'embed': {'embedding': array([False,  True, False])}}
    """
    items = interface.tables.items()
    tables = {path: table.module for path, table in items if not table.frozen}
    masks: dict[Path, np.ndarray] = {}
    if trainable_rows is not None:
        path = _find_reader(interface)
        mask = np.array(trainable_rows)  # a copy, since the padding row is cleared
        check_row_mask(mask, tables[path].num_embeddings)
        masks[path] = mask
    for path, module in tables.items():
        if (pad := getattr(module, "padding_idx", None)) is not None:
            masks.setdefault(path, np.ones(module.num_embeddings, bool))[pad] = False
    return unflatten_dict(masks)


def _find_reader(interface: Interface) -> Path:
    """Return the path of the one trainable table that reads ids of the texts."""
    readers = [
        path
        for path, table in interface.tables.items()
        if not table.frozen and (table.columns is None or table.columns.any())
    ]
    if len(readers) != 1:
        names = [".".join(path) for path in readers]
        raise ValueError(
            "trainable_rows needs exactly one trainable table that reads the ids, got "
            f"{len(names)}: {names}. Leave it out, or change which tables are frozen."
        )
    return readers[0]
