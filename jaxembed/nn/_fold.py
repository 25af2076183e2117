"""Fold: merge a linear head into the table, for faster inference."""

import jax.numpy as jnp

from jaxembed.nn._classifier import TextClassifier
from jaxembed.nn._embed import Embed
from jaxembed.nn._heads import BiasHead, DenseHead
from jaxembed.nn._inspect import Variables
from jaxembed.nn.bag._bag import embedding_bag


def fold(
    model: TextClassifier, variables: Variables
) -> tuple[TextClassifier, Variables]:
    """Fold a linear head into the table, for inference with the same predictions.

    A linear head of a mean (or sum) of rows equals the mean (or sum) of the head of
    each row. So the head is applied once to each row of the table, which then has C
    columns, one for each class: C / D of the memory and of the reads.

    Args:
      model: a :class:`TextClassifier` of an :class:`Embed` and a :class:`DenseHead`
        without hidden layers, whose ``pool`` is "mean", "sum" or "sqrtn".
      variables: parameters of the model.

    Returns:
      A model with a frozen table ``float32[V, C]``, and its variables. Its logits equal
      the logits of ``model`` up to the rounding of the table's dtype (1e-5 for
      float32).

    Raises:
      TypeError: if the model, its embedding or its head is of another class.
      ValueError: if the logits are not linear in the rows.

    Example:
      >>> import jax
      >>> from jaxembed import nn
      >>> model = nn.TextClassifier(nn.Embed(9, 5), nn.DenseHead(), pool="mean")
      >>> ids = jnp.array([[1, 2, 3], [4, 5, 6]])
      >>> variables = model.init(jax.random.key(0), ids)
      >>> folded = nn.fold(model, variables)
      >>> folded[1]["params"]["embed"]["embedding"].shape
      (9, 1)
      >>> both = model.apply(variables, ids), folded[0].apply(folded[1], ids)
      >>> bool(jnp.allclose(*both, atol=1e-6))
      True
    """
    parts = model, getattr(model, "embed", None), getattr(model, "head", None)
    kinds = tuple(map(type, parts))
    if kinds != (TextClassifier, Embed, DenseHead):
        names = [kind.__name__ for kind in kinds]
        raise TypeError(
            "only a TextClassifier of an Embed and a DenseHead can be folded, got "
            f"a {names[0]} of {names[1]} and {names[2]}."
        )
    embed, head = model.embed, model.head
    if embed.bag_fn is not embedding_bag:
        raise ValueError(
            "only a model whose bag_fn is embedding_bag can be folded, got "
            f"{embed.bag_fn}, which may not be linear in the rows."
        )
    if model.pool not in ("mean", "sum", "sqrtn") or head.hidden:
        raise ValueError(
            'only a pool of "mean", "sum" or "sqrtn" and a head without hidden layers '
            f"can be folded, got pool={model.pool!r} and hidden={head.hidden}."
        )
    if model.id_weights is not None:
        raise ValueError(
            "only a model without id_weights can be folded: multiply its table by the "
            "weights first, where the pool allows it."
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
        BiasHead(head.classes),
        pool=model.pool,
    )
    weights = {"embed": {"embedding": logits}, "head": {"bias": layer["bias"]}}
    return folded, {"params": weights}
