"""Fold: a pool and a linear head as one number for each word."""

from typing import Any

import jax.numpy as jnp

from jaxembed.nn._bag import embedding_bag
from jaxembed.nn._classifier import TextClassifier
from jaxembed.nn._embed import Embed
from jaxembed.nn._heads import PooledBias, PooledDense


def fold(model: TextClassifier, variables: Any) -> tuple[TextClassifier, Any]:
    """The same predictions from a table of logits, for inference.

    A linear head of a mean (or sum) of rows is the mean of the head of each row. So the
    head is applied to each word once, and a text is a bag of single floats (of C for
    C classes): C / D of the memory and of the reads.

    Args:
      model: of an ``Embed`` and a ``PooledDense`` without hidden layers, which does not
        take the maximum.
      variables: its parameters.

    Returns:
      A model with a frozen table ``float32[V, C]``, and its variables, equal up to the
      rounding of the table's dtype (1e-5 for float32); for
      :func:`predict`, :func:`evaluate` and :func:`save` as any other.

    Raises:
      TypeError: if the model is another one.
      ValueError: if its head is not linear in the rows.

    Example:
      >>> import jax
      >>> from jaxembed import nn, train
      >>> model = nn.TextClassifier(nn.Embed(9, 5), nn.PooledDense())
      >>> ids = jnp.array([[1, 2, 3], [4, 5, 6]])
      >>> variables = model.init(jax.random.key(0), ids)
      >>> folded = nn.fold(model, variables)
      >>> folded[1]["params"]["embed"]["embedding"].shape
      (9, 1)
      >>> both = model.apply(variables, ids), folded[0].apply(folded[1], ids)
      >>> bool(jnp.allclose(*both, atol=1e-6))
      True
    """
    embed: Any = getattr(model, "embed", None)
    head: Any = getattr(model, "head", None)
    kinds = type(model), type(embed), type(head)
    if kinds != (TextClassifier, Embed, PooledDense):
        names = [kind.__name__ for kind in kinds]
        raise TypeError(
            "only a TextClassifier of an Embed and a PooledDense can be folded, got "
            f"a {names[0]} of {names[1]} and {names[2]}."
        )
    if embed.bag_fn is not embedding_bag:
        raise ValueError(
            "only a model whose bag_fn is embedding_bag can be folded, got "
            f"{embed.bag_fn}: another one may not be linear in the rows."
        )
    if head.combine == "max" or head.hidden:
        raise ValueError(
            "only a linear head of a linear pool can be folded, got "
            f"combine={head.combine!r} and hidden={head.hidden}."
        )
    params = variables["params"]
    layer = params["head"]["logits"]
    table = jnp.asarray(params["embed"]["embedding"], jnp.float32)
    logits = jnp.matmul(table, layer["kernel"], precision="highest")
    folded = TextClassifier(
        Embed(
            embed.num_embeddings,
            head.classes,
            frozen=True,
            padding_idx=embed.padding_idx,
        ),
        PooledBias(head.combine, head.classes),
    )
    weights = {"embed": {"embedding": logits}, "head": {"bias": layer["bias"]}}
    return folded, {"params": weights}
