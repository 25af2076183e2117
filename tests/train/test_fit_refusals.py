"""fit refuses bad input, and says what and where it is."""

import flax.linen
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn, train
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
            r"examples\[1\] is 70, and the data",
        ),
        ({"examples": [0.0, 1.0]}, TypeError, "examples must be integers with one"),
        (
            {"model": WithoutTrain()},
            TypeError,
            "WithoutTrain must take the arg",
        ),
        ({"model": WithBatchNorm()}, ValueError, "BatchNorm is not supported"),
        (
            {"model": WithoutLogits()},
            ValueError,
            r"\[B, C\], got \[1, 6, 2",
        ),
        (
            {"params": {"embed": {"embedding": np.zeros((V, 3))}}},
            ValueError,
            r"embed.embedding must have the shape \(30, 4\), .* got \(30, 3\)",
        ),
        (
            {"stopping": train.Stopping(patience=1)},
            ValueError,
            r"stopping watches val_loss: give validation=\(ids, labels\)",
        ),
        (
            {"stopping": train.Stopping("f1")},
            ValueError,
            "monitor must be one of .*, not 'f1'",
        ),
    ],
    ids=lambda value: None if isinstance(value, type) else str(value)[:40],
)
def test_bad_input_is_refused(fit, changed, error, message):
    with pytest.raises(error, match=message):
        fit(**changed)


class Odd:
    """Not data at all."""


@pytest.mark.parametrize(
    ("data", "got"),
    [
        ((IDS, LABELS, LABELS, LABELS), "a tuple of 4"),
        ((IDS,), "a tuple of 1"),
        (IDS, "a ndarray of 20"),
        ({"ids": IDS, "labels": LABELS}, "a dict of 2"),
        (iter([(IDS, LABELS)]), "a list_iterator"),
        (Odd(), "a Odd"),
        ([1, 2], "a list of 2"),
    ],
    ids=range(7),
)
@pytest.mark.parametrize("name", ["data", "validation"])
def test_data_of_another_form(fit, name, data, got):
    message = rf"{name} must be the pair \(ids, labels\), arrays .*; got {got}"
    with pytest.raises(TypeError, match=message):
        fit(**{name: data})


@pytest.mark.parametrize(
    ("labels", "remedy"),
    [(LABELS + 2, "give the head classes=3"), (np.array(["a"] * 20), "number the")],
    ids=["numbers", "strings"],
)
def test_labels_out_of_range_have_a_remedy(fit, labels, remedy):
    with pytest.raises(ValueError, match=remedy):
        fit(data=(IDS, labels))


def test_sequences_that_are_not_padded(fit):
    with pytest.raises(ValueError, match="several lengths: pad .*pad_sequences"):
        fit(data=([[1, 2], [3]], [0, 1]))


@pytest.mark.parametrize("tx", ["rmsprop", None])
def test_no_optimizer(fit, tx):
    with pytest.raises(TypeError, match="tx must be an Optax optimizer, such as"):
        fit(tx=tx)


def test_a_class_that_is_no_linen_module(fit):
    class Model:
        def __call__(self, ids, train=False):
            return ids.sum(1)

    with pytest.raises(TypeError, match="flax.linen.Module, got Model: .*to_linen"):
        fit(Model())
