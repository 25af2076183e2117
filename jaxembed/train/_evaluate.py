"""Evaluate: metrics and logits of a model for any number of texts."""

import contextlib
import functools
from collections.abc import Iterator, Mapping

import flax.errors
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxembed._checks import check_count, check_range
from jaxembed.nn._inspect import Variables
from jaxembed.train._data import (
    Checked,
    Examples,
    check_examples,
    check_form,
    check_ids,
)
from jaxembed.train._setup import Interface, inspect_model
from jaxembed.train._state import Params
from jaxembed.train._step import Batch, Metrics, mean_metrics, measure

# Examples computed at once: enough to fill a device, few enough for its memory.
BATCH_SIZE = 1024
# Fewer texts are padded to one of a few smaller shapes, each FACTOR times the next.
FACTOR = 8
# Up to FEW texts are computed one by one, in one program for any number of them. XLA on
# a CPU runs such a small program in the calling thread, where a batch wakes another.
FEW = 16


@functools.partial(jax.jit, static_argnames="model")
def _measure(model: nn.Module, params: Params, batch: Batch) -> Metrics:
    return measure(model.apply({"params": params}, batch.ids), batch)


def cut_batches(examples: Checked, batch_size: int = BATCH_SIZE) -> list[Batch]:
    """Cut examples into batches of one shape, on the device.

    One shape for any number of examples lets validation and test share a program.

    Args:
      examples: ``int32[N, L]`` ids and ``int32[N]`` labels of NumPy, N > 0.
      batch_size: number of examples in a batch, B. The last batch is padded with the
        last example.

    Returns:
      Batches of ``int32[B, L]`` ids.

    Example:
      >>> batches = cut_batches((np.array([[1], [2], [3]]), np.array([0, 1, 1])), 2)
      >>> [batch.mask.tolist() for batch in batches]
      [[True, True], [True, False]]
    """
    ids, labels = examples
    batches = []
    for start in range(0, len(ids), batch_size):
        places = np.arange(start, start + batch_size)
        numbers = np.minimum(places, len(ids) - 1)
        arrays = ids[numbers], labels[numbers], places < len(ids)
        batches.append(Batch(*jax.device_put(arrays)))
    return batches


def evaluate_batches(
    model: nn.Module, params: Params, batches: list[Batch]
) -> dict[str, float]:
    """Return mean loss and accuracy over batches on the device."""
    # All batches are dispatched before the first result is fetched.
    return mean_metrics([_measure(model, params, batch) for batch in batches])


def check_validation(
    model: nn.Module, interface: Interface, validation: Examples
) -> Checked:
    """Return checked validation examples, whose texts may have another length.

    Args:
      model: a Linen module, called as ``model(ids)``.
      interface: its interface for texts of the length in training.
      validation: ids and labels.

    Raises:
      TypeError: if ``validation`` is not a pair of ids and labels.
      ValueError: if an id or a label is out of range.
    """
    texts, labels = check_form(validation, "validation")
    if texts.shape[1] != len(interface.limits):  # a model that pools takes any length
        shapes = jax.eval_shape(model.init, jax.random.key(0), texts[:1])
        interface = inspect_model(model, shapes, texts[:1])
    return check_examples(interface, (texts, labels), "validation ")


def evaluate(
    model: nn.Module,
    variables: Variables,
    ids: ArrayLike,
    labels: ArrayLike,
    *,
    batch_size: int = BATCH_SIZE,
) -> dict[str, float]:
    """Return mean loss and accuracy of a model on examples.

    Args:
      model: a Linen module, called as ``model(ids)``.
      variables: its parameters, such as ``state.variables`` of :func:`fit`.
      ids: ``int[N, L]``; each is checked to be a row of the model's table.
      labels: ``int[N]``.
      batch_size: number of examples computed at once.

    Returns:
      ``{"loss": ..., "accuracy": ...}``; the loss in nats.

    Raises:
      TypeError: if ``ids`` are not integers, or ``variables`` are not a dict.
      ValueError: if ``ids`` are empty, if an id or a label is out of range, or if the
        model needs parameters of other shapes.

    Example:
      >>> from jaxembed import nn
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.DenseHead())
      >>> ids = np.array([[1, 2, 3], [4, 5, 6]])
      >>> variables = jax.tree.map(jnp.zeros_like, model.init(jax.random.key(0), ids))
      >>> evaluate(model, variables, ids, [0, 1])
      {'loss': 0.6931471824645996, 'accuracy': 0.5}
    """
    params = _check_variables(variables)
    texts, labels = check_form((ids, labels))
    with _explain_shapes(texts):
        interface = inspect_model(model, variables, texts[:1])
    examples = check_examples(interface, (texts, labels))
    batches = cut_batches(examples, check_count("batch_size", batch_size))
    return evaluate_batches(model, params, batches)


def predict(
    model: nn.Module,
    variables: Variables,
    ids: ArrayLike,
    *,
    batch_size: int = BATCH_SIZE,
) -> np.ndarray:
    """Return the logits of a model for texts.

    Up to 16 texts are computed one by one, more are padded to ``batch_size`` or a
    fraction of it. A stream of requests of any sizes compiles at most a few programs.

    Args:
      model: a Linen module, called as ``model(ids)``.
      variables: its parameters, such as ``state.variables`` of :func:`fit`.
      ids: ``int[N, L]``; each is checked to be a row of the model's table.
      batch_size: number of texts computed at once.

    Returns:
      A NumPy array: ``float[N]``, whose sigmoid is the probability of label 1, or
      ``float[N, C]``, whose softmax is the probability of each class.

    Raises:
      TypeError: if ``ids`` are not integers, or ``variables`` are not a dict.
      ValueError: if ``ids`` are empty, if an id is out of range, or if the model needs
        parameters of other shapes, as it does for texts of another length.

    Example:
      >>> from jaxembed import nn
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.DenseHead())
      >>> ids = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 0]])
      >>> predict(model, model.init(jax.random.key(0), ids), ids, batch_size=2).shape
      (3,)
    """
    params = _check_variables(variables)
    texts = check_ids(ids)
    size = _choose_size(len(texts), check_count("batch_size", batch_size))
    parts: list[np.ndarray] = []
    for start in range(0, len(texts), size):
        part = texts[start : start + size]
        batch = np.zeros((size, texts.shape[1]), np.int32)
        batch[: len(part)] = part
        batch[len(part) :] = part[-1]  # its ids are checked anyway
        with _explain_shapes(texts):
            if len(texts) <= FEW:
                logits, limits = _few_logits(model, params, batch, len(part))
            else:
                logits, limits = _logits(model, params, batch)
        if not parts:
            check_range(texts, np.asarray(limits))
        parts.append(np.asarray(logits)[: len(part)])
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


@functools.partial(jax.jit, static_argnames="model")
def _logits(
    model: nn.Module, params: Params, ids: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return the logits, and the number of rows that each column may address."""
    limits = inspect_model(model, {"params": params}, ids).limits
    return model.apply({"params": params}, ids), jnp.asarray(limits, jnp.uint32)


@functools.partial(jax.jit, static_argnames="model")
def _few_logits(
    model: nn.Module, params: Params, ids: jax.Array, n: jax.Array | int
) -> tuple[jax.Array, jax.Array]:
    """Return what :func:`_logits` does, with zeros after the first ``n`` texts."""
    shapes = jax.eval_shape(lambda: _logits(model, params, ids))

    def add_text(i: jax.Array, results: tuple) -> tuple:
        logits, _ = results
        text = jax.lax.dynamic_slice_in_dim(ids, i, 1)
        row, limits = _logits(model, params, text)
        return jax.lax.dynamic_update_slice_in_dim(logits, row, i, 0), limits

    zeros = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)
    return jax.lax.fori_loop(0, n, add_text, zeros)


def _choose_size(n: int, batch_size: int) -> int:
    """Return the number of texts to pad to: one of a few for any ``n``."""
    size = batch_size
    while size // FACTOR >= max(n, FEW + 1):
        size //= FACTOR
    return FEW if n <= FEW else size


@contextlib.contextmanager
def _explain_shapes(texts: np.ndarray) -> Iterator[None]:
    """Raise ValueError in place of Flax's error about the shape of a parameter."""
    try:
        yield
    except flax.errors.ScopeParamShapeError as error:
        difference = str(error).partition(" (https")[0]
        raise ValueError(
            f"variables do not fit the model and texts of length {texts.shape[1]}. Pad "
            "the texts to the length of the training texts, and give the model its "
            f"sizes of training. {difference}"
        ) from error


def _check_variables(variables: Variables) -> Params:
    if not isinstance(variables, Mapping) or "params" not in variables:
        raise TypeError(
            'variables must be {"params": ...}, got '
            f"{type(variables).__name__}: give state.variables of a TrainState."
        )
    return variables["params"]
