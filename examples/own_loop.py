"""Training loop with Optax and a frozen table.

Subject: Linen modules and Optax without `train.fit`. `frozen=True` only stops the
         gradient, and AdamW decays a parameter without a gradient too. Keep the table
         out of the optimizer: pass it to the step as an argument of its own.
Run:     python -m examples.own_loop
Prints:  the accuracy, the size of a table that AdamW was given, and whether the table
         of the loop has its old bits.
"""

import jax
import numpy as np
import optax

from jaxembed import nn

V, D, L = 1_000, 16, 20
rng = np.random.default_rng(0)
table = rng.normal(size=(V, D)).astype(np.float32)  # or vectors.embedding_matrix(...)
ids = rng.integers(0, V, (4_096, L), dtype=np.int32)
labels = table[ids].mean(1) @ rng.normal(size=D) > 0

model = nn.TextClassifier(nn.Embed(V, D, frozen=True), nn.DenseHead(), pool="mean")
tx = optax.adamw(0.05, weight_decay=0.01)


def mean_loss(trained, frozen, ids, labels):
    """Return the mean loss of a batch."""
    logits = model.apply({"params": {**frozen, **trained}}, ids, train=True)
    return optax.sigmoid_binary_cross_entropy(logits, labels).mean()


@jax.jit
def step(trained, opt_state, frozen, ids, labels):
    """Return the trained parameters and their optimizer state after a step."""
    grads = jax.grad(mean_loss)(trained, frozen, ids, labels)
    updates, opt_state = tx.update(grads, opt_state, trained)
    return optax.apply_updates(trained, updates), opt_state


def train(trained, frozen, epochs):
    """Return the trained parameters after some epochs of batches of 128."""
    opt_state = tx.init(trained)
    for _ in range(epochs):
        for batch in rng.permutation(len(ids)).reshape(-1, 128):
            data = ids[batch], labels[batch]
            trained, opt_state = step(trained, opt_state, frozen, *data)
    return trained


head = {"head": model.init(jax.random.key(0), ids[:1])["params"]["head"]}
embed = {"embed": {"embedding": jax.device_put(table)}}
trained = train(head, embed, epochs=5)
logits = model.apply({"params": {**embed, **trained}}, ids)
print(f"accuracy: {np.mean((logits > 0) == labels):.2f}")
decayed = train({**head, **embed}, {}, epochs=5)["embed"]["embedding"]
size = np.linalg.norm(decayed) / np.linalg.norm(table)
print(f"size of a table that AdamW was given: {size:.2f}")
is_equal = np.asarray(embed["embed"]["embedding"]).tobytes() == table.tobytes()
print("the frozen table is bit-equal:", is_equal)
