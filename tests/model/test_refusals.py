"""TextModel: the errors and warnings of bad input."""

import numpy as np
import pytest

from jaxembed import TextModel
from tests.model.conftest import draw_texts
from tests.model.test_text_model import given_vectors

TEXTS, LABELS = draw_texts(40)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"texts": "one text"}, TypeError, "got one str: put it into a list"),
        ({"texts": [*TEXTS[:3], None]}, TypeError, "got NoneType at index 3"),
        ({"texts": [b"a"]}, TypeError, "got bytes at index 0: decode it first"),
        ({"labels": "neg"}, TypeError, "labels must be a list, got one str"),
        ({"labels": LABELS[:-1]}, ValueError, "got 39 labels and 40 texts"),
        ({"labels": [*LABELS[:39], 1]}, TypeError, "got int at 39 after str"),
        ({"labels": np.ones(40)}, TypeError, r"got .*1.0\)? at 0: give one class"),
        ({"labels": [None] * 40}, TypeError, "integers or strings, got None at 0"),
        ({"labels": ["neg"] * 40}, ValueError, r"two or more classes, got \['neg'\]"),
        ({"texts": [], "labels": []}, ValueError, r"two or more classes, got \[\]"),
        ({"validation": 1.0}, ValueError, "0 to below 1, or a pair, got 1.0"),
        ({"validation": (TEXTS,)}, ValueError, r"pair \(texts, labels\), got 1"),
        ({"validation": (["a"], ["odd"])}, ValueError, r"labels\[0\] is 'odd'"),
        ({"class_weight": "equal"}, ValueError, "None or 'balanced', got 'equal'"),
        ({"freeze": True}, ValueError, "freeze=True needs vectors"),
        ({"vectors": {"a": [1.0]}}, TypeError, "must be WordVectors, got dict"),
        ({"vectors": given_vectors(), "dim": 7}, ValueError, "dim is 7, .* have 5"),
        ({"min_count": 99}, ValueError, "no word is in min_count=99 of the"),
        ({"epochs": 0}, ValueError, "epochs must be at least 1, got 0"),
        ({"word_ngrams": 0}, ValueError, "word_ngrams must be at least 1, got 0"),
        ({"dim": 2.5}, TypeError, "dim must be an integer, got 2.5"),
        ({"learning_rate": -1.0}, ValueError, "learning_rate must be a positive"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
    ],
)
def test_bad_arguments_of_fit(changed, error, message):
    arguments = {"texts": TEXTS, "labels": LABELS} | changed
    texts, labels = arguments.pop("texts"), arguments.pop("labels")
    with pytest.raises(error, match=message):
        TextModel.fit(texts, labels, **arguments)


def test_texts_without_any_word_are_refused():
    with (
        pytest.warns(UserWarning, match="40 of 40 texts have no word"),
        pytest.raises(ValueError, match="must contain words to fit on, got 36"),
    ):
        TextModel.fit(["!!"] * 40, LABELS)


def test_frozen_pairs_are_refused():
    with pytest.raises(ValueError, match="pairs have no vectors"):
        TextModel.fit(
            TEXTS, LABELS, vectors=given_vectors(), freeze=True, word_ngrams=2
        )


def test_empty_training_texts_are_named():
    texts = [*TEXTS, "", " ... "]
    with pytest.warns(
        UserWarning, match=r"2 of 42 .* no word: texts\[40\], texts\[41\]\."
    ):
        trained = TextModel.fit(texts, [*LABELS, "neg", "neg"], epochs=2)
    assert trained.predict(["film"]).shape == (1,)


def test_texts_without_a_known_word_are_named(model):
    with pytest.warns(
        UserWarning, match=r"1 of 3 texts have no known .*: texts\[1\]\."
    ):
        found = model.predict_proba(["good", "xyzzy", "bad"])
    np.testing.assert_allclose(found.sum(1), 1)
    assert found[0, 1] > found[1, 1] > found[2, 1]
    with pytest.warns(UserWarning, match="9 of 9 texts .*4], ..."):
        model.predict([""] * 9)


def test_no_text_gives_no_label(model):
    assert model.predict([]).shape == (0,)
    assert model.predict_proba([]).shape == (0, 2)
    with pytest.raises(ValueError, match="at least one text to evaluate"):
        model.evaluate([], [])


def test_bad_arguments_of_the_model(model):
    with pytest.raises(TypeError, match="got one str"):
        model.predict("one text")
    with pytest.raises(ValueError, match=r"labels\[1\] is 'odd', .*'neg', 'pos'"):
        model.evaluate(["good", "bad"], ["pos", "odd"])
    with pytest.raises(ValueError, match=r"labels\[0\] is 1"):
        model.evaluate(["good"], [1])
    with pytest.raises(ValueError, match="1 labels and 2 texts"):
        model.evaluate(["good", "bad"], ["pos"])
