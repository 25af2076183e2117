"""Row-sparse optimizers: invalid arguments, and the errors they raise."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxembed import optim

V, D = 6, 2
TABLE = jnp.ones((V, D))
GRADS, IDS = jnp.ones((3, D)), jnp.array([0, 5, 0], jnp.int32)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.sparse_sgd(0.1, momentum=0.9), "momentum=0.9.*optax.sgd"),
        (lambda: optim.sparse_rmsprop(momentum=0.9), "momentum=0.9.*without table_tx"),
        (lambda: optim.sparse_rmsprop(centered=True), "centered=True.*optax.rmsprop"),
        (lambda: optim.sparse_rmsprop(decay=1.0), "decay must be .* below 1.0"),
        (lambda: optim.sparse_rmsprop(eps=-1e-7), "eps must be"),
        (lambda: optim.sparse_adagrad(0.1, eps=float("nan")), "eps must be"),
        (
            lambda: optim.sparse_adagrad(0.1, initial_accumulator_value=-1),
            "initial_accumulator_value must be",
        ),
        (lambda: optim.lazy_adam(b1=-0.1), "b1 must be"),
        (lambda: optim.lazy_adam(b2=1.5), "b2 must be"),
        (lambda: optim.sparse_sgd(-0.1), "learning_rate must be"),
        (lambda: optim.lazy_adam(float("inf")), "learning_rate must be"),
    ],
    ids=range(11),
)
def test_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("bad", "remedy"),
    [(V + 1, "num_words=6"), (-1, "give ids from 0"), (2**31 - 1, "num_words=6")],
)
def test_ids_that_are_no_rows(bad, remedy):
    tx = optim.sparse_sgd(0.1)
    ids = IDS.at[1].set(bad)
    with pytest.raises(ValueError, match=rf"ids\[1\] is {bad}.*0 to 5.*{remedy}"):
        tx.update(GRADS, ids, tx.init(TABLE), TABLE)
    # Under jit the ids are unknown, so a bad id changes no row.
    moved, _ = jax.jit(tx.update)(GRADS, ids, tx.init(TABLE), TABLE)
    changed = np.flatnonzero((np.asarray(moved) != 1).any(1)).tolist()
    assert changed == [0]


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"row_grads": jnp.ones((3, D + 1))}, ValueError, "row_grads and ids"),
        ({"row_grads": jnp.ones((2, D))}, ValueError, "row_grads and ids"),
        ({"ids": jnp.ones((3, 1), jnp.int32)}, ValueError, "row_grads and ids"),
        ({"ids": jnp.ones(3)}, TypeError, "ids must be int32"),
        ({"trainable_rows": jnp.ones(V - 1, bool)}, ValueError, "trainable_rows must"),
        ({"trainable_rows": jnp.ones(V)}, TypeError, "trainable_rows must be bool"),
        (
            {"state": optim.sparse_rmsprop().init(jnp.ones((V + 1, D)))},
            ValueError,
            r"another table or optimizer: .last must be int32\[6\], got .*init",
        ),
        (
            {"state": optim.sparse_sgd(0.1).init(TABLE)},
            ValueError,
            "another table or optimizer.*got missing",
        ),
    ],
    ids=range(8),
)
def test_what_does_not_fit(changed, error, message):
    tx = optim.sparse_rmsprop()
    arguments = {"row_grads": GRADS, "ids": IDS, "state": tx.init(TABLE)}
    with pytest.raises(error, match=message):
        tx.update(**(arguments | {"table": TABLE} | changed))


def test_arrays_of_numpy_are_taken():
    tx = optim.sparse_sgd(0.5)
    table, mask = np.ones((V, D), np.float32), np.arange(V) != 5
    arrays = np.asarray(GRADS), np.asarray(IDS), tx.init(table), table, mask
    moved, _ = tx.update(*arrays)
    assert moved[:, 0].tolist() == [0.0, 1, 1, 1, 1, 1]


def test_a_bad_row_that_is_called_distinct_is_no_other():
    tx = optim.sparse_sgd(0.5)
    update = jax.jit(lambda ids: tx.update(GRADS, ids, state, TABLE, distinct=True)[0])
    state = tx.init(TABLE)
    moved = update(jnp.array([-1, V + 3, 2], jnp.int32))
    assert np.flatnonzero((np.asarray(moved) != 1).any(1)).tolist() == [2]


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (jnp.ones((V, D), jnp.int32), TypeError, "got int32: use table.astype"),
        (jnp.ones((0, D)), ValueError, r"at least one row, got \[0, 2\]"),
        (jnp.ones(V), ValueError, r"axes \[V, D\].*got \[6\]"),
    ],
    ids=range(3),
)
def test_tables(table, error, message):
    with pytest.raises(error, match=message):
        optim.sparse_rmsprop().init(table)


@pytest.mark.parametrize("rate", ["0.1", None, True, [0.1, 0.2]])
def test_rates_that_are_no_numbers(rate):
    with pytest.raises(TypeError, match="learning_rate must be a number or a schedule"):
        optim.sparse_sgd(rate)


def test_a_traced_rate():
    def update(rate):
        tx = optim.sparse_sgd(rate)
        return tx.update(GRADS, IDS, tx.init(TABLE), TABLE)[0][5, 0]

    found = jax.vmap(update)(jnp.array([0.25, 0.5]))
    np.testing.assert_array_equal(found, [0.75, 0.5])


WRAPPERS = {
    "chain": lambda tx: optax.chain(tx, optax.scale(1.0)),
    "MultiSteps": lambda tx: optax.MultiSteps(tx, 2),
    "inject_hyperparams": lambda tx: optax.inject_hyperparams(optim.sparse_sgd)(0.1),
    "masked": lambda tx: optax.masked(tx, True),
    "partition": lambda tx: optax.partition({"a": tx}, "a"),
    "apply_if_finite": lambda tx: optax.apply_if_finite(tx, 3),
}


@pytest.mark.parametrize("params", [TABLE, {"table": TABLE}], ids=["table", "tree"])
@pytest.mark.parametrize("name", WRAPPERS)
def test_wrappers_of_optax_are_refused_at_init(name, params):
    wrapped = WRAPPERS[name](optim.sparse_sgd(0.1))
    with pytest.raises(TypeError, match="optimizer cannot be part of optax"):
        wrapped.init(params)


def test_a_tree_is_refused():
    with pytest.raises(TypeError, match="table must be one array .* got dict"):
        optim.sparse_sgd(0.1).init({"table": TABLE})
