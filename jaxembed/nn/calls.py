"""Calls: which layers a model runs, found by running it on shapes alone."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
from jax.typing import ArrayLike

from jaxembed.nn.embed import Embed


class Call(NamedTuple):
    """One layer of a model, as it was called.

    Attributes:
      path: the names that lead to its parameters, e.g. ``("embed",)``.
      module: the layer.
      output: the shape and dtype of what it returned, if that is one array.
      reads_ids: whether it was given the very ids that the model was given.
    """

    path: tuple[str, ...]
    module: nn.Module
    output: jax.ShapeDtypeStruct | None
    reads_ids: bool


def record_calls(model: nn.Module, variables: Any, ids: ArrayLike) -> list[Call]:
    """The layers that ``model`` calls for ``ids``, in the order they return.

    Nothing is computed: ``ids`` and ``variables`` may be ``jax.ShapeDtypeStruct``.

    Args:
      model: a Linen module, called as ``model(ids)``.
      variables: what ``model.init`` gave, or its shapes.
      ids: ``int[B, L]``.

    Returns:
      A :class:`Call` for each call of a layer, that of ``model`` last.

    Example:
      >>> import jax.numpy as jnp
      >>> ids, embed = jnp.array([[1, 2, 3]]), Embed(5, 2)
      >>> record_calls(embed, embed.init(jax.random.key(0), ids), ids)[0].output.shape
      (1, 3, 2)
    """
    calls: list[Call] = []
    given: list[Any] = []  # what the first call, that of the model, was given

    def record(run: Any, args: Any, kwargs: Any, context: Any) -> Any:
        given.extend(args[:1])
        reads_ids = bool(args) and args[0] is given[0]
        result = run(*args, **kwargs)
        if context.method_name in ("__call__", "bag"):
            is_array = hasattr(result, "shape")
            output = (
                jax.ShapeDtypeStruct(result.shape, result.dtype) if is_array else None
            )
            # Without its scope, which ends with the trace.
            module = context.module.clone(parent=None)
            calls.append(Call(context.module.path, module, output, reads_ids))
        return result

    with nn.intercept_methods(record):
        jax.eval_shape(model.apply, variables, ids)
    return calls


def find_tables(calls: list[Call]) -> dict[tuple[str, ...], Call]:
    """The tables among the layers of a model.

    Args:
      calls: of :func:`record_calls`.

    Returns:
      For each :class:`Embed` or ``flax.linen.Embed`` that is called, the path of its
      table in ``variables["params"]`` and the call.

    Example:
      >>> import jax.numpy as jnp
      >>> ids, embed = jnp.array([[1, 2, 3]]), Embed(5, 2, frozen=True)
      >>> calls = record_calls(embed, embed.init(jax.random.key(0), ids), ids)
      >>> [(path, call.module.frozen) for path, call in find_tables(calls).items()]
      [(('embedding',), True)]
    """
    tables: dict[tuple[str, ...], Call] = {}
    for call in calls:
        if isinstance(call.module, Embed | nn.Embed):
            path = (*call.path, "embedding")
            before = tables.get(path, call)  # a table may be read more than once
            tables[path] = call._replace(reads_ids=call.reads_ids or before.reads_ids)
    return tables


def is_frozen(module: nn.Module) -> bool:
    """Whether a layer is an :class:`Embed` whose table stays as it is.

    Example:
      >>> is_frozen(Embed(5, 2, frozen=True)), is_frozen(nn.Dense(3))
      (True, False)
    """
    return isinstance(module, Embed) and module.frozen
