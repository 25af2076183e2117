"""Prepare: the arrays that all replicates read, the row-sparse tables, and the mesh."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh
from jax.typing import ArrayLike

from jaxembed.optim._dense_or_sparse import choose_sparse
from jaxembed.replicates._journal import Identity
from jaxembed.replicates._program import Shared
from jaxembed.replicates._validation import make_validation
from jaxembed.train._evaluate import check_validation
from jaxembed.train._setup import Interface, Paths, Plan
from jaxembed.train._state import Params
from jaxembed.train.checkpoint._arrays import check_params
from jaxembed.train.data._checks import Checked, Examples
from jaxembed.train.data._masks import make_masks


def find_sparse(
    plan: Plan, shape: jax.ShapeDtypeStruct, params: Params | None, saved: Identity
) -> Paths:
    """Check ``params``, and return the paths of the tables to train row by row.

    A resumed run keeps the paths in its journal.
    """
    shapes = jax.eval_shape(plan.model.init, jax.random.key(0), shape)["params"]
    check_params(shapes, params)
    sparse = saved.get("sparse")
    if sparse is None:
        return choose_sparse(plan.tables, shape, shapes)
    return frozenset(map(tuple, sparse))


def share(
    model: nn.Module,
    interface: Interface,
    examples: Checked,
    params: Params | None,
    validation: Examples | None,
    trainable_rows: ArrayLike | None,
    memory: int,
) -> Shared:
    """Check the arrays that all replicates read, and put them on the device."""
    held_out = None
    if validation is not None:
        pair = check_validation(model, interface, validation, train_labels=examples[1])
        held_out = make_validation(model, pair, memory)
    masks = make_masks(interface, trainable_rows)
    given = jax.tree.map(jnp.asarray, params or {})
    ids, labels, masks, held_out = jax.device_put((*examples, masks, held_out))
    return Shared(ids, labels, given, masks, held_out)


def flatten_mesh(mesh: Mesh | None) -> Mesh | None:
    """Return a mesh of the same devices with one axis; None without a mesh.

    Raises:
      TypeError: if ``mesh`` is not a mesh.

    Example:
      >>> mesh = jax.make_mesh((1, 1), ("data", "vocab"), devices=jax.devices()[:1])
      >>> dict(flatten_mesh(mesh).shape)
      {'replicates': 1}
    """
    if mesh is None:
        return None
    if not isinstance(mesh, Mesh):
        raise TypeError(
            "mesh must be a jax.sharding.Mesh, such as from dist.make_mesh, got "
            f"{type(mesh).__name__}."
        )
    devices = mesh.devices.reshape(-1)
    return Mesh(devices, ("replicates",), axis_types=(AxisType.Auto,))
