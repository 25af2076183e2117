"""Keras 3 on JAX: lookup, bags and training steps."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from benchmarks.harness.expected_weights import DECAY, RATE, RMSPROP_EPS, Weights
from benchmarks.harness.trainings import Task, Trainer
from benchmarks.harness.workloads import Workload


def make_lookup(workload: Workload) -> Callable[[Any, Any], Any]:
    """Return ``keras.layers.Embedding`` as a function of its table and ids."""
    import keras

    layer = keras.layers.Embedding(workload.rows, workload.dim, name="embedding")
    with keras.StatelessScope():  # makes no table, since the table is an argument
        layer.build()
    return lambda table, ids: layer.stateless_call([table], [], ids)[0]


def make_bag(workload: Workload) -> Callable[[Any, Any], Any]:
    """Return lookup and ``GlobalAveragePooling1D`` as a function of table and ids."""
    import keras

    lookup, pool = make_lookup(workload), keras.layers.GlobalAveragePooling1D()
    return lambda table, ids: pool(lookup(table, ids))


def make_trainer(task: Task, n_steps: int) -> Trainer:
    """Train with ``fit`` on the examples of ``n_steps`` steps."""
    import keras

    table, kernel, bias = task.weights
    layers = keras.layers
    is_frozen = task.rule == "frozen"
    embed = layers.Embedding(
        *table.shape, trainable=not is_frozen, embeddings_initializer="zeros"
    )
    dense = layers.Dense(1, activation="sigmoid")
    model = keras.Sequential([embed, layers.Flatten(), dense])
    model.build((None, task.ids.shape[2]))
    model.set_weights([table, kernel, bias])
    tx = keras.optimizers.RMSprop(RATE, rho=DECAY, epsilon=RMSPROP_EPS)
    model.compile(tx, loss="binary_crossentropy")
    numbers = task.batch_numbers(n_steps)
    ids = task.ids[numbers].reshape(-1, task.ids.shape[2])
    labels = task.labels[numbers].ravel()
    settings = {"batch_size": task.ids.shape[1], "shuffle": False, "verbose": 0}

    def read(rows: np.ndarray) -> Weights:
        table = embed.embeddings.value[jnp.asarray(rows)]
        return Weights(*map(np.asarray, (table, dense.kernel.value, dense.bias.value)))

    return Trainer(lambda: model.fit(ids, labels, **settings), n_steps, read, {})
