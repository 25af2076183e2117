"""Evaluation: mean loss and accuracy of any number of examples, in one program."""

import functools
import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import Mesh
from jax.typing import ArrayLike

from jaxembed._checks import MAX_IDS, check_count
from jaxembed.dist import Rules
from jaxembed.nn._inspect import Variables
from jaxembed.nn._reads import check_reads
from jaxembed.train._losses import CROSS_ENTROPY, check_loss
from jaxembed.train._setup import Interface, inspect_model
from jaxembed.train._state import Params
from jaxembed.train._step import Batch, Metrics, mean_metrics, measure
from jaxembed.train.data._buckets import find_padding, make_buckets
from jaxembed.train.data._checks import (
    Checked,
    Examples,
    check_examples,
    check_form,
)
from jaxembed.train.data._labels import warn_one_class
from jaxembed.train.data._variables import (
    check_variables,
    explain_shapes,
    place_variables,
)
from jaxembed.train.sharded._shards import Shards, place_batch, settle

# Examples computed at once: enough to fill a device, few enough for its memory.
BATCH_SIZE = 1024


@functools.partial(jax.jit, static_argnames=("model", "loss"))
def _measure(
    model: nn.Module, params: Params, batch: Batch, loss: str = CROSS_ENTROPY
) -> Metrics:
    return measure(model.apply({"params": params}, batch.ids), batch, loss)


def cut_batches(
    examples: Checked,
    batch_size: int = BATCH_SIZE,
    *,
    lengths: Sequence[int] | None = None,
    padding_idx: int | None = None,
    shards: Shards | None = None,
) -> list[Batch]:
    """Cut examples into batches of one shape for each length, on the device.

    One shape for any number of examples lets validation and test share a program.

    Args:
      examples: ``int32[N, L]`` ids and ``int32[N]`` labels of NumPy, N > 0.
      batch_size: number of examples in a batch, B. The last batch is padded with the
        last example.
      lengths: lengths to which batches are cut; None for length L.
      padding_idx: id of padding; needed with ``lengths``.
      shards: placement on a mesh; None for one device.

    Returns:
      Batches of ``int32[B, L]`` ids.

    Example:
      >>> batches = cut_batches((np.array([[1], [2], [3]]), np.array([0, 1, 1])), 2)
      >>> [batch.mask.tolist() for batch in batches]
      [[True, True], [True, False]]
    """
    ids, labels = examples
    if lengths is not None and padding_idx is not None:
        buckets = make_buckets(ids, lengths, padding_idx)
        parts = [(bucket.cut(ids), labels[bucket.numbers]) for bucket in buckets]
        cut = functools.partial(cut_batches, batch_size=batch_size, shards=shards)
        return [batch for part in parts for batch in cut(part)]
    batches, place = [], place_batch(batch_size, shards)
    for start in range(0, len(ids), batch_size):
        places = np.arange(start, start + batch_size)
        numbers = np.minimum(places, len(ids) - 1)
        arrays = ids[numbers], labels[numbers], places < len(ids)
        batches.append(Batch(*jax.device_put(arrays, place)))
    return batches


def evaluate_batches(
    model: nn.Module, params: Params, batches: list[Batch], loss: str = CROSS_ENTROPY
) -> dict[str, float]:
    """Return the mean loss and accuracy over batches that are on the device."""
    # All batches are dispatched before the first result is fetched.
    return mean_metrics([settle(_measure(model, params, b, loss)) for b in batches])


def check_batches(
    model: nn.Module,
    variables: Variables | None,
    batches: list[Batch],
    name: str = "validation ids",
) -> None:
    """Raise if an id of batches whose loss is NaN is out of range.

    Args:
      model: a Linen module, called as ``model(ids)``.
      variables: its parameters; None on a mesh, where the model does not take them.
      batches: the result of :func:`cut_batches`.
      name: name of the ids, for the error.

    Raises:
      ValueError: names the first example, the position and the id.
    """
    by_length: dict[int, list[np.ndarray]] = {}
    for batch in batches:
        texts = np.asarray(batch.ids)[np.asarray(batch.mask)]
        by_length.setdefault(texts.shape[1], []).append(texts)
    for parts in by_length.values():
        check_reads(model, variables, np.concatenate(parts), name=name)


def find_remedy(model: nn.Module, ids: np.ndarray, numbers: np.ndarray) -> str:
    """Return the remedy for a loss that is not finite in training.

    Args:
      model: a Linen module, called as ``model(ids, train=True)``. Its parameters are
        lost, since an epoch replaces them.
      ids: ``int32[n, L]``, the examples that it is trained on.
      numbers: ``int[n]``, numbers of these examples in the data.

    Raises:
      ValueError: if an id is out of range; names the example, the position and the id.
    """
    check_reads(model, None, ids, train=True, numbers=numbers)
    remedy = "lower the learning rate, or check the initial weights for NaN"
    shapes = jax.eval_shape(model.init, jax.random.key(0), ids[:1])
    tables = inspect_model(model, shapes, ids[:1]).tables.values()
    unknown = [t.module.num_embeddings for t in tables if t.columns is None]
    if tables and 0 <= ids.min() <= ids.max() < min(unknown, default=MAX_IDS):
        return remedy
    # The model may compute ids from its parameters, or has a table of its own.
    return (
        f"its ids, {ids.min()} to {ids.max()}, could not all be checked: compare them "
        f"with the rows of the model's tables, {remedy}"
    )


def check_validation(
    model: nn.Module,
    interface: Interface,
    validation: Examples,
    *,
    train_labels: np.ndarray,
    loss: str = CROSS_ENTROPY,
    stacklevel: int = 4,
) -> Checked:
    """Check and return validation examples, of any length if the model accepts it.

    Args:
      model: a Linen module, called as ``model(ids)``.
      interface: its interface for texts of the length in training.
      validation: ids and labels.
      train_labels: ``int32[n]``, labels of the training examples.
      loss: name of the loss.
      stacklevel: number of calls between the warning and the caller of ``fit``.

    Raises:
      TypeError: if ``validation`` is not a pair of ids and labels.
      ValueError: if an id or a label is out of range, or if the model does not take
        texts of this length.

    Warns:
      UserWarning: see :func:`warn_one_class`.
    """
    texts, labels = check_form(validation, "validation")
    if texts.shape[1] != len(interface.limits):  # a model that pools takes any length
        trained = jax.ShapeDtypeStruct((1, len(interface.limits)), np.int32)
        shapes = jax.eval_shape(model.init, jax.random.key(0), trained)
        with explain_shapes(texts):
            interface = inspect_model(model, shapes, texts[:1])
    checked = check_examples(interface, (texts, labels), "validation ", loss=loss)
    if loss == CROSS_ENTROPY:
        warn_one_class(checked[1], train_labels, stacklevel=stacklevel)
    return checked


def evaluate(
    model: nn.Module,
    variables: Variables,
    ids: ArrayLike,
    labels: ArrayLike,
    *,
    batch_size: int = BATCH_SIZE,
    lengths: Sequence[int] | None = None,
    loss: str = CROSS_ENTROPY,
    mesh: Mesh | Rules | None = None,
) -> dict[str, float]:
    """Return mean loss and accuracy of a model on examples.

    Args:
      model: a Linen module, called as ``model(ids)``.
      variables: its parameters, such as ``state.variables`` of :func:`fit`.
      ids: ``int[N, L]``; each is checked to be a row of the model's table.
      labels: ``int[N]``, or as ``loss`` needs them.
      batch_size: number of examples computed at once.
      lengths: lengths to which batches are cut, see :func:`fit`; None for length L.
      loss: name of the loss, see :func:`example_losses`.
      mesh: mesh over which tables and examples are spread, see :func:`fit`; None for
        one device.

    Returns:
      ``{"loss": ..., "accuracy": ...}``; cross-entropies in nats. With several labels
      for an example all must be right, and a number within 0.5.

    Raises:
      TypeError: if ``ids`` are not integers, or ``variables`` are not a dict.
      ValueError: if ``ids`` are empty, if an id or a label is out of range, or if the
        model needs parameters of other shapes.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxembed import nn
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.DenseHead())
      >>> ids = np.array([[1, 2, 3], [4, 5, 6]])
      >>> variables = jax.tree.map(jnp.zeros_like, model.init(jax.random.key(0), ids))
      >>> evaluate(model, variables, ids, [0, 1])
      {'loss': 0.6931471824645996, 'accuracy': 0.5}
    """
    check_variables(variables)
    texts, labels = check_form((ids, labels))
    with explain_shapes(texts):
        placed = place_variables(model, variables, texts[:1], mesh)
        variables = placed.variables
        interface = inspect_model(model, variables, texts[:1])
    examples = check_examples(interface, (texts, labels), loss=check_loss(loss))
    padding = None
    if lengths is not None:
        padding = find_padding(model, variables, interface, lengths)
    batches = cut_batches(
        examples,
        check_count("batch_size", batch_size),
        lengths=lengths,
        padding_idx=padding,
        shards=placed.shards,
    )
    metrics = evaluate_batches(placed.network, placed.params, batches, loss)
    if not math.isfinite(metrics["loss"]):
        check_batches(model, None if mesh else variables, batches, "ids")
    return metrics
