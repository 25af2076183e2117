"""`is_one_device`: choose between programs by the number of devices."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import mlir

_is_one_device = Primitive("is_one_device")
_is_one_device.def_impl(lambda: jnp.asarray(True))
_is_one_device.def_abstract_eval(lambda: jax.core.ShapedArray((), bool))


def is_one_device() -> jax.Array:
    """Return ``bool[]``, True in a program that XLA does not partition over devices.

    JAX knows the devices only when it lowers a program. So the result is a constant of
    the lowered program, and XLA removes the other branch of a `jax.lax.cond` on it. It
    is True inside `jax.shard_map`, where the program is the program of one device.
    """
    return _is_one_device.bind()


def _lower(context: mlir.LoweringRuleContext) -> list:
    axes = context.module_context.axis_context
    if isinstance(axes, mlir.SPMDAxisContext):
        sizes = axes.mesh.shape
        n_devices = math.prod(
            size for name, size in sizes.items() if name not in axes.manual_axes
        )
    else:
        n_devices = axes.num_devices
    return [mlir.ir_constant(np.bool_(n_devices == 1))]


# Not cacheable: one module may hold programs inside and outside of a shard_map.
mlir.register_lowering(_is_one_device, _lower, cacheable=False)
