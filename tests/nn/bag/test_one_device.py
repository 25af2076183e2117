"""is_one_device: its value in each kind of program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxembed.nn.bag._one_device import is_one_device

NUMBERS = np.arange(8.0)


@jax.jit
def flag(numbers):
    """Return ones in a program for one device, else zeros."""
    return jax.lax.cond(is_one_device(), lambda x: 0 * x + 1, lambda x: 0 * x, numbers)


@pytest.fixture
def mesh():
    return jax.make_mesh((2, 2), ("data", "model"), axis_types=(AxisType.Auto,) * 2)


def test_one_device():
    assert is_one_device()
    assert flag(NUMBERS).all()
    with jax.disable_jit():
        assert flag(NUMBERS).all()


def test_programs_over_several_devices(mesh):
    for spec in (P("data"), P()):
        sharded = jax.device_put(NUMBERS, NamedSharding(mesh, spec))
        assert not flag(sharded).any()
    assert flag(NUMBERS).all()


@pytest.mark.parametrize("check_vma", [True, False])
def test_each_device_of_a_shard_map(check_vma, mesh):
    spec = P(("data", "model"))
    mapped = jax.shard_map(
        flag, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=check_vma
    )
    assert jax.jit(mapped)(NUMBERS).all()


def test_shard_map_over_one_of_two_axes(mesh):
    mapped = jax.shard_map(
        flag, mesh=mesh, in_specs=P("data"), out_specs=P("data"), axis_names={"data"}
    )
    assert not jax.jit(mapped)(NUMBERS).any()


def test_the_other_branch_is_not_compiled():
    def choose(numbers):
        return jax.lax.cond(is_one_device(), jnp.sin, jnp.cos, numbers)

    text = jax.jit(choose).lower(NUMBERS).compile().as_text()
    assert "sine" in text and "cosine" not in text and "conditional" not in text


def test_transformations():
    def half(number):
        return jax.lax.cond(
            is_one_device(), lambda x: x**2, lambda x: jnp.nan * x, number
        )

    found = jax.jit(jax.vmap(jax.grad(half)))(NUMBERS)
    np.testing.assert_array_equal(found, 2 * NUMBERS)
