"""Step: one batch, its gradient, and the update."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxembed.optim import apply_updates, mask_rows
from jaxembed.train.losses import example_losses, is_correct
from jaxembed.train.state import Params, Plan, TrainState, merge


class Batch(NamedTuple):
    """The examples of one step.

    Attributes:
      ids: ``int32[B, L]``.
      labels: ``int32[B]``.
      mask: ``bool[B]``, False where an example only fills up the last batch.
    """

    ids: jax.Array
    labels: jax.Array
    mask: jax.Array


class Metrics(NamedTuple):
    """Sums over the real examples of a batch, to be added up.

    Attributes:
      loss: ``float32[]``, the sum of their losses.
      correct: ``int32[]``, how many were classified rightly.
      n_examples: ``int32[]``, how many there were.
    """

    loss: jax.Array
    correct: jax.Array
    n_examples: jax.Array


def measure(logits: jax.Array, batch: Batch) -> Metrics:
    """The sums of loss and right answers of a batch."""
    losses = example_losses(logits, batch.labels).astype(jnp.float32)
    correct = is_correct(logits, batch.labels)
    # where, not *: NaN * 0 is NaN.
    return Metrics(
        jnp.sum(jnp.where(batch.mask, losses, 0)),
        jnp.sum(correct & batch.mask, dtype=jnp.int32),
        jnp.sum(batch.mask, dtype=jnp.int32),
    )


def step(
    plan: Plan,
    state: TrainState,
    frozen: Params,
    trainable_rows: Params,
    batch: Batch,
    key: jax.Array,
) -> tuple[TrainState, Metrics]:
    """One step of gradient descent on the mean loss of a batch. Pure.

    Args:
      plan: what is trained, and how; static under ``jax.jit``.
      state: before the step, its ``frozen`` empty.
      frozen: the frozen parameters.
      trainable_rows: ``bool[V]`` at the path of each table of which only some rows are
        trained; the others keep every bit. Data: another mask does not retrace.
      batch: with at least one real example.
      key: for dropout; the step's number is folded in.

    Returns:
      The state after the step, and the metrics of the batch before it.

    Example:
      >>> from jaxembed import nn, optim
      >>> from jaxembed.train import create_state, make_plan
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.FlattenDense())
      >>> tx, key, ids = optim.rmsprop(), jax.random.key(0), jnp.array([[1, 2, 3]])
      >>> plan, _ = make_plan(model, tx, ids)
      >>> state = create_state(plan, ids, key=key)
      >>> batch = Batch(ids, jnp.array([1]), jnp.array([True]))
      >>> state, metrics = step(plan, state, {}, {}, batch, key)
      >>> state.step, metrics.n_examples
      (Array(1, dtype=int32), Array(1, dtype=int32))
    """
    rngs = {"dropout": jax.random.fold_in(key, state.step)}

    def mean_loss(params: Params) -> tuple[jax.Array, Metrics]:
        variables = {"params": merge(params, frozen)}
        logits = plan.model.apply(variables, batch.ids, train=True, rngs=rngs)
        metrics = measure(logits, batch)
        return metrics.loss / metrics.n_examples, metrics

    grads, metrics = jax.grad(mean_loss, has_aux=True)(state.params)
    grads = mask_rows(grads, trainable_rows)
    updates, opt_state = plan.tx.update(grads, state.opt_state, state.params)
    params = apply_updates(state.params, updates, trainable_rows)
    after = state.replace(step=state.step + 1, params=params, opt_state=opt_state)
    return after, metrics
