"""TextModel with several labels for a text, with numbers, and with a hidden layer."""

import json

import numpy as np
import pyarrow as pa
import pytest

from jaxembed import TextModel
from jaxembed.model import _settings
from tests.model.conftest import WORDS, draw_texts

TEXTS, NAMES = draw_texts(300, ("neg", "pos", "so"))
SEVERAL = [
    sorted({name for name in WORDS if {*t.split()} & {*WORDS[name]}}) for t in TEXTS
]
BOTH = [f"{a} {b}" for a, b in zip(TEXTS, reversed(TEXTS), strict=True)]
LABELS_OF_BOTH = [
    sorted({*a, *b} - {"so"}) for a, b in zip(SEVERAL, reversed(SEVERAL), strict=True)
]
NUMBERS = [10.0 + 4 * ("pos" == name) - 6 * ("neg" == name) for name in NAMES]


@pytest.fixture(scope="module")
def several():
    return TextModel.fit(BOTH, LABELS_OF_BOTH, task="multilabel", epochs=20)


@pytest.fixture(scope="module")
def of_numbers():
    return TextModel.fit(TEXTS, NUMBERS, task="regression", epochs=20)


def test_several_labels_are_learned(several):
    assert several.labels == ("neg", "pos") and several.task == "multilabel"
    assert [] in LABELS_OF_BOTH and ["neg", "pos"] in LABELS_OF_BOTH
    found = several.predict(BOTH).tolist()
    right = np.mean([a == b for a, b in zip(found, LABELS_OF_BOTH, strict=True)])
    assert right > 0.95
    p = several.predict_proba(BOTH)
    assert found == [
        [n for n, x in zip(("neg", "pos"), q, strict=True) if x > 0.5] for q in p
    ]
    flags = np.array([[n in some for n in ("neg", "pos")] for some in LABELS_OF_BOTH])
    metrics = several.evaluate(BOTH, LABELS_OF_BOTH)
    loss = -np.log(np.where(flags, p, 1 - p)).mean()
    np.testing.assert_allclose(
        [metrics["accuracy"], metrics["loss"]], [right, loss], rtol=1e-4
    )


def test_numbers_are_learned_in_their_own_unit(of_numbers):
    assert of_numbers.labels == () and of_numbers.task == "regression"
    found = of_numbers.predict(TEXTS)
    errors = found - np.array(NUMBERS)
    assert found.dtype == np.float64 and np.abs(errors).mean() < 0.8
    metrics = of_numbers.evaluate(TEXTS, NUMBERS)
    np.testing.assert_allclose(metrics["mean_absolute_error"], np.abs(errors).mean())
    np.testing.assert_allclose(metrics["mean_squared_error"], (errors**2).mean())
    with pytest.raises(ValueError, match="numbers, without probabilities: use predict"):
        of_numbers.predict_proba(TEXTS)
    assert "regression" in repr(of_numbers)


@pytest.mark.long
def test_a_hidden_layer_learns_what_a_bag_cannot():
    """Exclusive or of two words: no sum of one number for each word separates it."""
    rng = np.random.default_rng(0)
    flags = rng.integers(0, 2, (400, 2))
    texts = [f"{('bad', 'good')[a]} {('plot', 'cast')[b]}" for a, b in flags]
    labels = (flags[:, 0] ^ flags[:, 1]).tolist()
    settings = {"word_ngrams": 1, "epochs": 40, "learning_rate": 0.1, "validation": 0}
    linear = TextModel.fit(texts, labels, **settings)
    hidden = TextModel.fit(texts, labels, hidden=8, **settings)
    assert linear.evaluate(texts, labels)["accuracy"] < 0.8
    assert hidden.evaluate(texts, labels)["accuracy"] == 1


@pytest.mark.parametrize("kind", ["several", "of_numbers", "hidden"])
def test_a_model_comes_back_from_its_folder(kind, request, tmp_path):
    if kind == "hidden":
        trained = TextModel.fit(TEXTS, NAMES, hidden=4, epochs=2)
    else:
        trained = request.getfixturevalue(kind)
    trained.save(tmp_path / "model")
    loaded = TextModel.load(tmp_path / "model")
    assert (loaded.task, loaded.labels) == (trained.task, trained.labels)
    ours, theirs = loaded.predict(BOTH), trained.predict(BOTH)
    assert list(ours) == list(theirs)


@pytest.mark.parametrize(
    "task", [{"kind": "else"}, [], {"kind": "regression", "scale": "1"}, {"kind": None}]
)
def test_a_forged_task_is_refused(of_numbers, tmp_path, task):
    of_numbers.save(tmp_path / "model")
    path = tmp_path / "model/settings.json"
    settings = json.loads(path.read_text()) | {"task": task}
    settings["sha256"] = _settings.hash_settings(settings)
    path.write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="is damaged: settings.json has the task"):
        TextModel.load(tmp_path / "model")


@pytest.mark.parametrize("make", [pa.array, lambda x: np.array(x, object), iter])
def test_columns_of_lists_are_read(several, make):
    trained = TextModel.fit(BOTH, make(LABELS_OF_BOTH), task="multilabel", epochs=20)
    assert trained.history.metrics() == several.history.metrics()


@pytest.mark.parametrize(
    ("labels", "task", "error", "message"),
    [
        (
            NAMES,
            "tagging",
            ValueError,
            "task must be one of classification, multilabel",
        ),
        (
            NAMES,
            "multilabel",
            TypeError,
            r"labels\[0\] must be a list of labels, got '",
        ),
        ([["a"]] * 300, "multilabel", ValueError, r"two or more labels, got \['a'\]"),
        ([["a"], [1]] * 150, "multilabel", TypeError, "all integers or all strings"),
        ([["a"], ["b"]], "multilabel", ValueError, "got 2 and 300 texts"),
        (NAMES, "regression", TypeError, r"labels\[0\] must be a number, got '"),
        ([1.0] * 300, "regression", ValueError, r"two or more numbers, got \[1.0\]"),
        (
            [np.nan] * 300,
            "regression",
            ValueError,
            r"labels\[0\] must be finite, got nan",
        ),
    ],
)
def test_bad_labels_are_refused(labels, task, error, message):
    with pytest.raises(error, match=message):
        TextModel.fit(TEXTS, labels, task=task)


def test_weights_of_classes_need_classes():
    with pytest.raises(
        ValueError, match="class_weight needs classes, and task is 'reg"
    ):
        TextModel.fit(TEXTS, NUMBERS, task="regression", class_weight="balanced")
    with pytest.raises(ValueError, match="hidden must be at least 0, got -1"):
        TextModel.fit(TEXTS, NAMES, hidden=-1)


def test_an_unknown_label_is_named(several):
    with pytest.raises(ValueError, match=r"labels\[1\]\[0\] is 'odd', and the model"):
        several.evaluate(BOTH[:2], [["neg"], ["odd"]])


@pytest.mark.long
def test_an_interrupted_training_is_resumed_with_the_same_bits(tmp_path):
    settings = {"epochs": 6, "validation": 0, "seed": 1}
    whole = TextModel.fit(TEXTS, NAMES, **settings)
    seen = []

    def stop():
        return len(seen) == 2

    with pytest.raises(KeyboardInterrupt):
        TextModel.fit(
            TEXTS,
            NAMES,
            checkpoint=tmp_path / "run",
            on_epoch=lambda history: seen.append(len(history)),
            stop=stop,
            **settings,
        )
    assert seen == [1, 2]
    resumed = TextModel.fit(
        TEXTS,
        NAMES,
        checkpoint=tmp_path / "run",
        on_epoch=lambda history: seen.append(len(history)),
        **settings,
    )
    assert seen == [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(
        resumed.predict_proba(TEXTS), whole.predict_proba(TEXTS)
    )


@pytest.mark.long
def test_longer_ngrams_are_read():
    """Labels that only three words together tell."""
    rng = np.random.default_rng(0)
    flags = rng.integers(0, 2, (600, 3))
    pairs = (("bad", "good"), ("plot", "cast"), ("today", "again"))
    texts = [
        " ".join(pair[i] for pair, i in zip(pairs, row, strict=True)) for row in flags
    ]
    labels = (flags.sum(1) % 2).tolist()
    settings = {"epochs": 30, "validation": 0, "learning_rate": 0.2}
    short = TextModel.fit(texts, labels, word_ngrams=1, **settings)
    long = TextModel.fit(texts, labels, word_ngrams=3, **settings)
    assert short.evaluate(texts, labels)["accuracy"] < 0.8
    assert long.evaluate(texts, labels)["accuracy"] == 1
    assert len(long._fitted.bags.index.levels) == 3
