"""Step: loss and gradient of one batch, and the update of the state."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from jaxembed import dist
from jaxembed.nn._row_grads import Reads, apply_with_taps, make_taps
from jaxembed.optim import apply_updates, mask_rows
from jaxembed.optim._tables import clip, sum_rows, update_tables
from jaxembed.train._losses import CROSS_ENTROPY, example_losses, is_correct
from jaxembed.train._setup import Plan
from jaxembed.train._state import Params, TrainState, make_tx, merge, split
from jaxembed.train.sharded._shards import constrain, constrain_batch


class Batch(NamedTuple):
    """Examples of one step.

    Attributes:
      ids: ``int32[B, L]``.
      labels: ``int32[B]``, or as the loss needs them, see :func:`example_losses`.
      mask: ``bool[B]``, False for the padding of the last batch.
      weights: ``float32[B]``, a factor of the loss of each example; None for 1.
    """

    ids: jax.Array
    labels: jax.Array
    mask: jax.Array
    weights: jax.Array | None = None


class Metrics(NamedTuple):
    """Sums over the examples of a batch, without padding.

    Attributes:
      loss: ``float32[]``, sum of the losses, each times its weight.
      correct: ``int32[]``, number of correct predictions.
      n_examples: ``int32[]``, number of examples.
    """

    loss: jax.Array
    correct: jax.Array
    n_examples: jax.Array


def measure(logits: jax.Array, batch: Batch, loss: str = CROSS_ENTROPY) -> Metrics:
    """Return the sums of losses and correct predictions of a batch."""
    losses = example_losses(logits, batch.labels, loss).astype(jnp.float32)
    if batch.weights is not None:
        losses = losses * batch.weights
    correct = is_correct(logits, batch.labels, loss)
    # where, not *: NaN * 0 is NaN.
    return Metrics(
        jnp.sum(jnp.where(batch.mask, losses, 0)),
        jnp.sum(correct & batch.mask, dtype=jnp.int32),
        jnp.sum(batch.mask, dtype=jnp.int32),
    )


def mean_metrics(metrics: list[Metrics]) -> dict[str, float]:
    """Return the mean loss and the accuracy of sums over examples.

    Example:
      >>> sums = Metrics(jnp.array(3.0), jnp.array(1), jnp.array(2))
      >>> mean_metrics([sums, sums])
      {'loss': 1.5, 'accuracy': 0.5}
    """
    loss, correct, n_examples = np.asarray(jax.device_get(metrics), np.float64).sum(0)
    return {"loss": float(loss / n_examples), "accuracy": float(correct / n_examples)}


def step(
    plan: Plan,
    state: TrainState,
    frozen: Params,
    batch: Batch,
    key: jax.Array,
    *,
    trainable_rows: Params | None = None,
) -> tuple[TrainState, Metrics]:
    """Do one step of gradient descent on the mean loss of a batch. Pure.

    With weights, the loss is the sum of the weighted losses divided by the number of
    examples. Only the rows of the batch are read and written in a row-sparse table. A
    tap behind each lookup takes the gradient of the rows that the model looks up.

    Args:
      plan: the plan of the epoch, see :meth:`Plan.at`; static under ``jax.jit``.
      state: the state before the step.
      frozen: frozen parameters, such as ``state.frozen`` or a copy that several states
        share. ``state.frozen`` itself is neither read nor changed.
      batch: a batch with at least one real example.
      key: random key of dropout; the number of the step is folded in.
      trainable_rows: ``bool[V]`` at the path of each table with untrained rows, which
        keep every bit. A new mask does not recompile.

    Returns:
      The state after the step, and the metrics of the batch before the update.

    Example:
      >>> from jaxembed import nn, optim
      >>> from jaxembed.train import create_state, make_plan
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.DenseHead())
      >>> tx, key, ids = optim.rmsprop(), jax.random.key(0), jnp.array([[1, 2, 3]])
      >>> plan, _ = make_plan(model, tx, ids)
      >>> state = create_state(plan, ids, key=key)
      >>> batch = Batch(ids, jnp.array([1]), jnp.array([True]))
      >>> state, metrics = step(plan, state, state.frozen, batch, key)
      >>> state.step, metrics.n_examples
      (Array(1, dtype=int32), Array(1, dtype=int32))
    """
    batch = constrain_batch(batch, plan.shards)
    rngs = {"dropout": jax.random.fold_in(key, state.step)}
    sparse = frozenset(flatten_dict(state.tables))
    variables = {"params": merge(state.params, state.tables, frozen)}
    taps = make_taps(plan.network, variables, batch.ids, sparse)

    def mean_loss(params: Params, taps: Reads) -> tuple[jax.Array, tuple]:
        variables = {"params": merge(params, state.tables, frozen)}
        logits, ids = apply_with_taps(plan.network, variables, batch.ids, taps, rngs)
        metrics = measure(logits, batch, plan.loss)
        return metrics.loss / metrics.n_examples, (metrics, ids)

    both = jax.grad(mean_loss, argnums=(0, 1), has_aux=True)
    (grads, row_grads), (metrics, ids) = both(state.params, taps)
    masks, row_masks = split(trainable_rows or {}, sparse)
    grads = mask_rows(grads, masks)
    given = state.table_states, row_grads, ids, row_masks
    grads, tables, states = _update_tables(plan, state.tables, grads, *given)
    tx = make_tx(plan, sparse)
    updates, opt_state = tx.update(grads, state.opt_state, state.params)
    params = apply_updates(state.params, updates, masks)
    after = state.replace(
        step=state.step + 1,
        params=params,
        opt_state=opt_state,
        tables=tables,
        table_states=states,
    )
    return constrain(after, plan.shards), metrics


def _update_tables(
    plan: Plan,
    tables: Params,
    grads: Params,
    states: Params,
    row_grads: Reads,
    ids: Reads,
    row_masks: Params,
) -> tuple[Params, Params, Params]:
    """Clip all gradients, and update the row-sparse tables.

    Returns:
      The clipped gradients of the other parameters, the tables and their states.
    """
    if plan.shards is not None and plan.table_tx is not None and states:
        return dist.update_tables(
            plan.table_tx,
            row_grads,
            ids,
            states=states,
            tables=tables,
            rules=plan.shards.rules,
            n_rows=dict(plan.shards.n_words),
            grads=grads,
            trainable_rows=row_masks,
            max_norm=plan.max_norm,
        )
    sums, states = sum_rows(states, row_grads, ids, row_masks)
    grads, sums = clip(grads, sums, plan.max_norm)
    if plan.table_tx is not None and states:
        tables, states = update_tables(plan.table_tx, sums, states, tables)
    return grads, tables, states
