"""Hooks: check that ``lookup_fn`` and ``bag_fn`` allow row-sparse training."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from jaxembed.nn._embed import Embed
from jaxembed.nn._lookup import lookup
from jaxembed.nn.bag._bag import embedding_bag


def check_embed(module: nn.Module, name: str) -> None:
    """Raise if the table of a layer cannot be trained row by row.

    A hook other than :func:`lookup` and :func:`embedding_bag` is called with a small
    table. If that call fails, as for a hook that needs a mesh, the hook is trusted.

    Args:
      module: the layer.
      name: name of the layer's table, for the error.

    Raises:
      ValueError: if the layer is not an :class:`Embed`, or if its ``lookup_fn`` or
        ``bag_fn`` returns other rows than the table's.
    """
    if not isinstance(module, Embed):
        raise ValueError(
            f"table_tx trains {name} row by row, so {name} must belong to a "
            f"jaxembed.nn.Embed, got a {type(module).__name__} of Flax."
        )
    table = np.random.default_rng(0).normal(size=(8, module.features))
    table = table.astype(np.float32)
    ids = np.array([[1, 2, 5], [7, 0, 1]], np.int32)
    for hook, ours in (("lookup_fn", lookup), ("bag_fn", embedding_bag)):
        given = getattr(module, hook)
        if getattr(given, "func", given) is ours:
            continue
        try:
            found = given(jnp.asarray(table), jnp.asarray(ids))
        except Exception:  # a hook may need a mesh, or a table of one size
            continue
        if not np.allclose(found, ours(table, ids), rtol=1e-4, atol=1e-5):
            raise ValueError(
                f"table_tx trains {name} by the rows that are looked up, but its "
                f"{hook} does not return the rows of the table: return the rows "
                f"unchanged and scale them in the model, or train {name} with tx, "
                "without table_tx."
            )
