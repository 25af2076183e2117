"""TextModel: what it learns, and what its answers are."""

import chex
import jax
import numpy as np
import pyarrow as pa
import pytest

import jaxembed
from jaxembed import TextModel, train, vectors
from tests.model.conftest import draw_texts

NEW = draw_texts(100, seed=1)


def test_it_learns_and_gives_labels_as_they_came(model):
    found = model.predict(NEW[0])
    assert found.tolist() == NEW[1]
    assert model.labels == ("neg", "pos")
    assert model.evaluate(*NEW)["accuracy"] == 1


@pytest.mark.parametrize("names", [(3, 8), (False, True), (-1, 0, 7)])
def test_labels_are_integers(names):
    texts, words = draw_texts(120, ("neg", "pos", "so")[: len(names)])
    by_word = dict(zip(("neg", "pos", "so"), names, strict=False))
    labels = np.array([by_word[word] for word in words])
    trained = TextModel.fit(texts, labels, epochs=6)
    assert trained.labels == tuple(int(name) for name in sorted(names))
    found = trained.predict(texts)
    assert found.dtype.kind == "i" and (found == labels).mean() > 0.95


def test_probabilities_loss_and_labels_agree(of_three):
    texts, labels = draw_texts(90, ("neg", "pos", "so"), seed=2)
    found = of_three.predict_proba(texts)
    assert found.shape == (90, 3)
    np.testing.assert_allclose(found.sum(1), 1)
    places = [of_three.labels.index(label) for label in labels]
    metrics = of_three.evaluate(texts, labels)
    loss = -np.log(found[np.arange(90), places]).mean()
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-5)
    best = np.array(of_three.labels)[found.argmax(1)]
    assert (best == of_three.predict(texts)).all()
    assert metrics["accuracy"] == (best == np.array(labels)).mean()


def test_two_classes_have_two_columns(model):
    found = model.predict_proba(["good", "bad"])
    np.testing.assert_allclose(found.sum(1), 1)
    assert found[0, 1] > 0.5 > found[1, 1]
    loss = model.evaluate(["good"], ["pos"])["loss"]
    np.testing.assert_allclose(loss, -np.log(found[0, 1]), rtol=1e-5)


@pytest.mark.long
def test_a_text_is_predicted_the_same_in_any_company():
    """Of any length and in any batch: texts are padded to several lengths."""
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 400, (60, 90))
    long = [" ".join(f"w{number}" for number in text) for text in numbers]
    texts, labels = draw_texts(20)
    labels = np.where(numbers[:, 0] < 200, "pos", "neg").tolist() + labels
    trained = TextModel.fit([*long, *texts], labels, epochs=2)
    mixed = [*NEW[0][:20], *long[:20], " ".join(long[0].split()[:60]), *NEW[0][20:30]]
    together = trained.predict_proba(mixed)
    alone = np.concatenate([trained.predict_proba([text]) for text in mixed])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    shapes = trained._fitted.bags.shapes()
    assert len(shapes) == 3 and shapes == sorted(shapes)


def test_the_seed_decides_all_bits(model):
    again = TextModel.fit(*draw_texts(200), epochs=20)
    assert again.history.metrics() == model.history.metrics()
    chex.assert_trees_all_equal(again._fitted.params, model._fitted.params)
    other = TextModel.fit(*draw_texts(200), epochs=20, seed=1)
    assert other.history.metrics() != model.history.metrics()


@pytest.mark.parametrize(
    "make", [np.array, pa.array, lambda x: pa.chunked_array([x]), iter, tuple]
)
def test_columns_are_read_as_lists(model, make):
    texts, labels = draw_texts(200)
    trained = TextModel.fit(make(texts), make(labels), epochs=20)
    assert trained.history.metrics() == model.history.metrics()
    assert (trained.predict(make(texts)) == model.predict(texts)).all()


def test_it_stops_early_and_keeps_the_best_epoch():
    texts, labels = draw_texts(100)
    noisy = NEW[0], NEW[1][::-1]
    trained = TextModel.fit(texts, labels, validation=noisy, epochs=50)
    losses = trained.history.val_loss
    assert len(losses) < 50
    np.testing.assert_allclose(trained.evaluate(*noisy)["loss"], min(losses), rtol=1e-4)


def test_without_validation_all_epochs_are_trained():
    trained = TextModel.fit(*draw_texts(100), validation=0, epochs=6)
    assert len(trained.history.loss) == 6 and not trained.history.val_loss


@pytest.mark.long
def test_balanced_classes_weigh_the_same():
    """Of equal texts with other labels, the rarer label wins only if balanced."""
    texts = ["the film"] * 60
    labels = ["neg"] * 40 + ["pos"] * 20
    settings = {"validation": 0, "epochs": 40, "learning_rate": 0.3}
    plain = TextModel.fit(texts, labels, **settings)
    balanced = TextModel.fit(texts, labels, class_weight="balanced", **settings)
    np.testing.assert_allclose(plain.predict_proba(texts[:1])[0, 1], 1 / 3, atol=0.08)
    np.testing.assert_allclose(balanced.predict_proba(texts[:1])[0, 1], 0.5, atol=0.08)


def test_vectors_are_the_learned_rows(model):
    learned = model.vectors
    assert isinstance(learned, vectors.WordVectors)
    assert {"good", "bad", "film"} <= set(learned.words)
    assert "<unk>" not in learned.words
    rows = model._fitted.bags.words
    table = model._fitted.params["embed"]["embedding"]
    for word in ("good", "film"):
        np.testing.assert_array_equal(learned[word], table[rows[word]])
    good, joy, bad = (learned[word] for word in ("good", "joy", "bad"))
    assert good @ joy > 0 > good @ bad


def given_vectors():
    words = ["good", "bad", "joy", "bore", "film", "elsewhere"]
    rng = np.random.default_rng(0)
    return vectors.WordVectors(words, rng.normal(size=(6, 5)).astype(np.float32))


def test_vectors_are_where_training_starts():
    start, (texts, labels) = given_vectors(), draw_texts(100)
    trained = TextModel.fit(
        texts, labels, vectors=start, epochs=1, learning_rate=1e-9
    ).vectors
    assert trained.dim == 5 and "dull" in trained.words
    np.testing.assert_allclose(trained["good"], start["good"], atol=1e-6)
    learned = TextModel.fit(texts, labels, vectors=start, epochs=2).vectors
    assert abs(learned["good"] - start["good"]).max() > 0.01


def test_frozen_vectors_keep_every_bit():
    start, (texts, labels) = given_vectors(), draw_texts(100)
    trained = TextModel.fit(texts, labels, vectors=start, freeze=True, epochs=3)
    learned = trained.vectors
    assert set(learned.words) == {"good", "bad", "joy", "bore", "film"}
    for word in learned.words:
        np.testing.assert_array_equal(learned[word], start[word])
    kernel = trained._fitted.params["head"]["logits"]["kernel"]
    assert np.abs(kernel).max() > 0


def test_no_step_is_as_large_as_the_table(monkeypatch):
    """The table is in the row-sparse part of the state, whatever its size."""
    seen = []
    fit = jaxembed.train.fit

    def spy(*arguments, **settings):
        state, history = fit(*arguments, **settings)
        seen.append(jax.tree.map(np.shape, (state.params, state.tables)))
        return state, history

    monkeypatch.setattr("jaxembed.train.fit", spy)
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{i}" for i in rng.integers(0, 5000, 20)) for _ in range(400)]
    trained = TextModel.fit(texts, rng.integers(0, 2, 400), epochs=1)
    ((params, tables),) = seen
    n_rows = trained._fitted.bags.n_rows
    assert n_rows > 5000
    assert tables == {"embed": {"embedding": (n_rows, 16)}} and set(params) == {"head"}


@pytest.mark.parametrize("is_wanted", [True, False])
def test_the_compilation_cache_is_used_if_wanted(monkeypatch, is_wanted):
    calls = []
    monkeypatch.setattr(train, "use_compilation_cache", lambda: calls.append(1))
    TextModel.fit(["good", "bad"] * 8, [1, 0] * 8, compilation_cache=is_wanted)
    assert len(calls) == is_wanted


def test_a_cache_that_cannot_be_written_is_left_out(monkeypatch):
    def fail():
        raise PermissionError(13, "Permission denied", "compiled")

    monkeypatch.setattr(train, "use_compilation_cache", fail)
    with pytest.warns(UserWarning, match="cache is not used: .*compiled"):
        TextModel.fit(["good", "bad"] * 8, [1, 0] * 8)


def test_probabilities_are_those_of_the_network_that_was_trained(of_three, model):
    """The folded network of predict_proba against train.predict of the whole one."""
    from jaxembed.model._bags import pad
    from jaxembed.model._network import make_network

    for trained, apply in ((model, jax.nn.sigmoid), (of_three, jax.nn.softmax)):
        fitted = trained._fitted
        n_rows, dim = fitted.params["embed"]["embedding"].shape
        network = make_network(n_rows, dim, fitted.task.n_logits)
        ids = pad(fitted.bags.encode(NEW[0]), fitted.bags.length)
        logits = train.predict(network, {"params": fitted.params}, ids)
        found = trained.predict_proba(NEW[0])
        found = found[:, 1] if logits.ndim == 1 else found
        np.testing.assert_allclose(found, apply(logits), rtol=1e-4, atol=1e-6)


def test_no_number_of_texts_needs_a_program_of_its_own(of_three):
    """Lengths times sizes are the programs, for any stream of batches."""
    from jaxembed.train import _predict

    def count():
        programs = _predict._logits, _predict._few_logits
        return sum(program._cache_size() for program in programs)

    texts, _ = draw_texts(3000, ("neg", "pos", "so"), seed=4)
    for n in (1, 100, 3000):
        of_three.predict(texts[:n])
    before = count()
    for n in (2, 3, 5, 16, 17, 64, 129, 1024, 1025, 2999):
        assert of_three.predict_proba(texts[:n]).shape == (n, 3)
    assert count() == before


def test_texts_are_encoded_in_pieces_as_at_once(of_three, monkeypatch):
    from jaxembed.model import _bags

    texts, _ = draw_texts(50, ("neg", "pos", "so"), seed=4)
    whole = of_three._fitted.bags.encode(texts)
    monkeypatch.setattr(_bags, "PIECE", 7)
    assert of_three._fitted.bags.encode(texts) == whole
