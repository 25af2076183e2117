"""train and evaluate: the files of a model, its measures, and interrupted trainings."""

import json
import os
import re
import signal
import subprocess
import sys
import types

import numpy as np
import pytest

from jaxembed import TextModel, text, train
from jaxembed.cli import _measures, _train
from jaxembed.model._tasks import Task
from jaxembed.plot import _style
from tests.model.conftest import draw_texts

COLUMNS = ["--text", "review", "--label", "stars"]


def test_from_a_table_to_predictions_in_three_commands(run, table, tmp_path):
    out = tmp_path / "deep" / "model"
    flags = [*COLUMNS, "--epochs", "12", "--out", out]
    status, printed, err = run("train", table, *flags)
    assert (status, err) == (0, "")
    assert printed.startswith("108 texts to train and validate on, 12 to test on\n")
    assert len(re.findall(r"^epoch \d+: loss 0", printed, re.MULTILINE)) == 12
    assert sorted(os.listdir(out.parent)) == ["model"]  # no unfinished training
    names = {"metrics.json", "history.png", "calibration.png", "settings.json"}
    assert names < set(os.listdir(out))
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] > 0.9 and len(metrics["history"]["loss"]) == 12
    assert metrics["test"]["n_texts"] == 12
    losses = metrics["history"]["val_loss"]
    kept = 1 + losses.index(min(losses))  # epochs are numbered from 1, as printed
    assert metrics["kept_epoch"] == kept
    assert (
        f"kept the weights of epoch {kept}, which has the lowest val_loss\n" in printed
    )

    status, printed, _ = run("evaluate", out, table, *COLUMNS)
    assert status == 0 and printed.startswith("120 test texts: accuracy 0.9")
    assert re.search(r"^5 +0.9\d\d +", printed, re.MULTILINE)

    status, printed, _ = run("predict", out, "a good film", "so bad")
    lines = [json.loads(line) for line in printed.splitlines()]
    assert status == 0 and [line["label"] for line in lines] == [5, 1]


@pytest.mark.long
def test_a_model_is_replaced_only_if_wanted(run, table, tmp_path):
    flags = [*COLUMNS, "--epochs", "2", "--out", tmp_path / "model"]
    assert run("train", table, *flags)[0] == 0
    status, out, err = run("train", table, *flags)
    assert status == 2 and out == "" and "give another path, or --overwrite." in err
    status, out, _ = run("train", table, *flags, "--overwrite", "--seed", "1")
    assert status == 0 and "resuming" not in out


@pytest.mark.parametrize("given", [True, False])
def test_a_folder_with_parts_has_a_given_test(run, tmp_path, given):
    for part, n in (("train", 60), ("test", 10)):
        for i, (words, label) in enumerate(zip(*draw_texts(n), strict=True)):
            path = tmp_path / "a" / part / f"x{label}" / f"{i}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(words)
    data = [tmp_path / "a"]
    if not given:
        data = [tmp_path / "a/train", "--test", tmp_path / "a/test"]
    flags = ["--epochs", "2", "--out", tmp_path / "model"]
    status, out, _ = run("train", *data, *flags)
    assert status == 0 and "60 texts to train and validate on, 10 to test on" in out
    assert TextModel.load(tmp_path / "model").labels == ("xneg", "xpos")
    status, out, _ = run("evaluate", tmp_path / "model", tmp_path / "a", "--json")
    assert status == 0 and json.loads(out)["n_texts"] == 10


def test_flags_reach_the_model(run, table, tmp_path):
    vectors = tmp_path / "some.txt"
    vectors.write_text("good 1 0\nbad 0 1\nfilm 1 1\nelsewhere 1 2\n")
    flags = [*COLUMNS, "--vectors", vectors, "--freeze", "--hidden", "3"]
    flags += ["--epochs", "2", "--test-share", "0", "--out", tmp_path / "model"]
    status, out, _ = run("train", table, *flags)
    assert status == 0 and "120 texts to train and validate on\n" in out
    model = TextModel.load(tmp_path / "model")
    assert set(model.vectors.words) == {"good", "bad", "film"}
    np.testing.assert_array_equal(model.vectors["bad"], [0, 1])
    assert model._fitted.settings["hidden"] == 3 and model._fitted.settings["freeze"]


@pytest.mark.long
def test_tasks_follow_from_the_labels(run, tmp_path):
    texts, labels = draw_texts(80)
    tags = tmp_path / "tags.jsonl"
    rows = [
        {"text": t, "label": [x, "any"] if i % 3 else [x]}
        for i, (t, x) in enumerate(zip(texts, labels, strict=True))
    ]
    tags.write_text("\n".join(map(json.dumps, rows)))
    flags = ["--epochs", "3", "--out"]
    status, out, _ = run("train", tags, *flags, tmp_path / "tags")
    assert status == 0 and "macro_f1" in out
    assert TextModel.load(tmp_path / "tags").task == "multilabel"
    stars = tmp_path / "stars.csv"
    pairs = zip(texts, labels, strict=True)
    lines = [f"{t},{4.5 if x == 'pos' else 1}" for t, x in pairs]
    stars.write_text("\n".join(["text,label", *lines]))
    status, out, _ = run("train", stars, *flags, tmp_path / "stars")
    assert status == 0 and "mean_absolute_error" in out and "r2" in out
    _, out, _ = run("predict", tmp_path / "stars", "good joy")
    assert list(json.loads(out)) == ["value"]
    _, out, _ = run("predict", tmp_path / "tags", "good joy")
    assert set(json.loads(out)) == {"labels", "probabilities"}


def start(*arguments):
    command = [sys.executable, "-u", "-m", "jaxembed", "train", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def read_until(process, pattern):
    seen = []
    for line in process.stdout:
        seen.append(line)
        if re.search(pattern, line):
            return "".join(seen)
    raise AssertionError("".join(seen) + process.stderr.read())


@pytest.mark.long
@pytest.mark.usefixtures("handle_interrupts")
def test_an_interrupted_training_says_how_to_resume(table, tmp_path):
    flags = [*COLUMNS, "--epochs", "100000", "--validation", "0"]
    flags += ["--test-share", "0", "--out", tmp_path / "model"]
    with start(table, *flags) as process:
        read_until(process, "^epoch 3:")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    first, last = err.strip().splitlines()
    assert first == "interrupted: saving the last epoch; again to end at once"
    save = tmp_path / "model.unfinished"
    assert last == f"interrupted: the same command resumes from {save}"
    n_done = max(map(int, re.findall(r"^epoch (\d+):", out, re.MULTILINE)), default=3)

    with start(table, *flags) as process:
        out = read_until(process, r"^epoch \d+:")
        assert f"resuming from {save}" in out and f"\nepoch {n_done + 1}:" in out
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 143
    assert not (tmp_path / "model").exists()


def test_measures_of_classes_are_those_of_their_counts():
    """A model that is right for 3 of 4 texts, by hand."""

    class Fixed:
        task, labels = "classification", ("a", "b")

        _fitted = types.SimpleNamespace(task=Task("classification", ("a", "b")))

        def _find_logits(self, texts):
            p = np.array([0.09, 0.71, 0.82, 0.05], np.float32)  # of the class b
            return np.log(p / (1 - p))

    data = text.LabelledTexts(list("wxyz"), ["a", "a", "b", "a"])
    found = _measures.measure(Fixed(), data)
    assert found["confusion"]["rows_are_true"] == [[2, 1], [0, 1]]
    a, b = found["classes"]["a"], found["classes"]["b"]
    assert (a["precision"], a["recall"], a["f1"]) == (1, 2 / 3, 0.8)
    assert (b["precision"], b["recall"], b["f1"]) == (0.5, 1, 2 / 3)
    assert found["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert found["accuracy"] == 0.75
    right = np.array([0.91, 0.29, 0.82, 0.95])  # probabilities of the labels
    assert found["loss"] == pytest.approx(-np.log(right).mean())
    # Bins of 0.71, 0.82 and 0.93: errors 0.71, 0.18 and 0.07, the last of two texts.
    expected = (0.71 + 0.18 + 2 * 0.07) / 4
    assert found["calibration"]["expected_error"] == pytest.approx(expected)
    tables = _measures.format_tables(found)
    assert "true \\ predicted  a  b" in tables and "precision" in tables


@pytest.mark.parametrize(
    ("task", "labels", "given", "expected"),
    [
        ("classification", (1, 5), ["1", 5, "x"], [1, 5, "x"]),
        ("classification", ("1", "x"), [1, "x"], ["1", "x"]),
        ("multilabel", ("1", "2"), [[1], "2"], [["1"], ["2"]]),
        ("regression", (), [1, 2.5], [1, 2.5]),
    ],
)
def test_labels_of_a_file_have_the_type_of_the_model(task, labels, given, expected):
    model = types.SimpleNamespace(task=task, labels=labels)
    found = _measures.as_labels(model, given)
    assert found == expected and [*map(type, found)] == [*map(type, expected)]


def test_an_unknown_label_of_the_test_is_refused_before_training(run, table, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("stars,review\n5,good\n3,dull\n")
    flags = [*COLUMNS, "--test", other, "--out", tmp_path / "model"]
    status, out, err = run("train", table, *flags)
    assert status == 2 and "epoch" not in out and err.count("\n") == 1
    assert f"{other} has the label 3 in a test text, and the training" in err
    assert err.endswith("have the labels 1, 5.\n")


def test_a_table_too_small_for_a_test_is_trained_without_one(run, tmp_path):
    """A tenth of two texts of a class is rounded to none, and nothing is measured."""
    rows = ["review,stars", "a good film,5", "good fun,5", "a bad film,1", "a bore,1"]
    (tmp_path / "few.csv").write_text("\n".join(rows))
    out = tmp_path / "model"
    columns = ("--text", "review", "--label", "stars")
    status, found, errors = run("train", tmp_path / "few.csv", *columns, "--out", out)
    assert status == 0 and "4 texts to train and validate on\n" in found
    assert errors == (
        "no text is held out as a test: the table is too small for --test-share 0.1 of "
        "each class; give more texts, or --test FILE\n"
    )
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["test"] == {} and "val_loss" not in metrics["history"]
    n_epochs = len(metrics["history"]["loss"])
    assert metrics["kept_epoch"] == n_epochs  # nothing is validated: the last
    assert f"kept the weights of epoch {n_epochs}\n" in found
    assert not (out / "calibration.png").exists()
    _, found, _ = run("predict", out, "a good film")
    assert json.loads(found)["label"] == 5


@pytest.mark.filterwarnings("always")
def test_texts_without_a_known_word_are_named_once(run, folder, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("label,text\npos,good\nneg,xyzzy\n")
    status, out, err = run("evaluate", folder, path)
    assert status == 0 and err.count("1 of 2 texts have no known word: texts[1]") == 1


def test_a_regression_shows_no_accuracy(capsys):
    history = train.History(loss=[0.5], accuracy=[0.9], val_loss=[0.7])
    _train._print_losses(history)
    assert capsys.readouterr().out == "epoch 1: loss 0.5000, val_loss 0.7000\n"
    assert history.accuracy == [0.9]


def test_vectors_may_be_those_of_a_model(run, table, folder, tmp_path):
    flags = [*COLUMNS, "--vectors", folder, "--freeze", "--epochs", "1"]
    out = tmp_path / "model"
    assert run("train", table, *flags, "--out", out)[0] == 0
    found, before = TextModel.load(out).vectors, TextModel.load(folder).vectors
    np.testing.assert_array_equal(found["good"], before["good"])


def test_the_calibration_plot_shows_bins_and_their_texts(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        _style, "save_figure", lambda figure, path: drawn.append(figure)
    )
    is_correct = np.array([True, False, True])
    found = _measures.calibrate(np.array([0.9, 0.9, 0.6]), is_correct)
    _measures.draw_calibration(found, tmp_path / "x.png")
    upper, lower = drawn[0].axes
    np.testing.assert_allclose(
        upper.get_lines()[1].get_xydata(), [[0.6, 1], [0.9, 0.5]]
    )
    assert [bar.get_height() for bar in lower.patches] == [1, 2]
    assert lower.get_ylabel() == "texts"
