"""fit: bad input raises an error that names value, place and remedy."""

from collections.abc import Iterator

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn, text, train
from tests.train.conftest import L, V


class WithoutTrain(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, ids):
        return jnp.sum(nn.Embed(V, 1)(ids), axis=(1, 2))


class WithBatchNorm(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, ids, train=False):
        rows = flax.linen.BatchNorm(use_running_average=not train)(nn.Embed(V, 1)(ids))
        return jnp.sum(rows, axis=(1, 2))


class WithoutLogits(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, ids, train=False):
        return nn.Embed(V, 2)(ids)


class OneColumn(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, ids, train=False):
        return nn.Embed(V, 1)(ids).sum(1)  # logits [B, 1]


IDS, LABELS = np.ones((20, L), np.int32), np.zeros(20, np.int32)
BAD = IDS.copy()
BAD[3, 2] = V


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        (
            {"data": (IDS.astype("f"), LABELS)},
            TypeError,
            "ids must be integers, got float32: an id is the number of a row",
        ),
        (
            {"data": (BAD, LABELS)},
            ValueError,
            r"ids\[3, 2\] is 30, and the table has the rows 0 to 29: encode the texts "
            "with num_words=30",
        ),
        ({"data": (BAD - V - 1, LABELS)}, ValueError, r"ids\[0, 0\] is -30"),
        (
            {"validation": (BAD, LABELS)},
            ValueError,
            r"validation ids\[3, 2\] is 30, and the table",
        ),
        ({"data": (IDS[0], LABELS)}, ValueError, r"the axes \[N, L\], got"),
        ({"data": (IDS, LABELS[1:])}, ValueError, r"labels must have the shape \[20\]"),
        (
            {"data": (IDS, LABELS + 2)},
            ValueError,
            r"labels\[0\] is 2, .* 0 to 1",
        ),
        ({"data": (IDS, LABELS + 0.5)}, ValueError, r"labels\[0\] is 0.5"),
        (
            {"data": (IDS[:5], LABELS[:5])},
            ValueError,
            "batch_size must be from 1 to the number of examples, 5, got 8",
        ),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        (
            {"examples": [0, 70]},
            ValueError,
            r"examples\[1\] is 70, and the data have the examples 0 to 69",
        ),
        ({"examples": [0.0, 1.0]}, TypeError, "examples must be integers with one"),
        (
            {"model": WithoutTrain()},
            TypeError,
            "WithoutTrain must take the arg",
        ),
        ({"model": WithBatchNorm()}, ValueError, "such as BatchNorm are not supported"),
        (
            {"model": WithoutLogits()},
            ValueError,
            r"\[B, C\], got \[1, 6, 2",
        ),
        (
            {"model": OneColumn()},
            ValueError,
            r"C > 1, got \[B, 1\]: squeeze the last axis, logits\[:, 0\], or",
        ),
        (
            {"params": {"embed": {"embedding": np.zeros((V, 3))}}},
            ValueError,
            r"embed.embedding must have the shape \(30, 4\) .* got \(30, 3\)",
        ),
        (
            {"params": {"embedding": np.zeros((V, 4))}},
            ValueError,
            "embedding must be a parameter of the model, which has embed.embedding",
        ),
        (
            {"stopping": train.Stopping(patience=1)},
            ValueError,
            r"stopping needs val_loss: give validation=\(ids, labels\)",
        ),
        (
            {"stopping": train.Stopping("f1")},
            ValueError,
            "monitor must be one of .*, got 'f1'",
        ),
    ],
    ids=lambda value: None if isinstance(value, type) else str(value)[:40],
)
def test_bad_input_is_refused(fit, changed, error, message):
    with pytest.raises(error, match=message):
        fit(**changed)


class Odd:
    """An object that is not a pair."""


@pytest.mark.parametrize(
    ("data", "got"),
    [
        ((IDS, LABELS, LABELS, LABELS), "a tuple of 4"),
        ((IDS,), "a tuple of 1"),
        (IDS, "a ndarray of 20"),
        ({"ids": IDS, "labels": LABELS}, "a dict of 2"),
        (iter([(IDS, LABELS)]), "a list_iterator. Read an iterator into arrays first"),
        ((pair for pair in [(IDS, LABELS)]), "a generator. Read an iterator into"),
        ((iter(IDS), LABELS), "a tuple of 2. Read an iterator into arrays first"),
        ((IDS, iter(LABELS)), "a tuple of 2. Read an iterator into arrays first"),
        (Odd(), "a Odd"),
        ([1, 2], "a list of 2"),
    ],
    ids=range(10),
)
@pytest.mark.parametrize("name", ["data", "validation"])
def test_data_of_another_form(fit, name, data, got):
    if name == "data" and isinstance(data, Iterator):
        with pytest.raises(ValueError, match="batch_size needs ids and labels as arr"):
            fit(data=data)  # an iterator of batches
        return
    message = rf"{name} must be the pair \(ids, labels\), arrays .*; got {got}"
    with pytest.raises(TypeError, match=message):
        fit(**{name: data})


NUMBER = r"number them 0, 1, \.\.\. by numpy.unique\(labels, return_inverse=True\)"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS + 2, r"labels\[0\] is 2, .* 0 to 1: give the head classes=3"),
        (np.arange(20) % 5, r"labels\[2\] is 2, .* give the head classes=5"),
        (np.arange(20) % 5 * 1.0, r"labels\[2\] is 2.0, .* give the head classes=5"),
        (np.array(["a"] * 20), rf"labels\[0\] is 'a', .* 0 to 1: {NUMBER}"),
        (np.array(["a"] * 20, object), rf"labels\[0\] is 'a', .* {NUMBER}"),
        (LABELS - 1, rf"labels\[0\] is -1, .* {NUMBER}"),
        (LABELS + np.inf, rf"labels\[0\] is inf, .* {NUMBER}"),
    ],
    ids=["2", "0 to 4", "floats", "strings", "objects", "negative", "infinite"],
)
def test_labels_out_of_range_have_a_remedy(fit, labels, message):
    with pytest.raises(ValueError, match=message):
        fit(data=(IDS, labels))


def test_one_column_of_logits_is_refused_in_evaluation_too():
    model = OneColumn()
    variables = model.init(jax.random.key(0), IDS)
    with pytest.raises(ValueError, match=r"got \[B, 1\]: squeeze the last axis"):
        train.evaluate(model, variables, IDS, LABELS)
    assert train.predict(model, variables, IDS).shape == (20, 1)


@pytest.mark.parametrize("form", ["encoded", "lists"])
def test_sequences_that_are_not_padded(fit, model, form):
    texts = ["one two", "three"]
    ids = text.Tokenizer().fit(texts).encode(texts)
    ids = ids if form == "encoded" else ids.tolist()
    message = r"different lengths: pad them with text.pad_sequences\(ids, length\)"
    with pytest.raises(ValueError, match=message):
        fit(data=(ids, [0, 1]))
    with pytest.raises(ValueError, match=f"validation ids .*{message}"):
        fit(validation=(ids, [0, 1]))
    with pytest.raises(ValueError, match=message):
        train.predict(model, model.init(jax.random.key(0), IDS), ids)


@pytest.mark.parametrize(
    ("tx", "got"), [("rmsprop", "got 'rmsprop'"), (None, "got None")]
)
def test_no_optimizer(fit, tx, got):
    message = f"tx must be an Optax optimizer, such as .*, {got}"
    with pytest.raises(TypeError, match=message):
        fit(tx=tx)


def test_a_class_that_is_no_linen_module(fit):
    class Model:
        def __call__(self, ids, train=False):
            return ids.sum(1)

    with pytest.raises(TypeError, match="flax.linen.Module, got Model: .*to_linen"):
        fit(Model())
