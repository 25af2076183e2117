"""shard_model: a copy of a model whose tables are spread over a mesh."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

import flax.linen as linen

from jaxembed import nn
from jaxembed.dist._embed import Bag, Lookup, ShardedEmbed
from jaxembed.dist._mesh import Rules

Model = TypeVar("Model", bound=linen.Module)


def shard_model(model: Model, rules: Rules) -> Model:
    """Return a copy of a model whose tables are spread over a mesh.

    Each :class:`jaxembed.nn.Embed` among its attributes, at any depth, is replaced by a
    layer whose table ``[Vp, D]`` is in shard order; see :class:`Rules`. The paths of
    the parameters do not change. The initial rows and the results of the model are
    those of one device, up to rounding.

    Args:
      model: a Linen module, unbound.
      rules: placement on the mesh.

    Returns:
      The copy. Copies of equal models are equal if their attributes are.

    Raises:
      ValueError: if no attribute is an ``Embed``, such as if ``setup`` makes it, or if
        one has its own ``lookup_fn`` or ``bag_fn``, or is of a class of its own.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from jaxembed.dist import make_mesh
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.DenseHead(), pool="mean")
      >>> rules = Rules(make_mesh(devices=jax.devices()[:1]))
      >>> ids = jnp.array([[1, 2, 3]])
      >>> params = shard_model(model, rules).init(jax.random.key(0), ids)["params"]
      >>> params["embed"]["embedding"].shape
      (9, 2)
    """
    copies: dict[int, Any] = {}
    copy = _copy(model, rules, copies)
    if not any(isinstance(found, ShardedEmbed) for found in copies.values()):
        raise ValueError(
            f"the model must have a jaxembed.nn.Embed among its attributes, got a "
            f"{type(model).__name__} without one: make the Embed outside of the model "
            "and pass it as an attribute, not in setup or in a compact method."
        )
    return copy


def _copy(value: Any, rules: Rules, copies: dict[int, Any]) -> Any:
    """Copy a value of an attribute; a layer that is shared stays shared."""
    if isinstance(value, linen.Module):
        if id(value) not in copies:
            copies[id(value)] = _copy_module(value, rules, copies)
        return copies[id(value)]
    if isinstance(value, Mapping):
        found = {name: _copy(part, rules, copies) for name, part in value.items()}
        return type(value)(found) if _is_changed(found, value) else value  # type: ignore
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        parts = [_copy(part, rules, copies) for part in value]
        is_changed = any(a is not b for a, b in zip(parts, value, strict=True))
        return type(value)(parts) if is_changed else value
    return value


def _copy_module(
    module: linen.Module, rules: Rules, copies: dict[int, Any]
) -> linen.Module:
    if isinstance(module, nn.Embed):
        return _shard_embed(module, rules)
    given = {
        field.name: getattr(module, field.name)
        for field in dataclasses.fields(module)
        if field.init and field.name not in ("parent", "name")
    }
    found = {name: _copy(value, rules, copies) for name, value in given.items()}
    return module.clone(**found) if _is_changed(found, given) else module


def _shard_embed(embed: nn.Embed, rules: Rules) -> ShardedEmbed:
    """Return the sharded form of a layer."""
    if isinstance(embed, ShardedEmbed):
        raise ValueError("the model is sharded already: give the model of one device.")
    if type(embed) is not nn.Embed:
        raise ValueError(
            f"a sharded table must belong to a jaxembed.nn.Embed, got a subclass, "
            f"{type(embed).__name__}: change the rows in the model instead."
        )
    for hook, ours in (("lookup_fn", nn.lookup), ("bag_fn", nn.embedding_bag)):
        if getattr(embed, hook) is not ours:
            raise ValueError(
                f"a sharded Embed has a {hook} of its own, got "
                f"{getattr(embed, hook)!r}: omit it, and change the rows in the model."
            )
    given = {
        field.name: getattr(embed, field.name)
        for field in dataclasses.fields(embed)
        if field.init and field.name != "parent"
    }
    n_words = embed.num_embeddings
    given["num_embeddings"] = rules.pad(n_words)
    given["lookup_fn"], given["bag_fn"] = Lookup(rules, n_words), Bag(rules, n_words)
    return ShardedEmbed(**given, rules=rules, n_words=n_words)


def _is_changed(found: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    return any(found[name] is not given[name] for name in given)
