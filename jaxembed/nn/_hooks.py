"""Check of the hooks of an Embed that row-sparse training relies on."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from jaxembed.nn._embed import Embed
from jaxembed.nn._lookup import lookup
from jaxembed.nn.bag._bag import embedding_bag


def check_embed(module: nn.Module, name: str) -> None:
    """Raise if the rows of a layer's table cannot be trained one by one.

    Hooks of this package are known. Others are called with a small table; a hook that
    cannot be called with it, such as one for a mesh, is trusted.

    Args:
      module: the layer.
      name: name of its table, for the error.

    Raises:
      ValueError: if the layer is not an :class:`Embed`, or if its ``lookup_fn`` or
        ``bag_fn`` returns other rows than the table's.
    """
    if not isinstance(module, Embed):
        raise ValueError(
            f"table_tx trains {name} row by row, and so it must be of a "
            f"jaxembed.nn.Embed, not a {type(module).__name__} of Flax."
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
                f"table_tx trains {name} by the rows that are looked up, and its "
                f"{hook} returns other rows than the table's: return them unchanged "
                f"and scale them in the model, or train {name} with tx, without "
                "table_tx."
            )
