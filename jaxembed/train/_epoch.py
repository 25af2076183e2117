"""Epoch: all steps of one epoch as one scan."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from jaxembed.train._setup import Plan
from jaxembed.train._state import Params, TrainState
from jaxembed.train._step import Batch, Metrics, step

# Ids and labels, and weights if examples have any.
Data = tuple[jax.Array, jax.Array] | tuple[jax.Array, jax.Array, jax.Array]

# Largest number of ids of an epoch that are copied in the order of its steps: 8 MiB.
# Otherwise each step gathers its ids. XLA:CPU spreads this gather over threads, and a
# small step waits longer for the threads than for the ids.
MOST_IDS = 2**21


def make_batches(order: jax.Array, batch_size: int) -> tuple[jax.Array, jax.Array]:
    """Cut ordered examples into batches of one shape.

    Args:
      order: ``int32[n]``, numbers of the examples.
      batch_size: number of examples in a batch, B. The last batch is padded with the
        last example.

    Returns:
      ``int32[S, B]``, the examples of S batches, and ``bool[S, B]``, False for padding.

    Example:
      >>> make_batches(jnp.array([7, 5, 6]), 2)
      (Array([[7, 5], [6, 6]], dtype=int32),
       Array([[ True,  True], [ True, False]], dtype=bool))
    """
    n = order.shape[0]
    places = jnp.arange(-(-n // batch_size) * batch_size).reshape(-1, batch_size)
    return order[jnp.minimum(places, n - 1)], places < n


def permute(examples: jax.Array, key: jax.Array) -> jax.Array:
    """Return ``int32[n]`` in random order, by one sort of random 32-bit keys.

    ``jax.random.permutation`` sorts twice, so that equal keys do not bias the order.
    One sort takes half the time to compile and to run. It keeps the order of two
    examples with equal keys, which one pair in 2**32 has.

    Example:
      >>> sorted(permute(jnp.arange(5), jax.random.key(0)).tolist())
      [0, 1, 2, 3, 4]
    """
    bits = jax.random.bits(key, examples.shape, np.uint32)  # also with x64
    return jax.lax.platform_dependent(
        bits, examples, cpu=sort_packed, default=lambda *x: jax.lax.sort_key_val(*x)[1]
    )


def sort_packed(keys: jax.Array, values: jax.Array) -> jax.Array:
    """Return ``values[n]`` in the order of ``uint32[n]`` keys, as a stable sort does.

    XLA:CPU sorts one array four times as fast as a pair of arrays. So each key and its
    place are packed into one number of 64 bits.

    Example:
      >>> keys = jnp.array([2**32 - 1, 7, 0, 7], jnp.uint32)
      >>> sort_packed(keys, jnp.array([10, 11, 12, 13]))
      Array([12, 11, 13, 10], dtype=int32)
    """
    with jax.enable_x64(True):
        places = jax.lax.iota(np.uint64, keys.shape[0])
        packed = keys.astype(np.uint64) << np.uint64(32) | places
        order = jax.lax.sort(packed).astype(np.int32)  # drops the key
    return values[order]


def run_epoch(
    plan: Plan,
    state: TrainState,
    frozen: Params,
    data: Data,
    examples: jax.Array,
    key: jax.Array,
    epoch: jax.Array | int,
    *,
    batch_size: int,
    shuffle: bool = True,
    trainable_rows: Params | None = None,
    first: jax.Array | int = 0,
    n_steps: jax.Array | int | None = None,
    columns: tuple[int, int] | None = None,
) -> tuple[TrainState, Metrics, jax.Array]:
    """Train on all examples once, or do some steps of this epoch, as one scan. Pure.

    Args:
      plan: the plan of the epoch, see :meth:`Plan.at`.
      state: the state before the epoch.
      frozen: frozen parameters, see :func:`step`.
      data: ``int32[N, L]`` ids and ``int32[N]`` labels, optionally with ``float32[N]``
        weights of the examples.
      examples: ``int32[n]``, numbers of the examples to train on.
      key: random key of the run.
      epoch: ``int32[]``, number of the epoch, folded into the key for the order of the
        examples and for dropout.
      batch_size: number of examples of a step, B.
      shuffle: whether to shuffle the examples.
      trainable_rows: see :func:`step`.
      first: ``int32[]``, number of steps of the epoch that are done already.
      n_steps: number of steps to do; None for all steps of the epoch. One program does
        any number if it is ``int32[]``.
      columns: first column of the ids to read, and the column after the last; None for
        all.

    Returns:
      The state after these steps; the metrics, summed over their examples; and
      ``int32[]``, number of steps before the first loss that is not finite. It is the
      number of all steps if only the last weights are not finite, and -1 if loss and
      weights are finite.

    Example:
      >>> from jaxembed import nn, optim
      >>> from jaxembed.train import create_state, make_plan
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.DenseHead())
      >>> ids, key = jnp.array([[1, 2], [3, 4], [5, 6]]), jax.random.key(0)
      >>> plan, _ = make_plan(model, optim.rmsprop(), ids)
      >>> state, data = create_state(plan, ids, key=key), (ids, jnp.array([0, 1, 0]))
      >>> state, metrics, first_bad = run_epoch(plan, state, state.frozen, data,
      ...     jnp.arange(3), key, 0, batch_size=2)
      >>> int(state.step), int(metrics.n_examples), int(first_bad)
      (2, 3, -1)
    """
    ids, labels, *weights = data
    order_key, dropout_key = jax.random.split(jax.random.fold_in(key, epoch))
    order = permute(examples, order_key) if shuffle else examples

    def read(places: jax.Array) -> jax.Array:
        return ids[places] if columns is None else ids[places][..., slice(*columns)]

    def body(state: TrainState, some: tuple) -> tuple[TrainState, Metrics]:
        places, mask, *known = some
        factors = (array[places] for array in weights)
        words = known[0] if known else read(places)
        batch = Batch(words, labels[places], mask, *factors)
        return step(
            plan, state, frozen, batch, dropout_key, trainable_rows=trainable_rows
        )

    batches: tuple[jax.Array, ...] = make_batches(order, batch_size)
    if n_steps is not None and not isinstance(n_steps, int):
        return _run_steps(body, state, batches, first, n_steps, trainable_rows or {})
    if n_steps is not None:
        batches = jax.tree.map(
            lambda x: jax.lax.dynamic_slice_in_dim(x, first, n_steps), batches
        )
    words = jax.eval_shape(read, batches[0])
    if words.size <= MOST_IDS and plan.shards is None:
        batches = *batches, read(batches[0])
    state, metrics = jax.lax.scan(body, state, batches)
    # No loss depends on the last update yet, so the weights are checked too.
    is_end_finite = is_finite(state, trainable_rows or {})
    is_bad = ~jnp.append(jnp.isfinite(metrics.loss), is_end_finite)
    first_bad = jnp.where(is_bad.any(), jnp.argmax(is_bad), -1)
    return state, jax.tree.map(jnp.sum, metrics), first_bad


def _run_steps(
    body: Callable,
    state: TrainState,
    batches: tuple[jax.Array, ...],
    first: jax.Array | int,
    n_steps: jax.Array,
    trainable_rows: Params,
) -> tuple[TrainState, Metrics, jax.Array]:
    """Do a number of steps that is not known when the program is compiled."""

    def do_step(i: jax.Array, results: tuple) -> tuple:
        state, sums, first_bad = results
        some = jax.tree.map(
            lambda x: jax.lax.dynamic_index_in_dim(x, first + i, keepdims=False),
            batches,
        )
        state, metrics = body(state, some)
        is_first = (first_bad < 0) & ~jnp.isfinite(metrics.loss)
        first_bad = jnp.where(is_first, i, first_bad)
        return state, jax.tree.map(jnp.add, sums, metrics), first_bad

    none = jnp.zeros((), jnp.int32)
    start = state, Metrics(jnp.zeros(()), none, none), none - 1
    state, sums, first_bad = jax.lax.fori_loop(0, n_steps, do_step, start)
    is_bad_end = (first_bad < 0) & ~is_finite(state, trainable_rows)
    return state, sums, jnp.where(is_bad_end, n_steps, first_bad)


def is_finite(state: TrainState, trainable_rows: Params) -> jax.Array:
    """Return whether all weights are finite, except in rows that are not trained.

    The sums of the weights are checked, since XLA fuses a sum. ``isfinite`` of each
    weight would take an array as large as a table.
    """
    leaves = flatten_dict(state.params) | flatten_dict(state.tables)
    masks = flatten_dict(trainable_rows)
    sums = []
    for path, leaf in leaves.items():
        if path in masks:
            rows = jnp.sum(leaf, 1, dtype=jnp.float32)
            leaf = jnp.where(masks[path], rows, 0)
        sums.append(jnp.sum(leaf, dtype=jnp.float32))
    return jnp.isfinite(sum(sums))
