"""Variables: the parameters given to evaluate and predict, also on a mesh."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import flax.errors
import flax.linen as nn
import jax
import numpy as np
from flax.traverse_util import flatten_dict
from jax.sharding import Mesh, NamedSharding

from jaxembed.dist import Rules
from jaxembed.nn._inspect import Ids, Variables
from jaxembed.train._setup import make_shards
from jaxembed.train._state import Params
from jaxembed.train.checkpoint._arrays import check_params
from jaxembed.train.sharded._shards import Shards
from jaxembed.train.sharded._words import spread, view


class Placed(NamedTuple):
    """Model and parameters as a program runs them.

    Attributes:
      network: the model, with its tables in shard order on a mesh.
      params: its parameters on the mesh, or as given.
      shards: placement on the mesh; None for one device.
      variables: parameters that the model itself takes, or their shapes.
    """

    network: nn.Module
    params: Params
    shards: Shards | None
    variables: Variables


def place_variables(
    model: nn.Module, variables: Variables, ids: Ids, mesh: Mesh | Rules | None
) -> Placed:
    """Return a model and its parameters on a mesh.

    Args:
      model: a Linen module, called as ``model(ids)``.
      variables: its parameters. Tables may be in word order, or on any mesh in shard
        order.
      ids: ``int[B, L]``.
      mesh: mesh or sharding rules; None for one device.

    Raises:
      TypeError: if ``variables`` are not a dict, or ``mesh`` is not a mesh.
      ValueError: if a parameter is unknown or has the wrong shape, or if a table is
        spread over shards and ``mesh`` is None.
    """
    params = check_variables(variables)
    if mesh is None:
        _check_order(params)
        return Placed(model, params, None, variables)
    shapes = jax.eval_shape(model.init, jax.random.key(0), ids)
    network, shards = make_shards(model, mesh, shapes, ids)
    words = view(params, shards)
    check_params(shapes["params"], words)
    return Placed(network, spread(words, shards), shards, shapes)


def _check_order(params: Params) -> None:
    """Raise if a table is spread over shards, in whose order the model reads none."""
    for path, leaf in flatten_dict(params).items():
        sharding: Any = getattr(leaf, "sharding", None)
        if not isinstance(sharding, NamedSharding) or not sharding.spec:
            continue
        if sharding.spec[0] == "vocab" and sharding.mesh.shape["vocab"] > 1:
            raise ValueError(
                f"{'.'.join(path)} is spread over the devices of a mesh: give mesh= of "
                "that mesh, or tables of dist.to_words."
            )


@contextlib.contextmanager
def explain_shapes(texts: np.ndarray) -> Iterator[None]:
    """Raise ValueError in place of Flax's error about the shape of a parameter."""
    try:
        yield
    except flax.errors.ScopeParamShapeError as error:
        difference = str(error).partition(" (https")[0]
        raise ValueError(
            "the parameters do not fit the model and texts of length "
            f"{texts.shape[1]}. Pad the texts to the length of the training texts, and "
            f"give the model its sizes of training. {difference}"
        ) from error


def check_variables(variables: Variables) -> Params:
    """Return the parameters of ``variables``; raise TypeError for another form."""
    if not isinstance(variables, Mapping) or "params" not in variables:
        raise TypeError(
            'variables must be {"params": ...}, got '
            f"{type(variables).__name__}: give state.variables of a TrainState."
        )
    return variables["params"]
