"""Evaluation and prediction, of any number of examples."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxembed.train._data import Checked, check_examples, check_ids
from jaxembed.train._setup import inspect_model
from jaxembed.train._state import Params
from jaxembed.train._step import Batch, Metrics, measure

# Examples looked up at once: enough to fill a device, few enough for its memory.
BATCH_SIZE = 1024


@functools.partial(jax.jit, static_argnames="model")
def _logits(model: nn.Module, params: Params, ids: jax.Array) -> jax.Array:
    return model.apply({"params": params}, ids)


@functools.partial(jax.jit, static_argnames="model")
def _measure(model: nn.Module, params: Params, batch: Batch) -> Metrics:
    return measure(model.apply({"params": params}, batch.ids), batch)


def cut_batches(examples: Checked, batch_size: int = BATCH_SIZE) -> list[Batch]:
    """Cuts examples into batches of one shape, on the device.

    One shape for any number of examples: validation and test share a program.

    Args:
      examples: ``int32[N, L]`` ids and ``int32[N]`` labels of NumPy, N > 0.
      batch_size: B; the last batch is filled up with the last example.

    Returns:
      Batches of ``int32[B, L]``.

    Example:
      >>> batches = cut_batches((np.array([[1], [2], [3]]), np.array([0, 1, 1])), 2)
      >>> [batch.mask.tolist() for batch in batches]
      [[True, True], [True, False]]
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
    ids, labels = examples
    batches = []
    for start in range(0, len(ids), batch_size):
        places = np.arange(start, start + batch_size)
        rows = np.minimum(places, len(ids) - 1)
        arrays = (ids[rows], labels[rows], places < len(ids))
        batches.append(Batch(*jax.device_put(arrays)))
    return batches


def evaluate_batches(
    model: nn.Module, params: Params, batches: list[Batch]
) -> dict[str, float]:
    """Mean loss and accuracy over batches that are on the device already."""
    metrics = [_measure(model, params, batch) for batch in batches]  # all dispatched
    return means(metrics)


def means(metrics: list[Metrics]) -> dict[str, float]:
    """The mean loss and the accuracy, of sums on the device.

    Example:
      >>> sums = Metrics(jnp.array(3.0), jnp.array(1), jnp.array(2))
      >>> means([sums, sums])
      {'loss': 1.5, 'accuracy': 0.5}
    """
    loss, correct, n_examples = np.asarray(jax.device_get(metrics), np.float64).sum(0)
    return {"loss": float(loss / n_examples), "accuracy": float(correct / n_examples)}


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
    texts = check_ids(ids)
    interface = inspect_model(model, variables, texts)
    batches = cut_batches(check_examples(interface, (texts, labels)), batch_size)
    return evaluate_batches(model, variables["params"], batches)


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
    texts = check_ids(ids)
    interface = inspect_model(model, variables, texts)
    examples = check_examples(interface, (texts, np.zeros(len(texts), np.int32)))
    batches = cut_batches(examples, batch_size)
    logits = [_logits(model, variables["params"], batch.ids) for batch in batches]
    return jnp.concatenate(logits)[: len(texts)]
