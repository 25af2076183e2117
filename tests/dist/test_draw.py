"""Initial tables: the bits of one device, and the memory of one shard."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.linen import initializers

from jaxembed import dist, nn
from jaxembed.dist._cube import Shapes, draw_cube
from jaxembed.dist._draw import draw_table
from tests.dist._cases import make_rules

V, D = 4_001, 8
TABLE = np.random.default_rng(0).normal(size=(V, D)).astype(np.float32)


def by_column(key, shape, dtype):
    mean = jnp.arange(shape[1], dtype=dtype)
    return mean[None, :] + 0.1 * jax.nn.relu(jax.random.normal(key, shape, dtype))


def by_word(key, shape, dtype):
    scale = 1 / (1 + jnp.arange(shape[0], dtype=dtype))
    return scale[:, None] * jax.random.normal(key, shape, dtype)


def split(key, shape, dtype):
    first, second = jax.random.split(key)
    signs = jax.random.bernoulli(second, 0.5, shape)
    return jnp.where(signs, jax.random.uniform(first, shape, dtype), -1 / shape[0])


def keys_of_words(key, shape, dtype):
    keys = jax.random.split(key, shape[0])
    return jax.vmap(lambda key: jax.random.normal(key, shape[1:], dtype))(keys)


BY_ELEMENT = {
    "keras_uniform": nn.Embed(1, 1).embedding_init,
    "uniform": initializers.uniform(0.1),
    "normal": initializers.normal(0.1),
    "truncated_normal": initializers.truncated_normal(0.1),
    "lecun_normal": initializers.lecun_normal(),
    "lecun_uniform": initializers.lecun_uniform(),
    "glorot_normal": initializers.glorot_normal(),
    "glorot_uniform": initializers.glorot_uniform(),
    "he_normal": initializers.he_normal(),
    "he_uniform": initializers.he_uniform(),
    "flax": initializers.variance_scaling(1.0, "fan_in", "normal", out_axis=0),
    "zeros": initializers.zeros,
    "ones": initializers.ones,
    "constant": initializers.constant(0.5),
    "by column": by_column,
    "split": split,
}
WHOLE = {
    "orthogonal": initializers.orthogonal(),
    "by word": by_word,
    "keys of words": keys_of_words,
    "array": lambda key, shape, dtype: jnp.asarray(TABLE[: shape[0]], dtype),
}


def draw(init, key, rules, dtype=jnp.float32):
    """Return the compiled program of an initial table, and its table of words."""
    options = {"rules": rules, "padding_idx": None}
    jitted = jax.jit(lambda key: draw_table(init, key, (V, D), dtype, **options))
    compiled = jitted.lower(key).compile()
    return compiled, dist.to_words(jax.block_until_ready(compiled(key)), V)


@pytest.mark.parametrize("name", BY_ELEMENT)
def test_each_device_draws_its_shard_with_the_bits_of_one_device(name):
    init, key = BY_ELEMENT[name], jax.random.key(3)
    compiled, words = draw(init, key, make_rules((1, 4)))
    one = jax.jit(lambda key: init(key, (V, D), jnp.float32))(key)
    assert words.tobytes() == np.asarray(one).tobytes()
    # A shard has V D bytes. A whole draw takes 16 V D: four tables.
    assert compiled.memory_analysis().temp_size_in_bytes < 5.5 * V * D
    kinds = "all-gather", "all-reduce", "all-to-all", "collective-permute"
    assert not any(kind in compiled.as_text() for kind in kinds)


@pytest.mark.parametrize("name", WHOLE)
def test_any_other_initializer_has_the_numbers_of_one_device(name):
    init, key = WHOLE[name], jax.random.key(3)
    _, words = draw(init, key, make_rules((2, 2)))
    one = jax.jit(lambda key: init(key, (V, D), jnp.float32))(key)
    np.testing.assert_allclose(words, one, atol=1e-6)
    assert draw_cube(init, key, jnp.float32, Shapes((5, 3), (3, 2, 3))) is None


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg", "old"])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_keys_and_dtypes(impl, dtype):
    key = jax.random.PRNGKey(5) if impl == "old" else jax.random.key(5, impl=impl)
    init = initializers.lecun_normal()
    _, words = draw(init, key, make_rules((1, 4)), dtype)
    one = np.asarray(jax.jit(lambda key: init(key, (V, D), dtype))(key))
    assert words.dtype == dtype and words.tobytes() == one.tobytes()


def test_numbers_that_depend_on_the_number_of_others_are_drawn_whole():
    key, init = jax.random.key(5), initializers.normal(0.1)
    with jax.threefry_partitionable(False):
        _, words = draw(init, key, make_rules((1, 4)))
        one = np.asarray(jax.jit(lambda key: init(key, (V, D), jnp.float32))(key))
    assert words.tobytes() == one.tobytes()
