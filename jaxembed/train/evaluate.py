"""Evaluation and prediction, of any number of examples."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxembed.train.data import check_examples, check_texts
from jaxembed.train.epoch import make_batches, run_evaluation
from jaxembed.train.state import Params
from jaxembed.train.step import Metrics

# Examples looked up at once: enough to fill a device, few enough for its memory.
BATCH_SIZE = 1024

_evaluate = jax.jit(run_evaluation, static_argnames=("model", "batch_size"))


@functools.partial(jax.jit, static_argnames=("model", "batch_size"))
def _predict(
    model: nn.Module, params: Params, ids: jax.Array, *, batch_size: int
) -> jax.Array:
    batches, _ = make_batches(jnp.arange(len(ids), dtype=jnp.int32), batch_size)
    logits = jax.lax.map(lambda b: model.apply({"params": params}, ids[b]), batches)
    return logits.reshape(-1, *logits.shape[2:])[: len(ids)]


def means(metrics: Metrics) -> dict[str, float]:
    """The mean loss and the accuracy, of sums on the device.

    Example:
      >>> means(Metrics(jnp.array(3.0), jnp.array(1), jnp.array(2)))
      {'loss': 1.5, 'accuracy': 0.5}
    """
    loss, correct, n_examples = (np.asarray(part).item() for part in metrics)
    return {"loss": loss / n_examples, "accuracy": correct / n_examples}


def evaluate(
    model: nn.Module,
    variables: Any,
    ids: ArrayLike,
    labels: ArrayLike,
    *,
    batch_size: int = BATCH_SIZE,
) -> dict[str, float]:
    """Mean loss and accuracy of a model on examples.

    Args:
      model: a Linen module, called as ``model(ids)``.
      variables: its parameters, as ``state.variables`` of :func:`fit` has them.
      ids: ``int[N, L]``, checked to be rows of the model's table.
      labels: ``int[N]``.
      batch_size: how many examples are looked up at once.

    Returns:
      ``{"loss": ..., "accuracy": ...}``; the loss in nats.

    Raises:
      TypeError: if ``ids`` are not integers.
      ValueError: if there is no example, or an id or a label is out of range.

    Example:
      >>> from jaxembed import nn
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.FlattenDense())
      >>> ids = np.array([[1, 2, 3], [4, 5, 6]])
      >>> variables = jax.tree.map(jnp.zeros_like, model.init(jax.random.key(0), ids))
      >>> evaluate(model, variables, ids, [0, 1])
      {'loss': 0.6931471824645996, 'accuracy': 0.5}
    """
    data = check_examples(model, variables, (ids, labels))
    size = min(batch_size, len(data[0]))
    return means(_evaluate(model, variables["params"], data, batch_size=size))


def predict(
    model: nn.Module, variables: Any, ids: ArrayLike, *, batch_size: int = BATCH_SIZE
) -> jax.Array:
    """The logits of a model for texts.

    Args:
      model: see :func:`evaluate`, as for the other arguments.
      variables: its parameters.
      ids: ``int[N, L]``.
      batch_size: how many texts are looked up at once.

    Returns:
      ``float[N]``, of which the sigmoid is the probability of label 1, or
      ``float[N, C]``.

    Raises:
      TypeError: if ``ids`` are not integers.
      ValueError: if there is no text, or an id is out of range.

    Example:
      >>> from jaxembed import nn
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.FlattenDense())
      >>> ids = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 0]])
      >>> predict(model, model.init(jax.random.key(0), ids), ids, batch_size=2).shape
      (3,)
    """
    ids, _ = check_texts(model, variables, ids)
    size = min(batch_size, len(ids))
    params = variables["params"]
    return _predict(model, params, jnp.asarray(ids, jnp.int32), batch_size=size)
