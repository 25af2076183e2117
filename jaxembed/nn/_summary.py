"""Summary: the layers of a model with their shapes and parameters."""

import dataclasses
import math

import flax.linen as nn
from flax.traverse_util import flatten_dict
from jax.typing import ArrayLike

from jaxembed.nn._embed import Embed
from jaxembed.nn._inspect import Call, Variables, record_calls


@dataclasses.dataclass(frozen=True)
class Layer:
    """One row of a :class:`Summary`.

    Attributes:
      name: path of the layer, e.g. "head.logits".
      kind: name of the layer's class.
      output: shape of the output, with None for the batch; None if the output is not
        an array.
      n_params: number of the layer's own parameters, without layers inside it.
      frozen: True if training does not change these parameters.
    """

    name: str
    kind: str
    output: tuple[int | None, ...] | None
    n_params: int
    frozen: bool


@dataclasses.dataclass(frozen=True)
class Summary:
    """Layers of a model; ``str()`` and ``print()`` format them as a table.

    Attributes:
      layers: layers in the order in which they are called.
    """

    layers: tuple[Layer, ...]

    @property
    def total(self) -> int:
        """Number of parameters."""
        return sum(layer.n_params for layer in self.layers)

    @property
    def frozen(self) -> int:
        """Number of parameters that training does not change."""
        return sum(layer.n_params for layer in self.layers if layer.frozen)

    @property
    def trainable(self) -> int:
        """Number of parameters that training changes."""
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


def summary(model: nn.Module, variables: Variables, ids: ArrayLike) -> Summary:
    """Return the layers that ``model`` calls, with their outputs and parameters.

    The model is only traced, so ``variables`` and ``ids`` may be shapes.

    Args:
      model: a Linen module, called as ``model(ids)``.
      variables: the result of ``model.init``.
      ids: ``int[B, L]``; only the shape is used.

    Returns:
      A :class:`Summary`, which prints as a table.

    Example:
      >>> import jax, numpy as np
      >>> from jaxembed.nn import Embed, DenseHead, TextClassifier
      >>> model = TextClassifier(Embed(10_000, 8), DenseHead())
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
    counts = _count(variables)
    rows: dict[tuple[str, ...], Layer] = {}
    for call in calls:
        # A layer that only contains other layers is left out.
        if call.path in counts or not any(_is_inside(other, call) for other in calls):
            shape = None if call.output is None else (None, *call.output.shape[1:])
            rows[call.path] = Layer(
                name=".".join(call.path) or "model",
                kind=type(call.module).__name__,
                output=shape,
                n_params=counts.pop(call.path, 0),
                frozen=isinstance(call.module, Embed) and call.module.frozen,
            )
    # Parameters of layers without a recorded call count too.
    for path, n_params in counts.items():
        rows[path] = Layer(".".join(path) or "model", "?", None, n_params, False)
    return Summary(tuple(rows.values()))


def _is_inside(inner: Call, outer: Call) -> bool:
    depth = len(outer.path)
    return len(inner.path) > depth and inner.path[:depth] == outer.path


def _count(variables: Variables) -> dict[tuple[str, ...], int]:
    """Count the parameters of each layer, without the parameters of its sublayers."""
    counts: dict[tuple[str, ...], int] = {}
    for path, leaf in flatten_dict(variables["params"]).items():
        counts[path[:-1]] = counts.get(path[:-1], 0) + math.prod(leaf.shape)
    return counts
