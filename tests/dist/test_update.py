"""Row-sparse updates on a mesh: equal to those of one device, for any ids."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType

from jaxembed import optim
from jaxembed.dist import Rules, make_mesh, to_shards, to_words, update_tables
from jaxembed.dist.exchange._buckets import choose_capacity
from tests.dist._cases import N_WORDS, SHAPES, choose_pairs, make_ids, make_rules

DIM = 3
PATH = ("embed", "embedding")
RATE = 0.01
OPTIMIZERS = {
    "sgd": optim.sparse_sgd(RATE),
    "adagrad": optim.sparse_adagrad(RATE),
    "adagrad of rows": optim.sparse_adagrad(RATE, per_row=True),
    "rmsprop": optim.sparse_rmsprop(optax.exponential_decay(RATE, 1, 0.5)),
    "lazy adam": optim.lazy_adam(RATE),
}
KINDS = ["random", "zipf", "equal", "one shard", "bad"]
# The others are in REST.
QUICK = [
    ((1, 4), "sgd", None, False),
    ((2, 2), "rmsprop", 0.5, True),
]
REST = choose_pairs(
    (shape, name, max_norm, has_mask)
    for shape in SHAPES
    for name in OPTIMIZERS
    for max_norm in (None, 0.5)
    for has_mask in (False, True)
)


@functools.cache
def make_program(rules, name, max_norm):
    """Return a compiled update of a table with two lookups."""

    @jax.jit
    def run(row_grads, ids, state, table, grads, mask):
        grads, tables, states = update_tables(
            OPTIMIZERS[name],
            {PATH: row_grads},
            {PATH: ids},
            states={"embed": {"embedding": state}},
            tables={"embed": {"embedding": table}},
            rules=rules,
            n_rows={PATH: N_WORDS},
            grads=grads,
            trainable_rows=None if mask is None else {"embed": {"embedding": mask}},
            max_norm=max_norm,
        )
        return grads, tables["embed"]["embedding"], states["embed"]["embedding"]

    return run


@functools.cache
def make_plain_program(name, max_norm):
    """Return the update by the dense form, with the norm of Optax."""
    tx = OPTIMIZERS[name]

    @jax.jit
    def run(row_grads, ids, state, table, grads, mask):
        gradient = jnp.zeros_like(table)
        for grad, read in zip(row_grads, ids, strict=True):
            read = jnp.where((read < 0) | (read >= N_WORDS), N_WORDS, read).reshape(-1)
            gradient = gradient.at[read].add(grad.reshape(-1, DIM), mode="drop")
        if mask is not None:
            gradient = jnp.where(mask[:, None], gradient, 0)
        if max_norm is not None:
            clip = optax.clip_by_global_norm(max_norm)
            (grads, gradient), _ = clip.update((grads, gradient), clip.init(None))
        updates, state = tx.dense.update(gradient, state, table)
        return grads, optax.apply_updates(table, updates), state

    return run


def make_batch(kind, seed):
    """Return the row gradients and the ids of two lookups."""
    rng = np.random.default_rng(seed)
    ids = make_ids(kind), make_ids(kind, (7,))
    # Multiples of 1/64, whose sums are exact in any order.
    grads = [rng.integers(-9, 10, (*read.shape, DIM)) / 64 for read in ids]
    return tuple(np.float32(grad) for grad in grads), ids


def check(shape, name, max_norm, has_mask, kinds=KINDS):
    rules, tx = make_rules(shape), OPTIMIZERS[name]
    table = np.random.default_rng(0).normal(size=(N_WORDS, DIM)).astype(np.float32)
    mask = np.arange(N_WORDS) % 3 > 0 if has_mask else None
    grads = {"bias": np.array([0.25, -0.5], np.float32)}
    state = jax.tree.map(
        lambda x: to_shards(x, rules) if np.ndim(x) else x, tx.init(table)
    )
    ours = state, to_shards(table, rules)
    plain = tx.dense.init(jnp.asarray(table)), jnp.asarray(table)
    stored_mask = None if mask is None else to_shards(mask, rules)
    for step, kind in enumerate(kinds):
        batch = make_batch(kind, step)
        run = make_program(rules, name, max_norm)
        found = jax.block_until_ready(run(*batch, *ours, grads, stored_mask))
        wanted = make_plain_program(name, max_norm)(*batch, *plain, grads, mask)
        ours, plain = found[:0:-1], wanted[:0:-1]
        np.testing.assert_allclose(found[0]["bias"], wanted[0]["bias"], atol=1e-6)
        np.testing.assert_allclose(to_words(ours[1], N_WORDS), plain[1], atol=1e-6)
        assert ours[0].count == step + 1
        assert ours[1].sharding.is_equivalent_to(rules.table, 2)
    if mask is not None:
        assert (to_words(ours[1], N_WORDS)[~mask] == table[~mask]).all()
    is_padding = np.ones(len(ours[1]), bool)
    is_padding[rules.place(np.arange(N_WORDS), N_WORDS)] = False
    assert not np.asarray(ours[1])[is_padding].any()


@pytest.mark.parametrize(("shape", "name", "max_norm", "has_mask"), QUICK, ids=str)
def test_tables_equal_those_of_one_device(shape, name, max_norm, has_mask):
    check(shape, name, max_norm, has_mask)


@pytest.mark.long
@pytest.mark.parametrize(("shape", "name", "max_norm", "has_mask"), REST, ids=str)
def test_all_tables_equal_those_of_one_device(shape, name, max_norm, has_mask):
    check(shape, name, max_norm, has_mask)


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_table_of_bfloat16_gets_the_bits_of_one_device(shape):
    rules, tx = make_rules(shape), OPTIMIZERS["rmsprop"]
    table = np.random.default_rng(0).normal(size=(N_WORDS, DIM)).astype(jnp.bfloat16)
    stored, state = to_shards(table, rules), tx.init(jnp.asarray(table))
    spread = jax.tree.map(lambda x: to_shards(x, rules) if np.ndim(x) else x, state)
    row_grads, ids = make_batch("zipf", 0)
    flat = np.concatenate([grad.reshape(-1, DIM) for grad in row_grads])
    rows = np.concatenate([read.reshape(-1) for read in ids])
    wanted, _ = jax.jit(tx.update)(flat, rows, state, jnp.asarray(table))
    run = make_program(rules, "rmsprop", None)
    _, found, _ = jax.block_until_ready(run(row_grads, ids, spread, stored, {}, None))
    assert found.dtype == jnp.bfloat16
    assert to_words(found, N_WORDS).tobytes() == np.asarray(wanted).tobytes()


@pytest.mark.parametrize(
    ("shape", "max_norm"),
    [((1, 4), 30.0), pytest.param((2, 2), None, marks=pytest.mark.long)],
    ids=str,
)
def test_uneven_ids_need_several_turns(shape, max_norm):
    # Device 0 has rows of the first shard only, the others random rows.
    n = shape[1]
    ids = np.random.default_rng(0).integers(0, 4000, (4, 250)).astype(np.int32)
    ids[0] = np.arange(0, 250 * n, n)
    assert choose_capacity(250, n, 4000 // n) < 250
    rules, tx = make_rules(shape), optim.sparse_sgd(0.5)
    grads = np.random.default_rng(1).integers(-9, 9, (4, 250, 1)).astype(np.float32)
    table = to_shards(np.zeros((4000, 1), np.float32), rules)

    @jax.jit
    def run(table, state, grads, ids):
        _, tables, states = update_tables(
            tx,
            {("table",): (grads,)},
            {("table",): (ids,)},
            states={"table": state},
            tables={"table": table},
            rules=rules,
            n_rows={("table",): 4000},
            grads={},
            max_norm=max_norm,
        )
        return tables["table"], states["table"]

    wanted = np.zeros((4000, 1))
    np.add.at(wanted, ids.reshape(-1), grads.reshape(-1, 1))
    scale = 1 if max_norm is None else max_norm / np.sqrt((wanted**2).sum())
    assert max_norm is None or scale < 0.5
    found, state = jax.block_until_ready(run(table, tx.init(table), grads, ids))
    np.testing.assert_allclose(to_words(found, 4000), -scale * wanted / 2, rtol=1e-5)
    assert state.count == 1


def test_an_explicit_mesh_gives_the_table_of_one_device():
    mesh = jax.make_mesh((2, 2), ("data", "vocab"), axis_types=(AxisType.Explicit,) * 2)
    rules, tx = Rules(mesh), OPTIMIZERS["rmsprop"]
    table = np.random.default_rng(0).normal(size=(N_WORDS, DIM)).astype(np.float32)
    state = jax.tree.map(
        lambda x: to_shards(x, rules) if np.ndim(x) else x, tx.init(table)
    )
    grads = {"bias": jnp.array([0.25, -0.5])}
    batch = make_batch("zipf", 0)
    with jax.set_mesh(mesh):
        run = make_program(rules, "rmsprop", 0.5)
        found = run(*batch, state, to_shards(table, rules), grads, None)
    found = jax.block_until_ready(found)
    plain = tx.dense.init(jnp.asarray(table)), jnp.asarray(table)
    wanted = make_plain_program("rmsprop", 0.5)(*batch, *plain, grads, None)
    np.testing.assert_allclose(to_words(found[1], N_WORDS), wanted[1], atol=1e-6)
    np.testing.assert_allclose(found[0]["bias"], wanted[0]["bias"], atol=1e-6)
    assert jax.typeof(found[1]).sharding.spec == rules.table.spec


def test_an_empty_batch_changes_nothing_but_the_count():
    rules, tx = Rules(make_mesh()), OPTIMIZERS["sgd"]
    table = to_shards(np.ones((N_WORDS, DIM), np.float32), rules)
    batch = (np.zeros((0, DIM), np.float32),), (np.zeros(0, np.int32),)
    run = make_program(rules, "sgd", None)
    _, after, state = run(*batch, jax.jit(tx.init)(table), table, {}, None)
    np.testing.assert_array_equal(after, table)
    assert state.count == 1


def test_a_table_of_another_number_of_words_is_refused():
    rules, tx = Rules(make_mesh()), OPTIMIZERS["sgd"]
    table, (grads, ids) = jnp.zeros((N_WORDS, DIM)), make_batch("zipf", 0)
    with pytest.raises(ValueError, match=r"37 words in 4 shards must have 40 rows"):
        make_program(rules, "sgd", None)(grads, ids, tx.init(table), table, {}, None)
