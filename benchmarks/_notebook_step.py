"""A step of the notebook's first model: row-sparse, dense, and in Keras."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import _timing
from jaxembed import nn, optim, train

NUM_WORDS, LENGTH, DIM, BATCH_SIZE = 10_000, 20, 8, 32
TOLERANCE = 1e-6
Examples = tuple[np.ndarray, np.ndarray]


def main(n_examples: int, epochs: int) -> None:
    """Checks that all learn the same, then times epochs in turns."""
    n_examples -= n_examples % BATCH_SIZE
    examples = make_examples(n_examples)
    model = nn.TextClassifier(nn.Embed(NUM_WORDS, DIM), nn.FlattenDense())
    params = model.init(jax.random.key(0), examples[0][:1])["params"]
    epochs_of: dict[str, Callable[[], float]] = {
        "jaxembed": scan_epoch(model, params, examples, optim.sparse_rmsprop()),
        "jaxembed, dense scan": scan_epoch(model, params, examples, None),
        "dense step in a loop": loop_epoch(model, params, examples),
    }
    try:
        epochs_of["keras"] = keras_epoch(params, examples)
    except ImportError:
        print("keras is missing: pip install jaxembed[bench]", flush=True)
    losses = {name: epoch() for name, epoch in epochs_of.items()}
    check(losses)
    seconds = _timing.alternate(dict(epochs_of), epochs)
    n_steps = n_examples // BATCH_SIZE
    steps = {name: [s / n_steps for s in found] for name, found in seconds.items()}
    _timing.report("step of the first model", steps, steps=n_steps, losses=losses)


def make_examples(n: int) -> Examples:
    """Ids of which one is 5 % of all, as in reviews, and labels that follow them."""
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(2, NUM_WORDS + 2)
    shape = (n, LENGTH)
    ids = rng.choice(NUM_WORDS, shape, p=weights / weights.sum()).astype(np.int32)
    return ids, ((ids % 2).sum(1) > LENGTH // 2).astype(np.int32)


def check(losses: dict[str, float]) -> None:
    """Refuses first epochs whose mean losses differ."""
    ours = losses["jaxembed"]
    if not all(abs(loss - ours) <= TOLERANCE for loss in losses.values()):
        raise SystemExit(f"the losses differ, nothing is timed: {losses}")


def scan_epoch(
    model: Any, params: Any, examples: Examples, table_tx: Any
) -> Callable[[], float]:
    """An epoch as one program; row-sparse if there is a ``table_tx``."""
    first = examples[0][:1]
    plan, _ = train.make_plan(model, optim.rmsprop(), first, table_tx=table_tx)
    state = train.create_state(plan, first, key=jax.random.key(0), params=params)
    data = jax.device_put(examples)
    rows, key = jnp.arange(len(examples[0])), jax.random.key(0)

    def run(state: train.TrainState) -> tuple:
        return train.run_epoch(
            plan,
            state,
            {},
            {},
            data,
            rows,
            key,
            0,
            batch_size=BATCH_SIZE,
            shuffle=False,
        )

    compiled = jax.jit(run, donate_argnums=0).lower(state).compile()
    box = [state]

    def epoch() -> float:
        state, metrics, _ = compiled(box.pop())
        box.append(state)
        return float(metrics.loss / metrics.n_examples)

    return epoch


def loop_epoch(model: Any, params: Any, examples: Examples) -> Callable[[], float]:
    """A jitted, donated step of Flax and Optax, called from Python."""
    tx = optim.rmsprop()
    ids, labels = (
        jax.device_put(list(array.reshape(-1, BATCH_SIZE, *array.shape[1:])))
        for array in examples
    )

    def step(params: Any, state: Any, ids: jax.Array, labels: jax.Array) -> tuple:
        def mean_loss(params: Any) -> jax.Array:
            logits = model.apply({"params": params}, ids)
            losses = optax.sigmoid_binary_cross_entropy(logits, labels.astype(float))
            return losses.mean()

        loss, grads = jax.value_and_grad(mean_loss)(params)
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state, loss

    jitted = jax.jit(step, donate_argnums=(0, 1))
    params = jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), params)
    box = [(params, tx.init(params))]

    def epoch() -> float:
        (params, state), losses = box.pop(), []
        for batch in zip(ids, labels, strict=True):
            params, state, loss = jitted(params, state, *batch)
            losses.append(loss)
        box.append(jax.block_until_ready((params, state)))
        return float(np.mean(jax.device_get(losses), dtype=np.float64))

    return epoch


def keras_epoch(params: Any, examples: Examples) -> Callable[[], float]:
    """An epoch of Keras's ``fit``, from the same weights, in the same order."""
    import keras

    from benchmarks import _keras_notebook

    model = _keras_notebook.make_model()
    model.build((None, LENGTH))
    head = params["head"]["logits"]
    table = params["embed"]["embedding"]
    model.set_weights([np.asarray(x) for x in (table, head["kernel"], head["bias"])])
    ids, labels = examples
    settings = {"batch_size": BATCH_SIZE, "shuffle": False, "verbose": 0}
    assert keras.backend.backend() == "jax"

    def epoch() -> float:
        return float(model.fit(ids, labels, **settings).history["loss"][0])

    return epoch
