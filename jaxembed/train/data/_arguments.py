"""Arguments: checks of the model and of the optimizers of a training run."""

import inspect

import flax.linen as nn
import jax

from jaxembed.nn._inspect import Ids, Variables
from jaxembed.optim import SparseOptimizer


def find_shapes(model: nn.Module, ids: Ids) -> Variables:
    """Return the shapes of the parameters of a model that :func:`fit` can train.

    Raises:
      TypeError: if ``model`` is not a Linen module, or does not take ``train``.
      ValueError: if it has variables that are not parameters.

    Example:
      >>> from jaxembed import nn
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.DenseHead())
      >>> ids = jax.ShapeDtypeStruct((1, 3), "int32")
      >>> find_shapes(model, ids)["params"]["embed"]["embedding"].shape
      (9, 2)
    """
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model must be a flax.linen.Module, got {type(model).__name__}: convert "
            "an NNX model with flax.nnx.bridge.to_linen."
        )
    arguments = inspect.signature(type(model).__call__).parameters
    takes_any = any(a.kind is a.VAR_KEYWORD for a in arguments.values())
    if "train" not in arguments and not takes_any:
        raise TypeError(
            f"{type(model).__name__} must take the argument train: bool, which turns "
            f"on dropout, got the arguments {list(arguments)[1:]}."
        )
    shapes = jax.eval_shape(model.init, jax.random.key(0), ids)
    if set(shapes) != {"params"}:
        raise ValueError(
            f"the model must have parameters only, got the collections {list(shapes)}: "
            "layers such as BatchNorm are not supported."
        )
    return shapes


def check_optimizers(tx: object, table_tx: object) -> None:
    """Raise if ``tx`` or ``table_tx`` is not an optimizer, or both are interchanged."""
    if isinstance(tx, SparseOptimizer):
        raise TypeError(
            "tx must be an Optax optimizer, got a row-sparse one, which trains tables "
            "only: give it as table_tx, and an Optax optimizer as tx."
        )
    if not (hasattr(tx, "init") and hasattr(tx, "update")):
        raise TypeError(
            "tx must be an Optax optimizer, such as jaxembed.optim.rmsprop(), got "
            f"{tx!r}."
        )
    if table_tx is not None and not isinstance(table_tx, SparseOptimizer):
        raise TypeError(
            f"table_tx must be a row-sparse optimizer of jaxembed.optim, got "
            f"{type(table_tx).__name__}: give an Optax optimizer as tx, which then "
            "trains the tables too."
        )
