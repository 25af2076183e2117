"""Network: a bag of a text's rows and a linear layer, and its optimizers."""

import warnings
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import optax
from flax.linen import initializers

from jaxembed import nn, optim, train
from jaxembed.model._bags import Bags, pad
from jaxembed.text import Ragged
from jaxembed.vectors import WordVectors, embedding_matrix

Params = dict[str, Any]
POOL = "sqrtn"  # the sum of the rows, divided by the root of their number


def make_network(
    n_rows: int, dim: int, n_logits: int, *, hidden: int = 0, frozen: bool = False
) -> nn.TextClassifier:
    """Make a network of one table and one linear layer; row 0 is padding.

    Args:
      n_rows: V, number of rows of the table.
      dim: D, length of a row.
      n_logits: number of logits of a text.
      hidden: width of a hidden layer before the last; 0 for none.
      frozen: whether the table is constant.
    """
    embed = nn.Embed(
        n_rows,
        dim,
        frozen=frozen,
        padding_idx=0,
        embedding_init=nn.symmetric_uniform(1 / dim),
    )
    head = nn.DenseHead(classes=n_logits, kernel_init=initializers.zeros)
    if hidden:  # whose gradient would be 0 if the last layer began with zeros
        head = nn.DenseHead(hidden=(hidden,), classes=n_logits)
    return nn.TextClassifier(embed, head, pool=POOL)


def make_optimizers(
    learning_rate: float, n_steps: int, *, frozen: bool
) -> tuple[optax.GradientTransformation, optim.SparseOptimizer | None]:
    """Make Adagrad of the last layer and, unless frozen, row-sparse Adagrad.

    The learning rate falls linearly to 0 in ``n_steps`` steps.
    """
    rate = optax.linear_schedule(learning_rate, 0.0, n_steps)
    settings = {"initial_accumulator_value": 0.0, "eps": 1e-16}
    table_tx = None if frozen else optim.sparse_adagrad(rate, per_row=True, **settings)
    return optax.adagrad(rate, **settings), table_tx


def start_table(
    bags: Bags, vectors: WordVectors, rng: np.random.Generator
) -> np.ndarray:
    """Return a table ``float32[V, D]`` that starts from word vectors.

    Rows of pairs, and of words without a vector, are drawn from [-1 / D, 1 / D).
    """
    table, coverage = embedding_matrix(bags.words, vectors, bags.n_rows)
    drawn = rng.uniform(-1 / vectors.dim, 1 / vectors.dim, table.shape)
    table[~coverage.found] = drawn[~coverage.found]
    table[0] = 0  # padding
    return table


def fold_network(
    params: Params, n_logits: int
) -> tuple[nn.TextClassifier, Mapping[str, Any]]:
    """Return a network for predictions, and its variables.

    Without a hidden layer, the layer is folded into the table: a text then needs one
    number for each row and logit.
    """
    n_rows, dim = params["embed"]["embedding"].shape
    layer = params["head"].get("hidden_0")
    hidden = 0 if layer is None else layer["kernel"].shape[1]
    network = make_network(n_rows, dim, n_logits, hidden=hidden, frozen=True)
    if hidden:
        return network, {"params": jax.device_put(params)}
    return nn.fold(network, {"params": params})


def find_logits(
    network: nn.TextClassifier,
    variables: Mapping[str, Any],
    bags: Bags,
    rows: Ragged,
    n_logits: int,
) -> np.ndarray:
    """Return logits ``float32[N]`` for one logit, else ``float32[N, C]``.

    Texts are padded to one of a few lengths, so that a short text costs little.
    """
    shape = (len(rows),) if n_logits == 1 else (len(rows), n_logits)
    logits, least = np.zeros(shape, np.float32), 0
    for length in bags.shapes():
        fits = (rows.lengths >= least) & (rows.lengths <= length)
        places, least = np.flatnonzero(fits), length + 1
        if places.size:
            ids = pad(rows.take(places), length)
            logits[places] = train.predict(network, variables, ids)
    return logits


def use_cache(is_wanted: bool) -> None:
    """Use the compilation cache if it is wanted and its folder can be written."""
    if not is_wanted:
        return
    try:
        train.use_compilation_cache()
    except OSError as error:
        warnings.warn(f"the compilation cache is not used: {error}", stacklevel=3)
