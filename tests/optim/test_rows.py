"""Freezing: frozen parameters and rows keep every bit under any optimizer."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxembed import optim

V, D = 6, 3
OPTIMIZERS = {
    "adamw": optax.adamw(0.01, weight_decay=0.5),
    "sgd with momentum": optax.sgd(0.1, momentum=0.9, nesterov=True),
    "rmsprop": optim.rmsprop(0.01),
    "lion": optax.lion(0.01, weight_decay=0.1),
    "with noise": optax.chain(optax.add_noise(0.1, 0.9, 0), optax.adagrad(0.1)),
    "clipped": optax.chain(optax.clip_by_global_norm(0.1), optax.adam(0.01)),
}


def make_params():
    """Return parameters with -0.0 and subnormal numbers, which adding 0 changes."""
    table = np.random.default_rng(0).normal(size=(V, D)).astype(np.float32)
    table[1] = [-0.0, 0.0, 1e38]
    table[2] = [1e-42, -3e-39, 1e-38]  # subnormal
    head = jnp.ones(D)
    return {"embed": {"embedding": jnp.asarray(table)}, "head": head}


def gradient(params, step):
    key = jax.random.fold_in(jax.random.key(0), step)
    return jax.tree.map(lambda leaf: jax.random.normal(key, leaf.shape), params)


def bits(array):
    return np.asarray(array).view(np.uint32)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_frozen_parameter_and_its_moments(name):
    """Freeze a whole parameter by ``optax.selective_transform``, as in README."""
    frozen = {"embed": {"embedding": True}, "head": False}
    tx = optax.selective_transform(OPTIMIZERS[name], freeze_mask=frozen)
    params = make_params()
    table = params["embed"]["embedding"]
    table = table.at[2].set(1.0)  # XLA flushes subnormal numbers to 0 in a sum
    params["embed"]["embedding"] = table
    state = tx.init(params)
    assert (V, D) not in {jnp.shape(leaf) for leaf in jax.tree.leaves(state)}

    @jax.jit
    def step(params, state, number):
        updates, state = tx.update(gradient(params, number), state, params)
        return optax.apply_updates(params, updates), state

    for number in range(1_000):
        params, state = step(params, state, number)
    np.testing.assert_array_equal(params["embed"]["embedding"], table)
    assert not np.allclose(params["head"], 1.0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_frozen_rows_keep_every_bit_and_the_others_are_trained(name):
    tx, params = OPTIMIZERS[name], make_params()
    before = params["embed"]["embedding"]
    state = tx.init(params)

    @jax.jit
    @chex.assert_max_traces(n=1)
    def step(params, state, mask, number):
        masks = {"embed": {"embedding": mask}}
        grads = optim.mask_rows(gradient(params, number), masks)
        updates, state = tx.update(grads, state, params)
        return optim.apply_updates(params, updates, masks), state

    mask = jnp.array([True, False, False, True, True, False])
    for number in range(300):
        params, state = step(params, state, mask, number)
    after = params["embed"]["embedding"]
    kept = ~np.asarray(mask)
    np.testing.assert_array_equal(bits(after)[kept], bits(before)[kept])
    assert (bits(after)[~kept] != bits(before)[~kept]).all()
    # Another mask does not recompile, and unfreezes its rows.
    params, state = step(params, state, ~mask, 300)
    assert (bits(params["embed"]["embedding"])[0] == bits(after)[0]).all()
    assert (bits(params["embed"]["embedding"])[5] != bits(after)[5]).all()


def test_frozen_rows_count_in_no_norm():
    tx = optax.clip_by_global_norm(1.0)
    grads = {"table": jnp.array([[1e6], [3.0]]), "head": jnp.array([4.0])}
    masked = optim.mask_rows(grads, {"table": jnp.array([False, True])})
    updates, _ = tx.update(masked, tx.init(grads))
    np.testing.assert_allclose(updates["table"].ravel(), [0.0, 0.6], rtol=1e-6)
    np.testing.assert_allclose(updates["head"], [0.8], rtol=1e-6)


def test_no_gradient_of_a_frozen_row_is_a_number_that_is_none():
    grads = {"table": jnp.array([[jnp.nan], [1.0]])}
    masked = optim.mask_rows(grads, {"table": jnp.array([False, True])})
    np.testing.assert_array_equal(masked["table"], [[0.0], [1.0]])


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"head": jnp.ones((), bool)}, r"must be bool\[3\].*got bool\[\]"),
        ({"embed": {"embedding": jnp.ones(V + 1, bool)}}, r"must be bool\[6\].*\[7\]"),
        (
            {"embde": jnp.ones(V, bool)},
            r"masks for \['embde'\], which are not trained parameters",
        ),
    ],
)
def test_masks_that_fit_nothing_are_refused(masks, message):
    params = make_params()
    for call in (
        lambda: optim.mask_rows(params, masks),
        lambda: optim.apply_updates(params, params, masks),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_a_mask_that_does_not_hold_bools_is_refused():
    params = make_params()
    with pytest.raises(TypeError, match=r"must be bool\[6\].*got float32\[6\]"):
        optim.mask_rows(params, {"embed": {"embedding": jnp.ones(V)}})
