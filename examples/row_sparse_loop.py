"""Training loop whose steps read and write only the rows of the batch.

Subject: row-sparse RMSprop with taps. A tap receives the gradient of each word,
         `[B, L, D]`; the gradient of the table, `[V, D]`, is never made. Donated
         buffers let the step write into the table. For rows in place of bags:
         `nn.tap_rows(nn.lookup(table, ids), taps)`, as in mesh.py.
Run:     python -m examples.row_sparse_loop
Prints:  the accuracy, whether the rows that moved are those of the batches, and the
         largest difference to the table of the dense optimizer, which is of rounding.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxembed import nn, optim

V, D, L = 50_000, 16, 20
rng = np.random.default_rng(0)
ids = (rng.zipf(1.2, (150, 64, L)) % V).astype(np.int32)  # 150 batches
labels = rng.normal(size=V)[ids].mean(-1) > 0
head, tx, table_tx = nn.DenseHead(), optim.rmsprop(0.01), optim.sparse_rmsprop(0.01)


def mean_loss(variables, table, taps, ids, labels):
    """Return the mean loss of a batch."""
    bags = nn.tap_bags(nn.embedding_bag(table, ids), taps, table, ids)
    logits = head.apply(variables, bags, train=True)
    return optax.sigmoid_binary_cross_entropy(logits, labels).mean()


@jax.jit(donate_argnums=(0, 1))
def step(weights, states, ids, labels):
    """Return (variables of the head, table) and their states after a step."""
    given = *weights, jnp.zeros((*ids.shape, D)), ids, labels
    grads, row_grads = jax.grad(mean_loss, argnums=(0, 2))(*given)
    updates, opt_state = tx.update(grads, states[0], weights[0])
    rows = row_grads.reshape(-1, D), ids.reshape(-1)
    table, table_state = table_tx.update(*rows, states[1], weights[1])
    return (optax.apply_updates(weights[0], updates), table), (opt_state, table_state)


@jax.jit
def dense_step(weights, opt_state, ids, labels):
    """Return the same after a step of `optim.rmsprop` for head and table."""
    given = *weights, jnp.zeros((*ids.shape, D)), ids, labels
    grads = jax.grad(mean_loss, argnums=(0, 1))(*given)
    updates, opt_state = tx.update(grads, opt_state, weights)
    return optax.apply_updates(weights, updates), opt_state


table = jax.random.uniform(jax.random.key(0), (V, D), minval=-0.05, maxval=0.05)
dense = head.init(jax.random.key(1), table[:1]), table
opt_state, states = tx.init(dense), (tx.init(dense[0]), table_tx.init(table))
weights = jax.tree.map(jnp.copy, dense)
for batch in zip(ids, labels, strict=True):
    weights, states = step(weights, states, *batch)
    dense, opt_state = dense_step(dense, opt_state, *batch)
logits = head.apply(weights[0], nn.embedding_bag(weights[1], ids.reshape(-1, L)))
print(f"accuracy: {np.mean((logits > 0) == labels.reshape(-1)):.2f}")
moved = np.flatnonzero((weights[1] != table).any(1))
print("the rows that moved are those of the batches:", set(moved) == set(ids.flat))
print(f"largest difference to the dense table: {abs(weights[1] - dense[1]).max():.0e}")
