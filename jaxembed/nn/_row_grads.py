"""Row gradients: gradients of looked-up rows in place of that of the table."""

from typing import NamedTuple

import flax.errors
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.extend.core import ClosedJaxpr, Jaxpr, jaxprs_in_params

from jaxembed.nn._embed import ROW_GRADS, ROW_IDS, ROW_TABLES
from jaxembed.nn._inspect import Ids, Path, Variables, has_escaped

# By the path of a table, one array for each lookup in it.
Reads = dict[Path, tuple[jax.Array, ...]]
LISTED = f'variable_axes={{"params": ..., "{ROW_GRADS}": 0, "{ROW_IDS}": 0}}'


class Lookups(NamedTuple):
    """Logits of a model, and the ids of its lookups.

    Attributes:
      logits: ``float[B]`` or ``float[B, C]``.
      ids: ids of each lookup.
    """

    logits: jax.Array
    ids: Reads


def make_taps(
    model: nn.Module, variables: Variables, ids: Ids, tables: frozenset[Path]
) -> Reads:
    """Return a tap, an array of zeros, for each lookup in some tables.

    Args:
      model: a Linen module, called as ``model(ids, train=True)``.
      variables: parameters of the model, or their shapes.
      ids: ``int32[B, L]``, or its shape.
      tables: paths of the tables.

    Returns:
      ``float32[..., D]`` for each lookup, in the order of the lookups.
    """
    if not tables:
        return {}

    def run(variables: Variables, ids: jax.Array) -> Variables:
        rngs = {"dropout": jax.random.key(0)}
        _, sown = model.apply(variables, ids, train=True, rngs=rngs, mutable=ROW_GRADS)
        return sown

    sown = jax.eval_shape(run, variables, ids)
    found = flatten_dict(sown.get(ROW_GRADS, {}))
    taps = {path: found[path] for path in sorted(tables) if path in found}
    return jax.tree.map(lambda tap: jnp.zeros(tap.shape, tap.dtype), taps)


def apply_with_taps(
    model: nn.Module,
    variables: Variables,
    batch_ids: Ids,
    taps: Reads,
    rngs: dict[str, jax.Array],
) -> Lookups:
    """Apply a model and route the gradients of its looked-up rows to taps.

    Args:
      model: a Linen module, called as ``model(ids, train=True)``.
      variables: all parameters.
      batch_ids: ``int32[B, L]``.
      taps: the result of :func:`make_taps`.
      rngs: random keys by name.

    Returns:
      The logits, and the ids of each lookup, with V for an id left out of a bag.
    """
    if not taps:
        return Lookups(model.apply(variables, batch_ids, train=True, rngs=rngs), {})
    collections = {**variables, ROW_GRADS: unflatten_dict(taps)}
    logits, sown = model.apply(
        collections, batch_ids, train=True, rngs=rngs, mutable=ROW_IDS
    )
    ids = flatten_dict(sown[ROW_IDS])
    return Lookups(logits, jax.tree.map(lambda read: read[..., 0], ids))


def check_lookups(model: nn.Module, variables: Variables, ids: Ids, path: Path) -> None:
    """Raise if the taps of a table would not receive its whole gradient.

    With a tap at each lookup, the gradient of the model with respect to the table
    itself must be zero. JAX derives this gradient.

    Args:
      model: a Linen module, called as ``model(ids, train=True)``.
      variables: shapes of the model's parameters.
      ids: ``int32[B, L]``, or its shape.
      path: path of the table.

    Raises:
      ValueError: names the table, the reason and the remedy.
    """
    name, tables = ".".join(path), frozenset([path])
    rest = f"or train {name} with tx, without table_tx"
    problem = _find_problem(model, variables, ids, path)
    if problem:
        raise ValueError(
            f"table_tx trains {name} by the rows that are looked up, but the model "
            f"{problem}, {rest}."
        )
    taps = jax.eval_shape(lambda: make_taps(model, variables, ids, tables))
    if _reaches_table(model, variables, ids, path, taps):
        raise ValueError(
            f"table_tx trains {name} by the rows that are looked up, but the model "
            "also uses the table in another way, whose gradient would be lost. For a "
            f"lookup in nn.scan or nn.vmap, add {LISTED} there. Otherwise use the "
            f"table only by lookups of its Embed, {rest}."
        )
    if path not in taps:
        raise ValueError(
            f"table_tx trains {name} by the rows that are looked up, but the model "
            "looks up no rows when it is called with train=True."
        )


class _Trace(NamedTuple):
    """Traced model, whose outputs are the tables and the ids of its lookups."""

    jaxpr: ClosedJaxpr
    tables: Reads
    ids: Reads
    has_escaped: bool


def _find_problem(
    model: nn.Module, variables: Variables, ids: Ids, path: Path
) -> str | None:
    """Return why the model cannot use taps, with the remedy; None if it can.

    The model is traced on a batch of L + 1 texts, so that the axes of texts and of
    words differ in length.
    """
    length, listed = np.shape(ids)[-1], f"with {LISTED}"
    shape = jax.ShapeDtypeStruct((length + 1, length), np.int32)
    in_jax = (
        "looks them up in a transformation of JAX: use Flax's, such as nn.remat or "
        f"nn.vmap {listed}"
    )
    try:
        taps = jax.eval_shape(
            lambda: make_taps(model, variables, shape, frozenset([path]))
        )
        trace = _trace_lookups(model, variables, shape, path, taps)
    except (flax.errors.JaxTransformError, jax.errors.UnexpectedTracerError):
        return in_jax
    except TypeError as error:  # the branches of an nn.cond record different lookups
        return f"looks them up in branches that differ ({error}): use jnp.where"
    if trace.has_escaped:
        return in_jax
    for tap, read in zip(taps.get(path, ()), trace.ids.get(path, ()), strict=True):
        if read.shape != (*tap.shape[:-1], 1):
            return (
                f"lists the collections {ROW_GRADS} and {ROW_IDS} with axes that "
                f"differ or are negative: list them {listed}"
            )
    if _is_computed(trace.jaxpr, len(trace.tables.get(path, ()))):
        return (
            "computes the table from the parameter before it looks rows up: look up "
            "rows of the parameter"
        )
    return None


def _trace_lookups(
    model: nn.Module,
    variables: Variables,
    ids: jax.ShapeDtypeStruct,
    path: Path,
    taps: Reads,
) -> _Trace:
    """Trace a model with taps; the first input is its table at ``path``."""
    escaped = []

    def run(
        table: jax.Array, variables: Variables, ids: jax.Array, taps: Reads
    ) -> tuple[Variables, Variables]:
        params = flatten_dict(variables["params"]) | {path: table}
        collections = {"params": unflatten_dict(params)}
        collections[ROW_GRADS] = unflatten_dict(taps)
        rngs, mutable = {"dropout": jax.random.key(0)}, [ROW_IDS, ROW_TABLES]
        _, sown = model.apply(collections, ids, train=True, rngs=rngs, mutable=mutable)
        escaped.append(has_escaped(sown, ids))
        kept = {} if escaped[-1] else sown
        return kept.get(ROW_TABLES, {}), kept.get(ROW_IDS, {})

    table = flatten_dict(variables["params"])[path]
    make = jax.make_jaxpr(run, return_shape=True)
    jaxpr, (tables, reads) = make(table, variables, ids, taps)
    return _Trace(jaxpr, flatten_dict(tables), flatten_dict(reads), any(escaped))


def _is_computed(jaxpr: ClosedJaxpr, n_outputs: int) -> bool:
    """Return whether one of the first outputs is computed from the first input.

    An output of a call, such as a call of nn.remat, counts as passed through.
    """
    outputs = jaxpr.jaxpr.outvars[:n_outputs]
    makers = {v: e for e in jaxpr.jaxpr.eqns for v in e.outvars}
    others = [v for v in outputs if v is not jaxpr.jaxpr.invars[0] and v in makers]
    return any(not list(jaxprs_in_params(makers[v].params)) for v in others)


def _reaches_table(
    model: nn.Module, variables: Variables, ids: Ids, path: Path, taps: Reads
) -> bool:
    """Return whether the gradient of the logits reaches the table past its taps."""
    leaves = flatten_dict(variables["params"])
    rest = {other: leaf for other, leaf in leaves.items() if other != path}

    def gradient(
        table: jax.Array,
        rest: dict[Path, jax.Array],
        ids: jax.Array,
        taps: Reads,
        ones: jax.Array,
    ) -> jax.Array:
        def run(table: jax.Array) -> jax.Array:
            params = unflatten_dict({**rest, path: table})
            rngs = {"dropout": jax.random.key(0)}
            return apply_with_taps(model, {"params": params}, ids, taps, rngs).logits

        return jax.vjp(run, table)[1](ones)[0]

    def logits(variables: Variables, ids: jax.Array) -> jax.Array:
        rngs = {"dropout": jax.random.key(0)}
        return model.apply(variables, ids, train=True, rngs=rngs)

    shape = jax.eval_shape(logits, variables, ids)
    jaxpr = jax.make_jaxpr(gradient)(leaves[path], rest, ids, taps, shape)
    return _depends(jaxpr.jaxpr)


def _depends(jaxpr: Jaxpr) -> bool:
    """Return whether the output of a jaxpr may depend on its last input."""
    reached = {jaxpr.invars[-1]}
    variable = type(jaxpr.invars[-1])
    for equation in jaxpr.eqns:
        if any(isinstance(v, variable) and v in reached for v in equation.invars):
            reached.update(equation.outvars)
    return any(isinstance(v, variable) and v in reached for v in jaxpr.outvars)
