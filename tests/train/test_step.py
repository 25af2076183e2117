"""step, losses and run_epoch: compared with their definitions."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxembed import nn, optim, train
from jaxembed.train import _epoch
from jaxembed.train._epoch import make_batches, permute, sort_packed
from jaxembed.train._step import is_correct
from tests.train.conftest import V

KEY = jax.random.key(0)


def test_one_class_is_the_sigmoids_cross_entropy():
    logits, labels = jnp.array([2.0, -1.0, 0.5]), jnp.array([1, 1, 0])
    p = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    expected = -np.where(labels == 1, np.log(p), np.log(1 - p))
    np.testing.assert_allclose(
        train.example_losses(logits, labels), expected, rtol=1e-6
    )
    assert is_correct(logits, labels).tolist() == [True, False, False]


def test_more_classes_are_softmax():
    logits = jnp.array([[1.0, 2.0, 0.5], [3.0, 0.0, 0.0]])
    labels = jnp.array([1, 2])
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = -np.log(p[[0, 1], np.asarray(labels)])
    np.testing.assert_allclose(
        train.example_losses(logits, labels), expected, rtol=1e-6
    )
    assert is_correct(logits, labels).tolist() == [True, False]


def test_a_nan_is_never_correct():
    nan = jnp.nan
    assert not is_correct(jnp.array([nan, nan]), jnp.array([0, 1])).any()
    logits = jnp.array([[nan, 0.0], [1.0, nan]])
    assert not is_correct(logits, jnp.array([0, 1])).any()


def test_large_logits_keep_their_gradient():
    slope = jax.grad(lambda z: train.example_losses(z, jnp.array([1])).sum())
    assert slope(jnp.array([-30.0])).tolist() == [-1.0]  # 0 in Keras, which clips


@pytest.mark.parametrize(
    ("logits", "labels"), [((3, 1), (3, 1)), ((3,), (2,)), ((3, 2, 2), (3,))], ids=str
)
def test_axes_that_do_not_fit_are_refused(logits, labels):
    with pytest.raises(ValueError, match=r"axes \[B\] or \[B, C\] and labels \[B\]"):
        train.example_losses(jnp.zeros(logits), jnp.zeros(labels, jnp.int32))


def test_one_column_of_logits_is_refused():
    with pytest.raises(ValueError, match=r"C > 1, got \[3, 1\]: squeeze the last axis"):
        train.example_losses(jnp.zeros((3, 1)), jnp.zeros(3, jnp.int32))


@pytest.mark.parametrize("n", [1, 7, 8, 9, 16])
def test_batches_have_each_example_once(n):
    order = jax.random.permutation(KEY, n).astype(jnp.int32)
    examples, mask = make_batches(order, 8)
    chex.assert_shape([examples, mask], (-(-n // 8), 8))
    assert examples[mask].tolist() == order.tolist()
    assert bool(mask[:, 0].all())  # no batch without an example


def test_examples_are_in_the_order_of_their_random_bits():
    numbers = jnp.arange(100, 1100)
    bits = np.asarray(jax.random.bits(KEY, numbers.shape))
    expected = np.arange(100, 1100)[np.argsort(bits, kind="stable")]
    assert permute(numbers, KEY).tolist() == expected.tolist()
    with jax.enable_x64(True):
        assert permute(numbers, KEY).tolist() == expected.tolist()


def test_examples_with_equal_keys_keep_their_order():
    """Keys of 32 bits with the same low or high bits, above and below 2**31."""
    rng = np.random.default_rng(0)
    keys = np.array([0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1], np.uint32)
    keys, values = rng.choice(keys, 200), rng.permutation(200).astype(np.int32)
    expected = values[np.argsort(keys, kind="stable")]
    found = jax.vmap(sort_packed, (None, 0))(jnp.asarray(keys), values[None])
    assert found.dtype == jnp.int32 and found[0].tolist() == expected.tolist()


def test_a_masked_example_changes_nothing(model, examples):
    ids, labels = (jnp.asarray(array[:4]) for array in examples)
    plan, _ = train.make_plan(model, optim.rmsprop(), ids)
    state = train.create_state(plan, ids, key=KEY)
    results = []
    for other in (0, V - 1):
        padded = jnp.concatenate([ids, jnp.full((2, ids.shape[1]), other)])
        mask = jnp.array([True] * 4 + [False] * 2)
        batch = train.Batch(padded, jnp.append(labels, jnp.array([1, 0])), mask)
        results.append(train.step(plan, state, {}, batch, KEY))
    whole = train.Batch(ids, labels, jnp.ones(4, bool))
    results.append(train.step(plan, state, {}, whole, KEY))
    chex.assert_trees_all_equal(results[0], results[1])
    chex.assert_trees_all_close(results[0], results[2], atol=1e-7)


def test_a_step_is_the_gradient_of_the_mean_loss(model, examples):
    ids, labels = (jnp.asarray(array[:8]) for array in examples)
    tx = optax.sgd(0.5)
    plan, _ = train.make_plan(model, tx, ids)
    state = train.create_state(plan, ids, key=KEY)

    def mean_loss(params):
        logits = model.apply({"params": params}, ids)
        return optax.sigmoid_binary_cross_entropy(logits, labels.astype("f")).mean()

    grads = jax.grad(mean_loss)(state.params)
    expected = jax.tree.map(lambda p, g: p - 0.5 * g, state.params, grads)
    batch = train.Batch(ids, labels, jnp.ones(8, bool))
    after, metrics = train.step(plan, state, {}, batch, KEY)
    chex.assert_trees_all_close(after.params, expected, atol=1e-7)
    np.testing.assert_allclose(metrics.loss / 8, mean_loss(state.params), rtol=1e-6)


def test_an_epoch_is_its_steps(model, examples):
    """Compare the scan with a loop over the same batches, the last one partial."""
    ids, labels = (jnp.asarray(array) for array in examples)
    plan, _ = train.make_plan(model, optim.rmsprop(0.01), ids)
    state = train.create_state(plan, ids, key=KEY)
    rows = jnp.arange(3, 53, dtype=jnp.int32)
    scanned, metrics, first_bad = train.run_epoch(
        plan, state, {}, (ids, labels), rows, KEY, 0, batch_size=8, shuffle=False
    )
    losses, correct = [], 0
    for start in range(3, 53, 8):
        chosen = slice(start, min(start + 8, 53))
        n = chosen.stop - chosen.start
        batch = train.Batch(ids[chosen], labels[chosen], jnp.ones(n, bool))
        state, one = train.step(plan, state, {}, batch, KEY)
        losses.append(float(one.loss))
        correct += int(one.correct)
    chex.assert_trees_all_close(scanned.params, state.params, atol=1e-6)
    assert (int(metrics.n_examples), int(metrics.correct)) == (50, correct)
    np.testing.assert_allclose(metrics.loss, sum(losses), rtol=1e-5)
    assert int(first_bad) == -1


def test_each_epoch_has_an_order_of_its_own(model, examples):
    ids, labels = (jnp.asarray(array) for array in examples)
    plan, _ = train.make_plan(model, optax.sgd(0.1), ids)
    state = train.create_state(plan, ids, key=KEY)
    run = jax.jit(train.run_epoch, static_argnames=("plan", "batch_size"))
    rows = jnp.arange(70, dtype=jnp.int32)
    data = ids, labels
    ends = [
        run(plan, state, {}, data, rows, key, epoch, batch_size=8)
        for key, epoch in ((KEY, 0), (KEY, 1), (jax.random.key(1), 0), (KEY, 0))
    ]
    tables = [np.asarray(end[0].params["embed"]["embedding"]) for end in ends]
    assert np.array_equal(tables[0], tables[3])
    assert not np.array_equal(tables[0], tables[1])
    assert not np.array_equal(tables[0], tables[2])


@pytest.mark.parametrize("columns", [None, (2, 5)], ids=["whole", "cut"])
def test_ids_copied_for_the_epoch_change_no_bit(columns, examples, monkeypatch):
    """Compare with an epoch that reads the ids of each step by itself."""
    ids, labels = (jnp.asarray(array) for array in examples)
    model = nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead(), pool="mean")
    plan, _ = train.make_plan(model, optim.rmsprop(0.01), ids)
    state = train.create_state(plan, ids, key=KEY)

    def run(first):
        rest = {"first": first, "n_steps": 3, "columns": columns, "batch_size": 8}
        data = ids, labels
        return train.run_epoch(plan, state, {}, data, jnp.arange(53), KEY, 0, **rest)

    n_ids = 3 * 8 * (ids.shape[1] if columns is None else 3)
    programs, ends = [], []
    for most in (0, n_ids - 1, n_ids):
        monkeypatch.setattr(_epoch, "MOST_IDS", most)
        epoch = jax.jit(lambda first: run(first)).trace(4)
        programs.append(str(epoch.jaxpr))
        ends.append(epoch.lower().compile()(4))
    assert programs[0] == programs[1] != programs[2]
    chex.assert_trees_all_equal(ends[0], ends[2])


def test_dropout_differs_from_step_to_step(examples):
    model = nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead(dropout=0.5))
    ids, labels = (jnp.asarray(array[:8]) for array in examples)
    plan, _ = train.make_plan(model, optax.sgd(0.0), ids)  # the weights stay
    state = train.create_state(plan, ids, key=KEY)
    batch = train.Batch(ids, labels, jnp.ones(8, bool))
    second, first_loss = train.step(plan, state, {}, batch, KEY)
    third, second_loss = train.step(plan, second, {}, batch, KEY)
    chex.assert_trees_all_equal(state.params, third.params)
    assert float(first_loss.loss) != float(second_loss.loss)
