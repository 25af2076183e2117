"""A replicate in Keras 3 on JAX: the peer of benchmarks.replicates."""

from typing import Any

from benchmarks._replicate_task import BATCH_SIZE, HIDDEN, Learned, Task


def make_keras(task: Task) -> Any:
    """A new Keras model, with an optimizer, of which nothing is compiled by XLA yet."""
    import keras

    layers = keras.layers
    _, n_rows, dim, length = task.workload
    embed = layers.Embedding(n_rows, dim, trainable=task.table is None)
    hidden = layers.Dense(HIDDEN, activation="relu")
    last = layers.Dense(1, activation="sigmoid")
    model = keras.Sequential([embed, layers.Flatten(), hidden, last])
    model.build((None, length))
    if task.table is not None:
        embed.set_weights([task.table])
    model.compile("rmsprop", loss="binary_crossentropy", metrics=["acc"])
    model.optimizer.build(model.trainable_variables)
    return model


def start_anew(model: Any, new: Any) -> None:
    """Gives a Keras model the weights and the optimizer's state of a new one."""
    states = [
        [*one.trainable_variables, *one.optimizer.variables] for one in (model, new)
    ]
    for variable, other in zip(*states, strict=True):
        variable.assign(other)


def fit_keras(
    task: Task, draw: int, model: Any, validation_batch_size: int | None = None
) -> Learned:
    """Trains a Keras model on one draw; by default it validates in batches of 32."""
    rows = task.rows[draw % len(task.rows)]
    history = model.fit(
        task.ids[rows],
        task.labels[rows],
        epochs=task.epochs,
        batch_size=BATCH_SIZE,
        validation_data=(task.ids[task.held_out], task.labels[task.held_out]),
        validation_batch_size=validation_batch_size,
        verbose=0,
    ).history
    return Learned(history["val_acc"][-1], history["loss"][0], history["loss"][-1])
