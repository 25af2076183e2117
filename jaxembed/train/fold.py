"""Fold: a pool and a linear head as one number for each word."""

from typing import Any

import jax.numpy as jnp

from jaxembed.nn import Embed, PooledBias, PooledDense, TextClassifier


def fold(model: TextClassifier, variables: Any) -> tuple[TextClassifier, Any]:
    """The same predictions from a table of logits, for inference.

    A linear head of a mean (or sum) of rows is the mean of the head of each row. So the
    head is applied to each word once, and a text is a bag of single floats: 1 / D of
    the memory and of the reads.

    Args:
      model: of an ``Embed`` and a ``PooledDense`` without hidden layers, which does not
        take the maximum.
      variables: its parameters.

    Returns:
      A model with a frozen table ``float32[V, C]``, and its variables; for
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
      >>> folded = train.fold(model, variables)
      >>> folded[1]["params"]["embed"]["embedding"].shape
      (9, 1)
      >>> both = model.apply(variables, ids), folded[0].apply(folded[1], ids)
      >>> bool(jnp.allclose(*both, atol=1e-6))
      True
    """
    embed, head = getattr(model, "embed", None), getattr(model, "head", None)
    if not isinstance(embed, Embed) or not isinstance(head, PooledDense):
        raise TypeError(
            "only a TextClassifier of an Embed and a PooledDense can be folded, got "
            f"{type(embed).__name__} and {type(head).__name__} in a "
            f"{type(model).__name__}."
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
