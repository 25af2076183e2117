"""Heads: the models of imdb_sequence, and their settings."""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax.linen import initializers
from jax.typing import DTypeLike

from jaxembed import nn, optim

Name = Literal["flatten", "pooled", "convolution", "recurrent", "attention"]
Start = Literal["learned", "glove-frozen", "glove-trained", "reviews-trained"]


class Head(NamedTuple):
    """Model on the rows of a review, and its training.

    Attributes:
      pool: Argument of ``nn.TextClassifier``.
      dim: Length of a learned word vector.
      epochs: Number of passes over the reviews.
      batch_size: Number of reviews in a step.
      learning_rate: Initial learning rate of Adam, which falls linearly to 0.
      word_dropout: Fraction of the words that training drops.
      dropout: Fraction of the inputs of the last layer that training drops.
      any_length: Whether the model takes reviews of any length.
      has_weights: Whether each id has a learned weight in the bag.
    """

    pool: Any
    dim: int
    epochs: int
    batch_size: int
    learning_rate: float
    word_dropout: float = 0.0
    dropout: float = 0.0
    any_length: bool = True
    has_weights: bool = False


def orthogonal_gates(
    key: jax.Array, shape: tuple[int, int], dtype: DTypeLike = jnp.float32
) -> jax.Array:
    """Return a recurrent kernel ``float[H, G * H]`` whose gates are each orthogonal.

    Example:
      >>> kernel = orthogonal_gates(jax.random.key(0), (2, 8))
      >>> bool(jnp.allclose(kernel[:, 2:4] @ kernel[:, 2:4].T, jnp.eye(2), atol=1e-6))
      True
    """
    n, width = shape
    make = initializers.orthogonal()
    keys = jax.random.split(key, width // n)
    return jnp.concatenate([make(k, (n, n), dtype) for k in keys], 1)


# With Keras's initial values, orthogonal over all gates and a bias of 1 at the forget
# gate, the validation accuracy is lower by 0.012.
LSTM = nn.Recurrent(
    64,
    pool="max",
    kernel_init=initializers.lecun_normal(),
    recurrent_init=orthogonal_gates,
    bias_init=initializers.zeros,
)

# Chosen on the validation reviews of --block 0. Those of flatten were not tried: they
# are close to the notebook's.
HEADS: dict[str, Head] = {
    "flatten": Head(None, 8, 3, 32, 1e-3, any_length=False),
    "pooled": Head("mean", 16, 3, 32, 1e-2),
    "convolution": Head(nn.Conv1D(100, (3,)), 50, 3, 32, 5e-3, 0.1, 0.3),
    "recurrent": Head(LSTM, 50, 3, 64, 5e-3, 0.2),
    "attention": Head(nn.Attention(), 50, 2, 32, 5e-3, 0.3),
}
# Settings with pre-trained vectors. A bag of frozen vectors needs a learned weight for
# each word, since most words of a review have no sentiment.
FROZEN_EPOCHS, FROZEN_RATE = 6, 5e-3
# Epochs and rate with vectors that are trained further, where they differ. No other
# settings were compared: these were tried on the validation reviews with vectors of the
# reviews, for recurrent only for one epoch.
TRAINED = {"convolution": (2, 2e-3), "recurrent": (2, 2e-3)}
FROZEN_POOLED = Head("sqrtn", 0, 5, 32, 1e-2, has_weights=True)


def choose(name: str, start: str) -> Head:
    """Return the settings of a head with a kind of word vectors.

    Example:
      >>> choose("pooled", "learned").epochs, choose("pooled", "glove-frozen").epochs
      (3, 5)
      >>> choose("convolution", "glove-trained").epochs
      2
    """
    head = HEADS[name]
    if start == "learned":
        return head
    if (name, start) == ("pooled", "glove-frozen"):
        return FROZEN_POOLED
    if start == "glove-frozen":
        return head._replace(epochs=FROZEN_EPOCHS, learning_rate=FROZEN_RATE)
    epochs, rate = TRAINED.get(name, (head.epochs, head.learning_rate))
    return head._replace(epochs=epochs, learning_rate=rate)


def make_model(head: Head, n_rows: int, dim: int, start: str) -> nn.TextClassifier:
    """Return the model of a head; id 0 is padding.

    Args:
      head: Settings of the model.
      n_rows: Number of rows of the table.
      dim: Length of a row.
      start: Kind of word vectors.
    """
    frozen = start == "glove-frozen"
    embed = nn.Embed(n_rows, dim, padding_idx=0, frozen=frozen)
    weights = None
    if head.has_weights:
        ones = initializers.ones
        weights = nn.Embed(n_rows, 1, padding_idx=0, embedding_init=ones)
    return nn.TextClassifier(
        embed,
        nn.DenseHead(dropout=head.dropout),
        pool=head.pool,
        id_weights=weights,
        word_dropout=head.word_dropout,
    )


def make_optimizers(
    head: Head, n_examples: int, start: str
) -> tuple[optax.GradientTransformation, optim.SparseOptimizer | None]:
    """Return Adam and, unless all tables are frozen, lazy Adam of the tables."""
    steps = head.epochs * -(-n_examples // head.batch_size)
    rate = optax.linear_schedule(head.learning_rate, 0.0, steps)
    has_table = start != "glove-frozen" or head.has_weights
    return optax.adam(rate), optim.lazy_adam(rate) if has_table else None
