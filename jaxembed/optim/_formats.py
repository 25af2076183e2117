"""Formats: the memory formats of a training state, chosen when the state is made."""

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.layout import Format
from jax.sharding import Sharding, SingleDeviceSharding
from jax.tree_util import KeyPath

from jaxembed.optim._layout import choose_format

Tree = TypeVar("Tree")
# Name of a table in the parameters, and in the moments of its optimizer.
TABLE = "embedding"
Formats = tuple[Format | Sharding | None, ...]


def choose_formats(state: Tree, sharding: Sharding | None = None) -> Tree:
    """Return the memory format of each array of a state.

    On a TPU, the tables and their moments are stored row by row unless their rows are
    short. Otherwise each step would copy them. A compiled step updates them in place if
    these formats are the ``out_shardings`` of the state, as in the example. States of
    :func:`create_state`, :func:`fit` and ``restore(like=)`` have these formats.

    Args:
      state: a :class:`TrainState`, a part of one, or its shapes.
      sharding: devices of all arrays, such as those to compile for; None for the
        devices of each array, or the default device for shapes.

    Returns:
      A tree like ``state``: a :class:`jax.experimental.layout.Format` for each array
      with a format of its own, and ``sharding`` for all other arrays.

    Example:
      >>> from jaxembed import nn, optim
      >>> from jaxembed.train import create_state, make_plan, step
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.DenseHead())
      >>> ids = jnp.zeros((1, 3), jnp.int32)
      >>> plan, _ = make_plan(model, optim.rmsprop(), ids)
      >>> state = create_state(plan, ids, key=jax.random.key(0))
      >>> formats = choose_formats(state)
      >>> run = jax.jit(step, static_argnums=0, donate_argnums=1,
      ...               out_shardings=(formats, None))
    """
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: _choose(path, leaf, sharding), state
    )


def find_formats(state: object) -> Formats:
    """Return :func:`choose_formats` as a tuple; () if all formats are the default."""
    formats = tuple(_choose(*pair) for pair in _leaves(state))
    return formats if any(formats) else ()


def put(tree: Tree, *, copy: bool = False) -> Tree:
    """Return a tree on the device, with its arrays in their memory formats.

    Args:
      tree: a tree of arrays; traced arrays are returned unchanged.
      copy: whether to copy the arrays that are on the device already.
    """
    moved = [_put_one(leaf, _choose(path, leaf), copy) for path, leaf in _leaves(tree)]
    return jax.tree.unflatten(jax.tree.structure(tree), moved)


def _leaves(tree: object) -> list[tuple[KeyPath, Any]]:
    return jax.tree_util.tree_leaves_with_path(tree)


def _choose(
    path: KeyPath, leaf: Any, sharding: Sharding | None = None
) -> Format | Sharding | None:
    names = {jax.tree_util.keystr((key,), simple=True) for key in path}
    if TABLE not in names or np.ndim(leaf) != 2:
        return sharding
    return choose_format(leaf.shape, sharding or _find_sharding(leaf)) or sharding


def _put_one(leaf: Any, wanted: Any, copy: bool) -> jax.Array:
    if isinstance(leaf, jax.core.Tracer):
        return leaf
    if not isinstance(leaf, jax.Array):
        return jax.device_put(leaf, wanted)
    layout: Any = getattr(wanted, "layout", None)  # a sharding has none
    if layout is None:
        return jnp.copy(leaf) if copy else leaf
    # The layout of an array also has its tiling, which the wanted layout leaves open.
    array: Any = leaf  # JAX declares no type of Array.format
    is_there = array.format.layout.major_to_minor == layout.major_to_minor
    if is_there and not copy:
        return leaf
    return jax.device_put(leaf, wanted, may_alias=False)


def _find_sharding(leaf: Any) -> Sharding:
    if isinstance(leaf, jax.Array) and not isinstance(leaf, jax.core.Tracer):
        return leaf.sharding
    device = jax.config.jax_default_device  # type: ignore[attr-defined]
    if device is None or isinstance(device, str):
        device = jax.local_devices(backend=device)[0]
    return SingleDeviceSharding(device)
