"""Summary: the layers of a model with their shapes and parameters."""

import dataclasses
import math
from typing import Any, NamedTuple

import flax.linen as nn
import jax
from flax.traverse_util import flatten_dict
from jax.typing import ArrayLike

from jaxembed.nn._embed import Embed


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


@dataclasses.dataclass(frozen=True)
class Layer:
    """One row of a :class:`Summary`.

    Attributes:
      name: the path of the layer, e.g. "head.logits".
      kind: the name of its class.
      output: the shape of its output, in which None stands for the batch; None if it
        gave no array.
      n_params: how many numbers it owns, those of the layers in it not counted.
      frozen: whether these stay as they are in training.
    """

    name: str
    kind: str
    output: tuple[int | None, ...] | None
    n_params: int
    frozen: bool


@dataclasses.dataclass(frozen=True)
class Summary:
    """The layers of a model; ``str()`` or ``print()`` makes the table.

    Attributes:
      layers: in the order in which they are called.
    """

    layers: tuple[Layer, ...]

    @property
    def total(self) -> int:
        """The number of parameters."""
        return sum(layer.n_params for layer in self.layers)

    @property
    def frozen(self) -> int:
        """The number of parameters that stay as they are in training."""
        return sum(layer.n_params for layer in self.layers if layer.frozen)

    @property
    def trainable(self) -> int:
        """The number of parameters that training changes."""
        return self.total - self.frozen

    def __str__(self) -> str:
        rows = [("layer", "output", "parameters", "")]
        for layer in self.layers:
            note = "frozen" if layer.frozen else ""
            sizes = ["batch" if n is None else str(n) for n in layer.output or ()]
            output = f"[{', '.join(sizes)}]" if sizes else ""
            name = f"{layer.name} ({layer.kind})"
            rows.append((name, output, f"{layer.n_params:,}", note))
        for name in ("total", "trainable", "frozen"):
            rows.append((name, "", f"{getattr(self, name):,}", ""))
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = [
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip()
            for a, b, c, d in rows
        ]
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-3], rule, *lines[-3:]])


def summary(model: nn.Module, variables: Any, ids: ArrayLike) -> Summary:
    """The layers that ``model`` calls, with their outputs and parameters.

    Nothing is computed: ``variables`` and ``ids`` may be shapes.

    Args:
      model: a Linen module, called as ``model(ids)``.
      variables: what ``model.init`` gave.
      ids: ``int[B, L]``; only the shape counts.

    Returns:
      :class:`Summary`, which prints as a table.

    Example:
      >>> import jax, numpy as np
      >>> from jaxembed.nn import Embed, FlattenDense, TextClassifier
      >>> model = TextClassifier(Embed(10_000, 8), FlattenDense())
      >>> ids = np.zeros((1, 20), np.int32)
      >>> print(summary(model, model.init(jax.random.key(0), ids), ids))
      layer                   output          parameters
      --------------------------------------------------
      embed (Embed)           [batch, 20, 8]      80,000
      head.flatten (Flatten)  [batch, 160]             0
      head.logits (Dense)     [batch, 1]             161
      --------------------------------------------------
      total                                       80,161
      trainable                                   80,161
      frozen                                           0
    """
    calls = record_calls(model, variables, ids)
    counts = _count(variables["params"])
    rows: dict[tuple[str, ...], Layer] = {}
    for call in calls:
        # A layer of layers has no row, unless it has parameters of its own.
        if call.path in counts or not any(_is_inside(other, call) for other in calls):
            shape = None if call.output is None else (None, *call.output.shape[1:])
            rows[call.path] = Layer(
                name=".".join(call.path) or "model",
                kind=type(call.module).__name__,
                output=shape,
                n_params=counts.pop(call.path, 0),
                frozen=is_frozen(call.module),
            )
    # What no __call__ has shown is counted all the same.
    for path, n_params in counts.items():
        rows[path] = Layer(".".join(path) or "model", "?", None, n_params, False)
    return Summary(tuple(rows.values()))


def _is_inside(inner: Call, outer: Call) -> bool:
    depth = len(outer.path)
    return len(inner.path) > depth and inner.path[:depth] == outer.path


def _count(params: Any) -> dict[tuple[str, ...], int]:
    """How many numbers each layer owns itself."""
    counts: dict[tuple[str, ...], int] = {}
    for path, leaf in flatten_dict(params).items():
        counts[path[:-1]] = counts.get(path[:-1], 0) + math.prod(leaf.shape)
    return counts
