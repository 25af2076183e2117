"""embedding_bag on four devices: jit with sharded bags, and shard_map."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxembed import nn

V, D, L = 50, 8, 20
COLLECTIVE = re.compile(
    r"= (\S+?)(?:\{\S*)? (all-reduce|all-gather|all-to-all|collective-permute|"
    r"reduce-scatter)(?:-start)?\((.*)"
)
CASES = [
    (n_bags, combine)
    for n_bags in (64, 1024)  # on one device: a loop over rows, a loop over columns
    for combine in ("mean", "weighted", "max")
]
MOST = [
    pytest.param(*case, marks=[] if case[1] == "max" else pytest.mark.long)
    for case in CASES
]


@pytest.fixture
def mesh():
    return jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))


def make_inputs(n_bags):
    rng = np.random.default_rng(4)
    return (
        jnp.asarray(rng.normal(size=(V, D)), jnp.float32),
        jnp.asarray(rng.uniform(0.5, 2, (n_bags, L)), jnp.float32),
        jnp.asarray(rng.integers(0, V, (n_bags, L)), jnp.int32),
        jnp.asarray(rng.random((n_bags, L)) < 0.7),
    )


def make_bag(combine):
    def bag(table, weights, ids, mask):
        weights = weights if combine == "weighted" else None
        name = "mean" if combine == "weighted" else combine
        return nn.embedding_bag(table, ids, weights, mask, name)

    return bag


def make_gradient(bag, combine):
    def loss(*inputs):
        return (bag(*inputs) ** 2).sum()

    return jax.grad(loss, (0, 1) if combine == "weighted" else 0)


def find_collectives(compiled):
    """Return name and shape of each collective, and whether it is in a loop."""
    return [
        (name, shape, "while/body" in rest)
        for shape, name, rest in COLLECTIVE.findall(compiled.as_text())
    ]


def assert_near(found, expected):
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4),
        found,
        expected,
    )


@pytest.mark.parametrize(("n_bags", "combine"), MOST)
def test_sharded_bags_need_no_communication(n_bags, combine, mesh):
    inputs, bag = make_inputs(n_bags), make_bag(combine)
    by_bag = NamedSharding(mesh, P("data"))
    sharded = (
        jax.device_put(inputs[0], NamedSharding(mesh, P())),
        *jax.device_put(inputs[1:], by_bag),
    )
    compiled = jax.jit(bag).lower(*sharded).compile()
    assert find_collectives(compiled) == []
    bags = compiled(*sharded)
    assert bags.sharding.is_equivalent_to(by_bag, 2)
    assert_near(bags, bag(*inputs))


@pytest.mark.parametrize(("n_bags", "combine"), MOST)
def test_the_gradient_of_sharded_bags_is_summed_once(n_bags, combine, mesh):
    inputs = make_inputs(n_bags)
    sharded = (
        jax.device_put(inputs[0], NamedSharding(mesh, P())),
        *jax.device_put(inputs[1:], NamedSharding(mesh, P("data"))),
    )
    differentiate = make_gradient(make_bag(combine), combine)
    compiled = jax.jit(differentiate).lower(*sharded).compile()
    assert find_collectives(compiled) == [("all-reduce", f"f32[{V},{D}]", False)]
    assert_near(compiled(*sharded), differentiate(*inputs))


def test_collectives_are_found(mesh):
    ids = jax.ShapeDtypeStruct(
        (64, L), jnp.int32, sharding=NamedSharding(mesh, P("data"))
    )
    table = jax.ShapeDtypeStruct((V, D), jnp.float32, sharding=NamedSharding(mesh, P()))

    def by_row(table, ids):
        return jax.lax.map(lambda row: table[row].sum(0), ids)

    found = find_collectives(jax.jit(by_row).lower(table, ids).compile())
    assert any(name == "all-gather" for name, _, _ in found)


@pytest.mark.parametrize(
    ("n_bags", "combine", "check_vma"),
    [
        *(
            pytest.param(*case, True, marks=[] if case[0] == 64 else pytest.mark.long)
            for case in CASES
        ),
        (64, "weighted", False),
    ],
)
def test_bags_and_gradients_in_shard_map(n_bags, combine, check_vma, mesh):
    inputs, bag = make_inputs(n_bags), make_bag(combine)
    mapped = jax.shard_map(
        bag,
        mesh=mesh,
        in_specs=(P(), P("data"), P("data"), P("data")),
        out_specs=P("data"),
        check_vma=check_vma,
    )
    assert_near(jax.jit(mapped)(*inputs), bag(*inputs))
    compiled = jax.jit(make_gradient(mapped, combine)).lower(*inputs).compile()
    assert find_collectives(compiled) == [("all-reduce", f"f32[{V},{D}]", False)]
    expected = make_gradient(bag, combine)(*inputs)
    assert_near(compiled(*inputs), expected)


@pytest.mark.parametrize("combine", ["mean", "weighted", "max"])
def test_gradients_inside_shard_map(combine, mesh):
    inputs, differentiate = make_inputs(64), make_gradient(make_bag(combine), combine)
    specs = (P(), P("data"), P("data"), P("data"))
    out = (P(), P("data")) if combine == "weighted" else P()
    mapped = jax.shard_map(differentiate, mesh=mesh, in_specs=specs, out_specs=out)
    assert_near(jax.jit(mapped)(*inputs), differentiate(*inputs))


def test_forward_mode_in_shard_map(mesh):
    table, _, ids, _ = make_inputs(64)

    def tangent(table, ids):
        def bag(table):
            return nn.embedding_bag(table, ids)

        return jax.jvp(bag, (table,), (table,))[1]

    mapped = jax.shard_map(
        tangent, mesh=mesh, in_specs=(P(), P("data")), out_specs=P("data")
    )
    assert_near(jax.jit(mapped)(table, ids), nn.embedding_bag(table, ids))


def test_flat_bags_in_shard_map(mesh):
    table, _, ids, _ = make_inputs(64)
    offsets = jnp.arange(0, 64 * L // 4 + 1, L)

    def bag(table, ids):
        return nn.embedding_bag(table, ids, offsets=offsets)

    mapped = jax.shard_map(
        bag, mesh=mesh, in_specs=(P(), P("data")), out_specs=P("data")
    )
    assert_near(mapped(table, ids.reshape(-1)), nn.embedding_bag(table, ids))


@pytest.mark.parametrize("combine", ["mean", "max"])
def test_taps_in_shard_map(combine, mesh):
    table, _, ids, mask = make_inputs(64)

    def gradient(tap, table, ids, mask):
        def loss(tap):
            bags = nn.embedding_bag(table, ids, None, mask, combine)
            return (nn.tap_bags(bags, tap, table, ids, None, mask, combine) ** 2).sum()

        return jax.grad(loss)(tap)

    specs = (P("data"), P(), P("data"), P("data"))
    mapped = jax.shard_map(gradient, mesh=mesh, in_specs=specs, out_specs=P("data"))
    inputs = jnp.zeros((64, L, D)), table, ids, mask
    assert_near(jax.jit(mapped)(*inputs), gradient(*inputs))
