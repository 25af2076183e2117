"""Reads: rows of a table, bags in all forms, and their gradients."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.tpu.case import Case, Maker, Size, shape_of
from jaxembed import nn


def make_lookup(size: Size, *, mode: str = "fill") -> Case:
    """Return a lookup of the rows of a batch."""
    fewest = size.n_ids * (4 + size.row_bytes) + size.distinct_bytes

    def look_up(params: dict, ids: jax.Array) -> jax.Array:
        return nn.lookup(params["embedding"], ids, mode=mode)

    return Case(size, look_up, (size.table, size.ids), fewest)


def make_lookup_gradient(size: Size) -> Case:
    """Return the gradient of the table, given the gradient of the rows."""

    def gradient(params: dict, ids: jax.Array, grads: jax.Array) -> dict:
        def look_up(params: dict) -> jax.Array:
            return nn.lookup(params["embedding"], ids)

        return jax.vjp(look_up, params)[1](grads)[0]

    fewest = size.n_ids * (4 + size.row_bytes) + size.table_bytes
    grads = shape_of((*size.ids.shape, size.dim))
    arguments = size.table, size.ids, grads
    return Case(size, gradient, arguments, fewest, dense=True)


def make_bag(
    size: Size,
    *,
    combine: str = "mean",
    weights: bool = False,
    mask: bool = False,
    offsets: bool = False,
    gradient: bool = False,
) -> Case:
    """Return a bag of the rows of each text, or the gradient of the table."""
    shape = (size.n_ids,) if offsets else size.ids.shape
    given = {"ids": shape_of(shape, jnp.int32)}
    if weights:
        given["weights"] = shape_of(shape)
    if mask:
        given["mask"] = shape_of(shape, jnp.bool_)
    if offsets:
        given["offsets"] = shape_of((size.batch_size + 1,), jnp.int32)
    fewest = size.n_ids * (4 + 4 * weights + mask) + size.batch_size * size.row_bytes

    def pool(params: dict, given: dict[str, Any]) -> jax.Array:
        return nn.embedding_bag(params["embedding"], combine=combine, **given)

    if not gradient:
        arguments = size.table, given
        return Case(size, pool, arguments, fewest + size.distinct_bytes)

    def differentiate(params: dict, given: dict, grads: jax.Array) -> dict:
        return jax.vjp(lambda params: pool(params, given), params)[1](grads)[0]

    bags = shape_of((size.batch_size, size.dim))
    fewest += size.table_bytes + (size.distinct_bytes if combine == "max" else 0)
    return Case(size, differentiate, (size.table, given, bags), fewest, dense=True)


FORMS: dict[str, dict[str, Any]] = {
    "mean": {},
    "sum": {"combine": "sum"},
    "sqrtn": {"combine": "sqrtn"},
    "max": {"combine": "max"},
    "mean, mask": {"mask": True},
    "max, mask": {"combine": "max", "mask": True},
    "sum, weights": {"combine": "sum", "weights": True},
    "mean, weights, mask": {"weights": True, "mask": True},
    "mean, offsets": {"offsets": True},
    "max, offsets": {"combine": "max", "offsets": True},
    "mean, weights, offsets": {"weights": True, "offsets": True},
}


def _list_bags() -> dict[str, Maker]:
    bags: dict[str, Callable[[Size], Case]] = {}
    for name, form in FORMS.items():
        bags[f"bag {name}"] = functools.partial(make_bag, **form)
        make = functools.partial(make_bag, gradient=True, **form)
        bags[f"bag {name}: gradient"] = make
    return bags


READS: dict[str, Maker] = {
    "lookup": make_lookup,
    "lookup, ids checked": functools.partial(make_lookup, mode="promise_in_bounds"),
    "lookup: gradient": make_lookup_gradient,
    **_list_bags(),
}
