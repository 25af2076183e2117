"""The row-sparse loop on a mesh of devices.

Subject: `jax.jit` and `NamedSharding`. Each device has a part of the batch, and a part
         of the rows of the table and of its optimizer state. Nothing of the size of the
         table travels between the devices, and none of them ever has all of it.
Run:     python -m examples.mesh
         On a CPU, JAX simulates four devices.
Prints:  the rows of the table on each device, and the largest difference to the table
         of one device, which is of rounding.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxembed import nn, optim

jax.config.update("jax_num_cpu_devices", 4)  # before any device is used
V, D, L = 40_000, 16, 20
ids = np.random.default_rng(0).integers(0, V, (50, 64, L), dtype=np.int32)
labels = ids.mean(-1) > V / 2
head, tx, table_tx = nn.DenseHead(), optim.rmsprop(0.01), optim.sparse_rmsprop(0.01)


def mean_loss(variables, table, taps, ids, labels):
    """Return the mean loss of a batch."""
    rows = nn.tap_rows(nn.lookup(table, ids), taps)
    logits = head.apply(variables, rows.mean(1), train=True)
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


def init():
    """Return weights and states before the first step."""
    table = jax.random.uniform(jax.random.key(0), (V, D), minval=-0.05, maxval=0.05)
    variables = head.init(jax.random.key(1), table[:1])
    return (variables, table), (tx.init(variables), table_tx.init(table))


def train(devices):
    """Return the weights after training on some devices."""
    mesh = jax.sharding.Mesh(devices, "data")
    split = jax.NamedSharding(mesh, jax.P("data"))
    whole = jax.NamedSharding(mesh, jax.P())
    shapes = jax.eval_shape(init)
    places = jax.tree.map(lambda x: split if V in x.shape else whole, shapes)
    weights, states = jax.jit(init, out_shardings=places)()
    for batch in jax.device_put([*zip(ids, labels, strict=True)], split):
        # Many steps in flight can block each other on simulated devices of few cores.
        weights, states = jax.block_until_ready(step(weights, states, *batch))
    return weights


one, four = train(jax.devices()[:1]), train(jax.devices()[:4])
print("rows on each device:", [len(x.data) for x in four[1].addressable_shards])
gap = abs(np.asarray(one[1]) - np.asarray(four[1])).max()
print(f"largest difference to the table of one device: {gap:.0e}")
