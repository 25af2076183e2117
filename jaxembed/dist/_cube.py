"""Cube: the numbers of an initializer of a table, drawn in the shape of its shards.

The operations of an initializer are repeated on an array of another shape, with the
factors that it has computed from the shape of the table, such as a fan.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr
from jax.typing import DTypeLike

# Primitives whose result has the shape of their operands, element by element.
ELEMENTWISE = frozenset(
    "abs add and bitcast_convert_type clamp convert_element_type copy cos div eq erf "
    "erf_inv exp exp2 expm1 floor ge gt integer_pow le log log1p logistic lt max min "
    "mul ne neg nextafter not or pow rem round rsqrt select_n shift_left "
    "shift_right_arithmetic shift_right_logical sign sin sqrt square stop_gradient sub "
    "tan tanh xor".split()
)
# Calls of a program, with the parameter that has the program.
CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "custom_jvp_call": "call_jaxpr"}


class Cube(NamedTuple):
    """Array in the shape of the shards, in place of one in that of the table."""

    array: jax.Array


class Shapes(NamedTuple):
    """Shape of a table, ``[V, D]``, and of its shards, ``[S, n, D]``."""

    table: tuple[int, int]
    cube: tuple[int, int, int]


class NotByElementError(Exception):
    """An operation that is not done element by element."""


def draw_cube(
    init: Callable[..., jax.Array],
    key: jax.Array,
    dtype: DTypeLike,
    shapes: Shapes,
) -> jax.Array | None:
    """Return the numbers of an initializer, with the words along two axes.

    Args:
      init: initializer, called as ``init(key, shape, dtype)``.
      key: random key.
      dtype: dtype of the table.
      shapes: shapes of the table and of the result.

    Returns:
      ``dtype[S, n, D]``, whose first V rows are those of the table, bit by bit; None
      if the initializer does not compute each element by itself, or the generator does
      not compute each number from its position.

    Example:
      >>> init, key = jax.nn.initializers.lecun_normal(), jax.random.key(0)
      >>> cube = draw_cube(init, key, jnp.float32, Shapes((5, 3), (3, 2, 3)))
      >>> bool(jnp.allclose(cube.reshape(6, 3)[:5], init(key, (5, 3)), rtol=1e-6))
      True
      >>> init = jax.nn.initializers.orthogonal()
      >>> draw_cube(init, key, jnp.float32, Shapes((5, 3), (3, 2, 3))) is None
      True
    """
    if not draws_by_position(key):
        return None
    like = jax.ShapeDtypeStruct(key.shape, key.dtype)
    closed = jax.make_jaxpr(lambda key: init(key, shapes.table, dtype))(like)
    try:
        (found,) = _run(closed.jaxpr, closed.consts, [key], shapes)
    except NotByElementError:
        return None
    return found.array if isinstance(found, Cube) else None


def draws_by_position(key: jax.Array) -> bool:
    """Return whether a number of the generator depends on its position only.

    Example:
      >>> draws_by_position(jax.random.key(0))
      True
      >>> draws_by_position(jax.random.key(0, impl="rbg"))
      False
    """
    is_typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    config: Any = jax.config
    name = jax.random.key_impl(key) if is_typed else config.jax_default_prng_impl
    return str(name) == "threefry2x32" and config.jax_threefry_partitionable


def _run(
    jaxpr: Jaxpr, consts: Sequence[Any], given: Sequence[Any], shapes: Shapes
) -> list[Any]:
    """Run a program with cubes in place of tables."""
    known: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    known |= zip(jaxpr.invars, given, strict=True)

    def read(atom: Any) -> Any:
        return atom.val if hasattr(atom, "val") else known[atom]

    for equation in jaxpr.eqns:
        values = [read(atom) for atom in equation.invars]
        results = _run_equation(equation, values, shapes)
        known |= zip(equation.outvars, results, strict=True)
    return [read(atom) for atom in jaxpr.outvars]


def _run_equation(equation: Any, values: list[Any], shapes: Shapes) -> list[Any]:
    name, params = equation.primitive.name, equation.params
    shape = tuple(getattr(equation.outvars[0].aval, "shape", ()))
    if name in CALLS:
        inner = params[CALLS[name]]
        closed = inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ())
        return _run(closed.jaxpr, closed.consts, values, shapes)
    if name == "random_bits" and shape == shapes.table == params["shape"]:  # one key
        bits = equation.primitive.bind(*values, **params | {"shape": shapes.cube})
        return [Cube(bits)]
    if name == "broadcast_in_dim" and shape == shapes.table:
        wide = _widen(values[0], shapes, params["broadcast_dimensions"])
        return [Cube(jnp.broadcast_to(wide, shapes.cube))]
    if not any(isinstance(value, Cube) for value in values):
        found = equation.primitive.bind(*values, **params)
        return list(found) if equation.primitive.multiple_results else [found]
    if name not in ELEMENTWISE or shape != shapes.table:
        raise NotByElementError(name)
    wide = [_widen(value, shapes) for value in values]
    return [Cube(equation.primitive.bind(*wide, **params))]


def _widen(value: Any, shapes: Shapes, axes: tuple[int, ...] | None = None) -> Any:
    """Return an operand that has the same elements for each word, for a cube."""
    if isinstance(value, Cube):
        return value.array
    shape = np.shape(value)
    if not shape:
        return value
    axes = tuple(range(len(shape))) if axes is None else axes
    sizes = dict(zip(axes, shape, strict=True))
    if sizes.get(0, 1) != 1:  # numbers for each word
        raise NotByElementError("an operand by word")
    return jnp.reshape(value, (1, 1, sizes.get(1, 1)))
