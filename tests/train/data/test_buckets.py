"""Batches of several lengths: equal answers, each text once, exact resume."""

import jax
import numpy as np
import optax
import pytest

from jaxembed import nn, optim, text, train
from jaxembed.train._compilation import Inputs, Programs
from jaxembed.train._setup import make_plan
from jaxembed.train.data._buckets import make_buckets

V, L, N = 30, 12, 100
rng = np.random.default_rng(0)
SIZES = rng.integers(0, L + 1, N)
LISTS = [rng.integers(1, V, size) for size in SIZES]
LABELS = rng.integers(0, 2, N)
LENGTHS = (3, 8)


def pad(side):
    return text.pad_sequences(LISTS, L, padding=side, truncating=side)


def make(pool="mean", **embed):
    table = nn.Embed(V, 4, padding_idx=0, **embed)
    return nn.TextClassifier(table, nn.DenseHead(), pool=pool)


@pytest.mark.parametrize("side", ["pre", "post"])
def test_each_text_is_in_the_smallest_bucket_that_holds_its_words(side):
    ids = pad(side)
    buckets = make_buckets(ids, LENGTHS, 0)
    assert [b.stop - b.start for b in buckets] == [3, 8, 12]
    assert np.sort(np.concatenate([b.numbers for b in buckets])).tolist() == [*range(N)]
    for bucket in buckets:
        cut = bucket.cut(ids)
        words = [row[row != 0].tolist() for row in cut]
        assert words == [LISTS[i].tolist() for i in bucket.numbers]
        smaller = [n for n in (0, *LENGTHS) if n < bucket.stop - bucket.start]
        assert all(SIZES[i] > smaller[-1] or SIZES[i] == 0 for i in bucket.numbers)


def test_an_empty_bucket_is_left_out_and_a_long_length_is_the_width():
    ids = np.array([[1, 2, 3], [4, 5, 6]])
    assert [b[:2] for b in make_buckets(ids, [1, 2, 99], 0)] == [(0, 3)]


@pytest.mark.parametrize(
    "pool",
    [
        "mean",
        pytest.param(nn.Attention(), marks=pytest.mark.long),
        pytest.param(nn.Conv1D(3, (2,)), marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("side", ["pre", "post"])
def test_evaluate_and_predict_give_the_same_answers(pool, side):
    model, ids = make(pool), pad(side)
    variables = model.init(jax.random.key(0), ids)
    found = train.predict(model, variables, ids, lengths=LENGTHS)
    expected = train.predict(model, variables, ids)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    metrics = [
        train.evaluate(model, variables, ids, LABELS, batch_size=16, lengths=lengths)
        for lengths in (None, LENGTHS)
    ]
    assert metrics[0]["accuracy"] == metrics[1]["accuracy"]
    np.testing.assert_allclose(metrics[0]["loss"], metrics[1]["loss"], rtol=1e-5)


def run(lengths, epochs=1, *, batch_size=4, examples=None, pool="mean", **settings):
    rate = optax.sgd(0.1)
    return train.fit(
        make(pool),
        (pad("post"), LABELS),
        tx=rate,
        table_tx=optim.sparse_sgd(0.1),
        epochs=epochs,
        batch_size=batch_size,
        key=jax.random.key(1),
        lengths=lengths,
        examples=examples,
        validation=(pad("post"), LABELS),
        **settings,
    )


@pytest.mark.long
def test_one_bucket_of_all_texts_is_one_step_of_the_usual_training():
    """One batch with all texts of one length does not depend on the order."""
    same = np.flatnonzero((SIZES > 3) & (SIZES <= 8))
    states = [
        run(lengths, batch_size=len(same), examples=same)[0].variables
        for lengths in (None, LENGTHS)
    ]
    for a, b in zip(*map(jax.tree.leaves, states), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.long
def test_an_epoch_reads_each_text_once():
    """The gradient of the bias is the mean error, so steps sum up to all texts."""
    state, history = run(LENGTHS)
    buckets = make_buckets(pad("post"), LENGTHS, 0)
    assert int(state.step) == sum(-(-len(b.numbers) // 4) for b in buckets)
    frozen = run(LENGTHS, params=state.variables["params"], unfreeze_after=1)[1]
    assert len(history) == len(frozen) == 1
    assert abs(history.loss[0] - history.val_loss[0]) < 0.1


@pytest.mark.long
def test_training_learns_with_lengths():
    _, history = run(LENGTHS, 30)
    assert history.accuracy[-1] > history.accuracy[0]
    assert history.loss[-1] < history.loss[0]


@pytest.mark.long
@pytest.mark.parametrize(("save_every", "n_calls"), [(None, 8), (3, 14)])
def test_a_resumed_run_has_the_same_bits(tmp_path, save_every, n_calls):
    whole, history = run(LENGTHS, 4, pool=nn.Attention(), save_every=save_every)
    calls = []

    def stop():
        calls.append(None)
        return len(calls) == n_calls

    settings = {"pool": nn.Attention(), "save_every": save_every}
    settings["checkpoint"] = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(LENGTHS, 4, stop=stop, **settings)
    resumed, again = run(LENGTHS, 4, **settings)
    for a, b in zip(*map(jax.tree.leaves, (whole, resumed)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert history.metrics() == again.metrics()


@pytest.mark.long
def test_other_lengths_are_another_run(tmp_path):
    run(LENGTHS, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match="another run|other"):
        run((4, 8), checkpoint=tmp_path / "run")


def test_the_order_of_the_buckets_depends_on_the_epoch():
    ids = pad("post")
    plan, _ = make_plan(make(), optax.sgd(0.1), ids[:4])
    inputs = Inputs(ids, LABELS, np.arange(N), [], {})
    buckets = make_buckets(ids, LENGTHS, 0)
    programs = Programs(plan, inputs, jax.random.key(0), 2, buckets=buckets)
    orders, programs_used = [], set()
    for epoch in range(8):
        n_done, order = 0, []
        while n_done < programs.steps_per_epoch:
            piece = programs.find_piece(epoch, n_done)
            order.append(piece)
            programs_used.add(programs._find(epoch, n_done))
            n_done += piece.n_steps
        orders.append(order)
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
    assert any(order != orders[0] for order in orders)
    assert {piece.bucket for piece in orders[0]} == {0, 1, 2}
    assert len(programs_used) == 3  # one for each bucket


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"lengths": 3}, TypeError, "lengths must be a sequence"),
        ({"lengths": [2.5]}, TypeError, "lengths must be an integer"),
        ({"lengths": [0]}, ValueError, "lengths must be at least 1"),
        ({"pool": None, "lengths": [3]}, ValueError, "texts of any length"),
        ({"padding_idx": None}, ValueError, "tables with one padding_idx"),
    ],
)
def test_refusals(change, error, words):
    table = nn.Embed(V, 4, padding_idx=change.pop("padding_idx", 0))
    pool = change.pop("pool", "mean")
    model = nn.TextClassifier(table, nn.DenseHead(), pool=pool)
    arguments = {"lengths": [3]} | change
    settings = {"tx": optax.sgd(0.1), "epochs": 1, "batch_size": 2}
    ids = pad("post")
    with pytest.raises(error, match=words):
        train.fit(model, (ids, LABELS), **settings, key=jax.random.key(0), **arguments)
    variables = model.init(jax.random.key(0), ids)
    with pytest.raises(error, match=words):
        train.predict(model, variables, ids, **arguments)
    with pytest.raises(error, match=words):
        train.evaluate(model, variables, ids, LABELS, **arguments)


@pytest.mark.parametrize("lengths", [3, np.int64(3)], ids=repr)
def test_a_number_in_place_of_lengths_is_refused(lengths):
    with pytest.raises(TypeError, match=r"a sequence, such as \(3,\), got 3"):
        make_buckets(np.ones((2, L), int), lengths, 0)
