"""Modes of a mesh: run a function under an explicit mesh as under an automatic one."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxembed.dist._mesh import Rules


def run_auto(
    function: Callable[..., Any], rules: Rules, specs: Any, *arrays: Any
) -> Any:
    """Call a function in which XLA chooses the shardings.

    Under an explicit mesh, the shardings of the arrays are dropped from their types
    inside of the function, and set to ``specs`` for the results.

    Args:
      function: function of ``(mesh, *arrays)``, which passes the mesh to
        ``jax.shard_map``.
      rules: placement on the mesh.
      specs: a tree of partition specs like the results, for an explicit mesh.
      *arrays: trees of arrays.
    """
    mesh = rules.mesh
    if AxisType.Explicit not in mesh.axis_types:
        return function(mesh, *arrays)

    def run(*arrays: Any) -> Any:
        return function(jax.sharding.get_abstract_mesh(), *arrays)

    places = jax.tree.map(
        lambda spec: NamedSharding(mesh, spec),
        specs,
        is_leaf=lambda spec: isinstance(spec, PartitionSpec),
    )
    return jax.sharding.auto_axes(run, axes=mesh.axis_names, out_sharding=places)(
        *arrays
    )


def constrain(array: jax.Array, mesh: Mesh, spec: PartitionSpec) -> jax.Array:
    """Constrain the sharding of an array inside of :func:`run_auto`."""
    return jax.lax.with_sharding_constraint(array, NamedSharding(mesh, spec))
