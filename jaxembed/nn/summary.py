"""Summary: the layers of a model with their shapes and parameters."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax.typing import ArrayLike

from jaxembed.nn.calls import Call, record_calls


@dataclasses.dataclass(frozen=True)
class Layer:
    """One row of a :class:`Summary`.

    Attributes:
      name: the path of the layer, e.g. "head.logits".
      kind: the name of its class.
      output: the shape of its output; None stands for the batch.
      n_params: how many numbers it owns, those of the layers in it not counted.
      frozen: whether these stay as they are in training.
    """

    name: str
    kind: str
    output: tuple[int | None, ...]
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
            sizes = ", ".join("batch" if n is None else str(n) for n in layer.output)
            name = f"{layer.name} ({layer.kind})"
            rows.append((name, f"[{sizes}]", f"{layer.n_params:,}", note))
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
    params = variables["params"]
    rows: dict[tuple[str, ...], Layer] = {}
    calls = record_calls(model, variables, ids)
    for call in calls:
        # A layer of layers has no row, unless it has parameters of its own.
        n_params = _count(params, call.path)
        is_leaf = not any(_is_inside(other, call) for other in calls)
        if call.output is not None and (n_params or is_leaf):
            rows[call.path] = Layer(
                name=".".join(call.path) or "model",
                kind=type(call.module).__name__,
                output=(None, *call.output.shape[1:]),
                n_params=n_params,
                frozen=getattr(call.module, "frozen", False),
            )
    return Summary(tuple(rows.values()))


def _is_inside(inner: Call, outer: Call) -> bool:
    depth = len(outer.path)
    return len(inner.path) > depth and inner.path[:depth] == outer.path


def _count(params: Any, path: tuple[str, ...]) -> int:
    for name in path:
        params = params.get(name, {})
    own = [leaf for leaf in params.values() if not isinstance(leaf, dict)]
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(own))
