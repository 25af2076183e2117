"""fit on iterables of batches: equal to arrays, prefetched, and resumed bit-equal."""

import itertools
import threading

import chex
import jax
import numpy as np
import optax
import pytest

from jaxembed import nn, optim, train
from jaxembed.train.stream import _program
from jaxembed.train.stream._prefetch import prefetch

RNG = np.random.default_rng(0)
IDS = RNG.integers(1, 50, (96, 6))
LABELS = (IDS < 20).sum(1) > 2
KEY = jax.random.key(0)
TX = optax.adam(0.02)


def make_batches(size=16, order=None):
    order = np.arange(96) if order is None else order
    cuts = [order[i : i + size] for i in range(0, 96, size)]
    return [(IDS[cut], LABELS[cut]) for cut in cuts]


class Loader:
    """An iterable that shuffles each epoch, as a loader of PyTorch with a sampler."""

    def __init__(self, size=16):
        self.size, self.epoch = size, 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        order = np.random.default_rng(self.epoch).permutation(96)
        return iter(make_batches(self.size, order))


class StatefulIterator:
    """An iterator as of Grain: its state is a number, as bytes or in a dict."""

    def __init__(self, data, n=0):
        self.data, self.n = data, n

    def __iter__(self):
        return self

    def __next__(self):
        self.data.reads.append(self.n)
        if self.n == self.data.n_batches:
            raise StopIteration
        self.n += 1
        rows = np.random.default_rng(self.n).integers(0, 96, 8)
        return {"ids": IDS[rows], "labels": LABELS[rows]}

    def get_state(self):
        return b"%d" % self.n if self.data.as_bytes else {"next_index": self.n}

    def set_state(self, state):
        self.n = int(state if self.data.as_bytes else state["next_index"])


class MapDataset:
    """Stand-in of ``grain.MapDataset``, which gives such iterators."""

    def __init__(self, n_batches=20, as_bytes=False):
        self.n_batches, self.as_bytes, self.reads = n_batches, as_bytes, []

    def __len__(self):
        return self.n_batches

    def __getitem__(self, place):
        raise AssertionError("the iterator is used")

    def __iter__(self):
        return StatefulIterator(self)


def make_model(**changed):
    embed = nn.Embed(50, 4, padding_idx=0)
    return nn.TextClassifier(embed, nn.DenseHead(), pool="mean", **changed)


def fit(data, **changed):
    settings = {"tx": TX, "epochs": 3, "key": KEY} | changed
    return train.fit(settings.pop("model", make_model()), data, **settings)


def assert_same(first, second):
    chex.assert_trees_all_equal(first[0].variables, second[0].variables)
    chex.assert_trees_all_equal(first[0].opt_state, second[0].opt_state)
    assert first[1].metrics() == second[1].metrics()


def train_plainly(batches, n_epochs):
    """Train by Optax alone, with the initial weights of fit."""
    model = make_model()
    state, _ = train.fit(model, (IDS, LABELS), tx=TX, epochs=0, batch_size=16, key=KEY)
    params, opt_state = state.variables["params"], TX.init(state.variables["params"])

    def loss(params, ids, labels):
        logits = model.apply({"params": params}, ids)
        return optax.sigmoid_binary_cross_entropy(logits, labels * 1.0).mean()

    losses = []
    for _ in range(n_epochs):
        found = []
        for ids, labels in batches:
            value, grads = jax.value_and_grad(loss)(params, ids, labels)
            grads["embed"]["embedding"] = grads["embed"]["embedding"].at[0].set(0)
            updates, opt_state = TX.update(grads, opt_state, params)
            params = optax.apply_updates(params, updates)
            found += [float(value)] * len(ids)
        losses.append(np.mean(found))
    return params, losses


@pytest.mark.long
def test_batches_are_trained_on_in_their_order():
    batches = make_batches(36)  # 36, 36 and 24 examples
    params, losses = train_plainly(batches, 3)
    state, history = fit(Repeated(batches))
    chex.assert_trees_all_close(state.variables["params"], params, atol=1e-6)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-5)
    assert int(state.step) == 9


class Repeated:
    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


@pytest.mark.parametrize(
    "form",
    [
        lambda ids, labels: {"ids": ids, "labels": labels, "more": 0},
        lambda ids, labels: [ids.astype(np.int64), labels.astype(float)],
        lambda ids, labels: train.Batch(ids, labels, None),
        lambda ids, labels: (jax.numpy.asarray(ids), jax.numpy.asarray(labels)),
        lambda ids, labels: (ids, labels, np.ones(len(ids))),
    ],
)
def test_forms_of_a_batch(form):
    expected = fit(Repeated(make_batches()))
    found = fit(Repeated([form(*batch) for batch in make_batches()]))
    chex.assert_trees_all_close(found[0].params, expected[0].params, atol=1e-6)


def test_padding_is_not_trained_on():
    batches = make_batches()
    ids, labels = batches[-1]
    mask = np.ones(len(ids) + 2, bool)
    mask[-2:] = False
    padded = {"ids": ids[[*range(len(ids)), -1, -1]], "mask": mask}
    padded["labels"] = labels[[*range(len(ids)), -1, -1]]
    expected, history = fit(Repeated(batches))
    found, ours = fit(Repeated([*batches[:-1], padded]))
    chex.assert_trees_all_close(found.params, expected.params, atol=1e-6)
    np.testing.assert_allclose(ours.loss, history.loss, rtol=1e-6)


def test_each_shape_compiles_one_program():
    _program.stream_step.clear_cache()
    data = [make_batches(size)[0] for size in (16, 8, 16, 5, 8, 16)]
    ids, labels = data[0]
    data += [(ids[:, :4], labels), (ids[:, :4], labels)]
    state, history = fit(Repeated(data), epochs=2)
    assert int(state.step) == 16 and history.seconds["compile"] > 0
    count = 0

    class Counted(dict):
        def __setitem__(self, key, value):
            nonlocal count
            count += 1
            super().__setitem__(key, value)

    from jaxembed.train.stream import _fit

    kept = _fit.StreamPrograms
    try:
        _fit.StreamPrograms = lambda *parts: kept(*parts[:-1], Counted())
        fit(Repeated(data), epochs=2)
    finally:
        _fit.StreamPrograms = kept
    assert count == 4


def test_weights_validation_and_early_stopping_are_those_of_arrays():
    model, validation = make_model(), (IDS, LABELS)
    stopping = train.Stopping("val_loss", patience=1, keep_best=True)
    data = Repeated(make_batches())
    state, history = fit(data, validation=validation, stopping=stopping, epochs=200)
    assert len(history) < 200 or history.val_loss == sorted(history.val_loss)[::-1]
    metrics = train.evaluate(model, state.variables, IDS, LABELS)
    np.testing.assert_allclose(metrics["loss"], min(history.val_loss), rtol=1e-5)
    none = [(ids, labels, np.zeros(16)) for ids, labels in make_batches()]
    assert fit(Repeated(none))[1].loss == [0, 0, 0]


@pytest.mark.parametrize(
    "changed",
    [{}, {"table_tx": optim.sparse_adagrad(0.1)}, {"unfreeze_after": 1}],
    ids=list,
)
def test_tables_are_trained_as_with_arrays(changed):
    """One batch of all examples has no order, so both must be equal."""
    arrays = train.fit(
        make_model(), (IDS, LABELS), tx=TX, epochs=3, batch_size=96, key=KEY, **changed
    )
    found = fit(Repeated(make_batches(96)), **changed)
    chex.assert_trees_all_close(found[0].variables, arrays[0].variables, atol=1e-5)
    np.testing.assert_allclose(found[1].loss, arrays[1].loss, rtol=1e-5)


def stop_after(n):
    calls = itertools.count()
    return lambda: next(calls) == n


@pytest.mark.parametrize("n_stop", [1, 2, 4, 5])
@pytest.mark.parametrize(
    "make", [Loader, MapDataset, lambda: MapDataset(as_bytes=True)], ids=range(3)
)
def test_a_killed_run_is_resumed_with_the_same_bits(tmp_path, make, n_stop):
    settings = {"save_every": 4, "table_tx": optim.sparse_adagrad(0.1)}
    whole = fit(make(), **settings)
    with pytest.raises(KeyboardInterrupt):
        fit(make(), checkpoint=tmp_path / "run", stop=stop_after(n_stop), **settings)
    data = make()
    assert_same(fit(data, checkpoint=tmp_path / "run", **settings), whole)
    if isinstance(data, MapDataset) and n_stop == 4:
        # No batch before the place of the save is read, but the first, for its shape.
        assert data.reads[:3] == [0, 16, 17]


@pytest.mark.parametrize("n_stop", [1, 2, 3])
@pytest.mark.parametrize("with_state", [True, False])
def test_a_stream_without_end_is_resumed(tmp_path, n_stop, with_state):
    settings = {"steps_per_epoch": 8, "save_every": 3}

    def make():
        data = MapDataset(n_batches=10**9)
        return data if with_state else (x for x in data)

    whole = fit(make(), **settings)
    assert int(whole[0].step) == 24
    with pytest.raises(KeyboardInterrupt):
        fit(make(), checkpoint=tmp_path / "run", stop=stop_after(n_stop), **settings)
    assert_same(fit(make(), checkpoint=tmp_path / "run", **settings), whole)


def test_another_stream_is_not_resumed(tmp_path):
    fit(Loader(), epochs=1, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match="differs in .*first batch"):
        fit(Repeated(make_batches()), checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match="differs in steps_per_epoch"):
        fit(Loader(), steps_per_epoch=2, checkpoint=tmp_path / "run")


def test_batches_are_read_while_the_device_trains_and_the_thread_ends():
    before = threading.active_count()
    asked = []

    def numbers():
        for n in range(100):
            asked.append(n)
            yield n

    found = prefetch(numbers(), lambda n: n)
    assert next(found) == 0
    for _ in range(500):
        if len(asked) >= 4:
            break
        threading.Event().wait(0.01)
    assert 4 <= len(asked) <= 6  # ahead, and not all
    found.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("data", "changed", "error", "message"),
    [
        (iter([]), {"epochs": 1}, ValueError, "data have no batch"),
        (iter(make_batches()), {}, ValueError, "can be read once, and epochs is 3"),
        (Repeated([5]), {}, TypeError, r"a batch of data must be .*got int: 5"),
        (Repeated([{"ids": IDS}]), {}, TypeError, "keys 'ids' and 'labels', got dict"),
        (Loader(), {"batch_size": 8}, ValueError, "batch_size needs ids and labels as"),
        (Loader(), {"lengths": (3,)}, ValueError, "lengths needs ids and labels as"),
        (Loader(), {"examples": [1]}, ValueError, "examples needs ids and labels as"),
        (Loader(), {"steps_per_epoch": 0}, ValueError, "steps_per_epoch must be at"),
        (
            Loader(),
            {"steps_per_epoch": 9},
            ValueError,
            "data ended after 6 batches of e",
        ),
        (
            Repeated([*make_batches(), (IDS + 1, LABELS)]),
            {},
            ValueError,
            r"batch 7 of epoch 1: ids\[\d+, \d\] is 50, and the table has the rows",
        ),
        (
            Repeated([*make_batches(), (IDS, LABELS + 1)]),
            {},
            ValueError,
            r"batch 7 of epoch 1: labels\[\d+\] is 2, and the model has the classes",
        ),
        (
            Repeated([train.Batch(IDS, LABELS, np.ones(3, bool))]),
            {},
            ValueError,
            r"batch 1 of epoch 1: mask must have the shape \[96\], .*, got \[3\]",
        ),
        (
            Repeated([train.Batch(IDS, LABELS, np.ones(96))]),
            {},
            TypeError,
            "mask must be bools, False for padding, got float64",
        ),
        (Repeated([(IDS[0], LABELS[:1])]), {}, ValueError, r"axes \[B, L\], got \[6\]"),
    ],
)
def test_bad_streams_are_refused(data, changed, error, message):
    with pytest.raises(error, match=message):
        fit(data, **changed)


def test_arrays_have_no_steps_per_epoch():
    with pytest.raises(ValueError, match="steps_per_epoch is for an iterable"):
        fit((IDS, LABELS), batch_size=8, steps_per_epoch=3)


def test_a_loss_that_is_not_finite_is_named(tmp_path):
    with pytest.raises(FloatingPointError, match="in epoch 1, .* after step"):
        fit(Loader(), tx=optax.sgd(1e38), checkpoint=tmp_path / "run")


def test_an_error_of_the_data_is_raised():
    def batches():
        yield from make_batches()[:3]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        fit(batches(), epochs=1)


def test_dropout_differs_from_step_to_step_and_epoch_to_epoch():
    same = Repeated([(IDS, LABELS)] * 2)
    model = make_model(word_dropout=0.5)
    still = fit(same, model=model, tx=optax.sgd(0.0), epochs=2)[1].loss
    assert still[0] != still[1]
