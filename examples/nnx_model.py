"""An NNX model with a frozen and a learned table.

Subject: `nn.lookup` and `nn.embedding_bag` are functions of arrays, so they work in any
         module. The frozen table is a variable class of its own: `wrt=nnx.Param` leaves
         it out of gradients, optimizer state and weight decay.
Run:     python -m examples.nnx_model
Prints:  the accuracy, whether the frozen table has its old bits, and whether the
         optimizer has a state for it.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from jaxembed import nn

V, D, L = 1_000, 16, 20
rng = np.random.default_rng(0)
vectors = rng.normal(size=(V, D)).astype(np.float32)  # or vectors.embedding_matrix(...)
ids = rng.integers(0, V, (4_096, L), dtype=np.int32)
labels = vectors[ids].mean(1) @ rng.normal(size=D) > 0


class Frozen(nnx.Variable):
    """Constant variable, which `nnx.Optimizer(wrt=nnx.Param)` does not update."""


class Classifier(nnx.Module):
    """Bags of frozen vectors beside rows of a learned table."""

    def __init__(self, rngs):
        self.frozen = Frozen(vectors)
        self.learned = nnx.Param(0.05 * jax.random.normal(rngs.params(), (V, 4)))
        self.head = nnx.Linear(D + 4, 1, rngs=rngs)

    def __call__(self, ids):
        """Return logits `float[B]` for ids `int[B, L]`."""
        bags = nn.embedding_bag(self.frozen[...], ids)
        rows = nn.lookup(self.learned[...], ids).mean(1)
        return self.head(jnp.concatenate([bags, rows], 1))[:, 0]


@nnx.jit
def step(model, optimizer, ids, labels):
    """Train the model in place."""

    def mean_loss(model):
        return optax.sigmoid_binary_cross_entropy(model(ids), labels).mean()

    optimizer.update(model, nnx.grad(mean_loss)(model))


model = Classifier(nnx.Rngs(0))
optimizer = nnx.Optimizer(model, optax.adamw(0.02, weight_decay=0.01), wrt=nnx.Param)
for _ in range(5):
    for batch in rng.permutation(len(ids)).reshape(-1, 128):
        step(model, optimizer, ids[batch], labels[batch])
print(f"accuracy: {np.mean((model(ids) > 0) == labels):.2f}")
is_equal = np.asarray(model.frozen[...]).tobytes() == vectors.tobytes()
print("the frozen table is bit-equal:", is_equal)
shapes = {x.shape for x in jax.tree.leaves(nnx.state(optimizer))}
print("the optimizer has a state for it:", vectors.shape in shapes)
print("the learned table has one:", (V, 4) in shapes)
