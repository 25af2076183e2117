"""Inspection of a model: its layers, its tables, and the ids that each table reads.

The model is traced on shapes, so weights are not needed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.linen.module import InterceptorContext
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.extend.core import ClosedJaxpr, Jaxpr
from jax.interpreters import partial_eval
from jax.typing import ArrayLike

from jaxembed.nn._embed import Embed
from jaxembed.nn._lookup import as_ids

Path = tuple[str, ...]
# The collections of a model, such as {"params": ...}, or their shapes.
Variables = Mapping[str, Any]
# Ids, or their shape.
Ids = ArrayLike | jax.ShapeDtypeStruct
# First id of the texts of `_probe`: past the end of every table.
PROBE = 2**30


class Call(NamedTuple):
    """One call of a layer.

    Attributes:
      path: names that lead to the layer's parameters, such as ``("embed",)``.
      module: the layer, without its scope.
      output: shape and dtype of the result; None if the result is not one array.
    """

    path: Path
    module: nn.Module
    output: jax.ShapeDtypeStruct | None


class Table(NamedTuple):
    """One table of a model.

    Attributes:
      module: the ``Embed`` that owns the table.
      columns: ``bool[L]``, True at the positions of a text whose ids the table reads;
        None if unknown.
    """

    module: nn.Module
    columns: np.ndarray | None

    @property
    def frozen(self) -> bool:
        """True for an :class:`Embed` with ``frozen=True``."""
        return isinstance(self.module, Embed) and self.module.frozen


def record_calls(model: nn.Module, variables: Variables, ids: Ids) -> list[Call]:
    """Return the calls of layers in ``model``, in the order in which they return.

    Args:
      model: a Linen module, called as ``model(ids)``.
      variables: the result of ``model.init``, or its shapes.
      ids: ``int[B, L]``, or its shape.

    Returns:
      A :class:`Call` for each call of a layer; the last is the call of ``model``.

    Example:
      >>> import jax.numpy as jnp
      >>> ids, embed = jnp.array([[1, 2, 3]]), Embed(5, 2)
      >>> record_calls(embed, embed.init(jax.random.key(0), ids), ids)[0].output.shape
      (1, 3, 2)
    """
    recorder = _Recorder()
    with nn.intercept_methods(recorder):
        jax.eval_shape(model.apply, variables, ids)
    return recorder.calls


def find_tables(
    model: nn.Module, variables: Variables, ids: Ids
) -> tuple[list[Call], dict[Path, Table]]:
    """Return the calls of a model, and its tables with the positions that they read.

    The positions are known if the model passes ids of the text to the table unchanged.
    It may slice or reshape the ids, select some by a condition, or pass them by
    keyword. If it computes other ids, such as ``ids % 100``, the positions are unknown.

    Args:
      model: a Linen module, called as ``model(ids)``.
      variables: the result of ``model.init``, or its shapes.
      ids: ``int[B, L]``, or its shape.

    Returns:
      The result of :func:`record_calls`, and a :class:`Table` for each ``Embed`` or
      ``flax.linen.Embed`` that is used, by the path of its parameter.

    Example:
      >>> import jax.numpy as jnp
      >>> ids, embed = jnp.array([[1, 2, 3]]), Embed(5, 2, frozen=True)
      >>> variables = embed.init(jax.random.key(0), ids)
      >>> [(path, table.columns, table.frozen)
      ...  for path, table in find_tables(embed, variables, ids)[1].items()]
      [(('embedding',), array([ True,  True,  True]), True)]
    """
    recorder = _Recorder(sows=True)

    def run(variables: Variables, ids: jax.Array) -> Variables:
        with nn.intercept_methods(recorder):
            _, sown = model.apply(variables, ids, mutable="read_ids")
        reads = flatten_dict(sown.get("read_ids", {}))
        known = {path: r for path, r in reads.items() if not has_escaped(r, ids)}
        return unflatten_dict(known)

    length = np.shape(ids)[-1]
    text = jax.ShapeDtypeStruct((1, length), np.int32)
    try:
        jaxpr, shapes = jax.make_jaxpr(run, return_shape=True)(variables, text)
        reads = _probe(jaxpr, flatten_dict(shapes), length)
    except TypeError:  # the branches of an nn.cond record different tables
        recorder, reads = _Recorder(), {}
        with nn.intercept_methods(recorder):
            jax.eval_shape(model.apply, variables, text)
    nothing, known = np.zeros(length, bool), flatten_dict(variables["params"])
    tables = {
        path: Table(module, reads.get(path) if path in recorder.looked_up else nothing)
        for path, module in recorder.tables.items()
        if path in known  # in a lifted transform, setup runs under another path
    }
    return recorder.calls, tables


def has_escaped(values: object, tracer: jax.Array) -> bool:
    """Return whether values come from a JAX transformation that has ended.

    Flax keeps values that a layer records inside ``jax.vmap`` or ``jax.grad``. JAX
    reports such leaked values late or never.

    Args:
      values: a tree of arrays.
      tracer: an array of the current trace.
    """
    leaves = [x for x in jax.tree.leaves(values) if isinstance(x, jax.core.Tracer)]
    # By trace, not by type: jax.jit and jax.checkpoint have tracers of the same type.
    trace = getattr(tracer, "_trace", None)
    return any(getattr(leaf, "_trace", None) is not trace for leaf in leaves)


def given_ids(args: tuple, kwargs: dict) -> Any:
    """Return the ids in a call of a table, with 0 for ids that a bag leaves out."""
    ids: Any = args[0] if args else kwargs.get("ids", kwargs.get("inputs"))
    mask = args[2] if len(args) > 2 else kwargs.get("mask")
    if mask is None or np.shape(mask) != np.shape(ids):  # the bag refuses the latter
        return ids
    return jnp.where(jnp.asarray(mask, bool), as_ids(ids), 0)


class _Recorder:
    """Interceptor that records calls of layers and uses of tables.

    Attributes:
      calls: calls of layers, in the order in which they return.
      tables: layers of the tables that any method uses, by path of the table.
      looked_up: paths of the tables that are looked up by ids.
      sows: True to sow the ids of each lookup into the collection "read_ids".
    """

    def __init__(self, *, sows: bool = False) -> None:
        self.calls: list[Call] = []
        self.tables: dict[Path, nn.Module] = {}
        self.looked_up: set[Path] = set()
        self.sows = sows

    def __call__(
        self, run: Callable, args: tuple, kwargs: dict, context: InterceptorContext
    ) -> object:
        module, is_call = context.module, context.method_name in ("__call__", "bag")
        if isinstance(module, Embed | nn.Embed):
            path = (*module.path, "embedding")
            self.tables[path] = module.clone(parent=None)
            if is_call:
                self.looked_up.add(path)
                if self.sows:
                    module.sow("read_ids", "embedding", given_ids(args, kwargs))
        result = run(*args, **kwargs)
        if is_call:
            output = None
            if hasattr(result, "shape"):
                output = jax.ShapeDtypeStruct(result.shape, result.dtype)
            # Without the scope of the module, which ends with the trace.
            self.calls.append(Call(module.path, module.clone(parent=None), output))
        return result


def _probe(
    jaxpr: ClosedJaxpr, shapes: dict[Path, tuple], length: int
) -> dict[Path, np.ndarray]:
    """Find the columns of the ids that are looked up in each table.

    The program runs on two texts. Their ids are distinct and out of range of every
    table, so that an id that reaches a table unchanged identifies its column. They rise
    in random steps, so that an id plus a constant is not that of another column. All
    other ids that reach a table, such as constants that a condition selects, must be
    equal for both texts.
    """
    steps = np.random.default_rng(0).integers(1, PROBE // (length + 1), (2, length))
    texts = list(PROBE + np.cumsum(steps, axis=1))
    found: dict[Path, np.ndarray] = {}
    outputs = iter(range(len(jaxpr.jaxpr.outvars)))
    for path, reads in shapes.items():
        parts = [_find_read(jaxpr, next(outputs), texts) for _ in reads]
        known = [part for part in parts if part is not None]
        if len(known) == len(parts):
            found[path] = np.any(known, axis=0)
    return found


def _find_read(
    jaxpr: ClosedJaxpr, output: int, texts: list[np.ndarray]
) -> np.ndarray | None:
    """Return the columns ``bool[L]`` whose ids a program returns; None if unknown."""
    columns = np.zeros(len(texts[0]), bool)
    wanted = [i == output for i in range(len(jaxpr.jaxpr.outvars))]
    part, used = partial_eval.dce_jaxpr(jaxpr.jaxpr, wanted)
    if any(used[:-1]):  # all arguments except the last are weights
        return None
    if not used[-1]:  # constant ids, such as the positions of the words
        return columns
    if not part.eqns:  # the ids unchanged, the common case
        return ~columns
    first, second = (_evaluate(part, jaxpr.consts, text) for text in texts)
    places = np.minimum(np.searchsorted(texts[0], first), len(columns) - 1)
    is_id = (texts[0][places] == first) & (texts[1][places] == second)
    if not is_id.any() or not (is_id | (first == second)).all():
        return None  # computed from the ids of the text
    columns[places[is_id]] = True
    return columns


def _evaluate(part: Jaxpr, consts: Sequence[ArrayLike], text: np.ndarray) -> np.ndarray:
    """Run a program on the ids of a text."""
    with jax.ensure_compile_time_eval():
        (ids,) = jax.core.eval_jaxpr(part, consts, text[None].astype(np.int32))
    return np.asarray(ids).astype(np.int64)
