"""fold: predictions equal to the predictions of the original model, and errors."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn, train

V, D, B, L = 40, 7, 5, 6


def make(combine="mean", classes=1, padding_idx=0, **head):
    embed = nn.Embed(V, D, padding_idx=padding_idx)
    model = nn.TextClassifier(
        embed, nn.DenseHead(classes=classes, **head), pool=combine
    )
    ids = np.random.default_rng(0).integers(0, V, (B, L))
    ids[2] = 0  # a text without words
    variables = model.init(jax.random.key(0), ids)
    moved = jax.tree.map(lambda leaf: leaf * 30 + 0.5, variables)
    return model, moved, ids


@pytest.mark.parametrize("padding_idx", [0, None])
@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("combine", ["mean", "sum", "sqrtn"])
def test_the_predictions_are_the_same(combine, classes, padding_idx):
    model, variables, ids = make(combine, classes, padding_idx, dropout=0.5)
    folded, weights = nn.fold(model, variables)
    assert weights["params"]["embed"]["embedding"].shape == (V, classes)
    expected = train.predict(model, variables, ids)
    assert np.ptp(expected) > 0.1
    found = train.predict(folded, weights, ids)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_it_is_a_model_like_any_other(tmp_path):
    model, variables, ids = make()
    folded, weights = nn.fold(model, variables)
    labels = np.array([0, 1, 0, 1, 1])
    both = [
        train.evaluate(m, v, ids, labels)
        for m, v in ((model, variables), (folded, weights))
    ]
    assert both[0]["accuracy"] == both[1]["accuracy"]
    assert both[0]["loss"] == pytest.approx(both[1]["loss"], abs=1e-5)
    train.save(tmp_path / "folded", weights)
    restored, _ = train.restore(tmp_path / "folded", like=weights)
    found = folded.apply(restored, jnp.asarray(ids))
    np.testing.assert_array_equal(found, folded.apply(weights, jnp.asarray(ids)))


def test_what_is_not_linear_is_refused():
    for changed in ({"combine": "max"}, {"hidden": (4,)}):
        model, variables, _ = make(**changed)
        with pytest.raises(ValueError, match="and a head without hidden layers"):
            nn.fold(model, variables)
    other = nn.TextClassifier(nn.Embed(V, D), nn.DenseHead())
    with pytest.raises(ValueError, match="got pool=None"):
        nn.fold(other, other.init(jax.random.key(0), np.zeros((1, L), int)))


def test_only_what_is_known_is_folded():
    class Tripled(nn.TextClassifier):
        def __call__(self, ids, train=False):
            return self.head(self.embed.bag(ids) * 3, train=train)

    model = Tripled(nn.Embed(V, 3), nn.DenseHead(), pool="mean")
    variables = model.init(jax.random.key(0), np.zeros((1, L), int))
    with pytest.raises(TypeError, match="got a Tripled of Embed and DenseHead"):
        nn.fold(model, variables)
    clip = functools.partial(nn.embedding_bag, mode="clip")
    model = nn.TextClassifier(nn.Embed(V, 3, bag_fn=clip), nn.DenseHead(), pool="mean")
    with pytest.raises(ValueError, match="whose bag_fn is embedding_bag"):
        nn.fold(model, variables)
