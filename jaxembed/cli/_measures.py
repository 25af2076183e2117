"""Measures: accuracy, F1 of each class, confusions and calibration of a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxembed.text import LabelledTexts

N_BINS = 10  # of probabilities, for the calibration
Measures = dict[str, Any]


def measure(model: Any, data: LabelledTexts) -> Measures:
    """Return the measures of a model on labelled texts, for JSON.

    Args:
      model: a TextModel.
      data: texts, and labels of the kind that it predicts.

    Raises:
      ValueError: if a label is unknown to the model.
    """
    from jaxembed.model._tasks import read_given

    task, n = model._fitted.task, len(data.texts)
    labels = read_given(task.kind, as_labels(model, data.labels), n)
    targets = task.encode(labels)  # before the prediction, to name unknown labels
    logits = model._find_logits(data.texts)
    found: Measures = {"n_texts": n} | task.measure(logits, labels, targets)
    if model.task == "regression":
        spread = float(np.var(np.array(labels, np.float64)))
        if spread:
            found["r2"] = 1 - found["mean_squared_error"] / spread
        return found
    p = task.find_probabilities(logits)
    names = [str(name) for name in model.labels]
    if model.task == "multilabel":
        is_given = np.array([[n in some for n in model.labels] for some in labels])
        return found | count_classes(names, is_given, p > 0.5)
    places = np.array([model.labels.index(label) for label in labels])
    best = p.argmax(1)
    table = np.zeros((len(names), len(names)), np.int64)
    np.add.at(table, (places, best), 1)
    eye = np.eye(len(names), dtype=bool)
    found |= count_classes(names, eye[places], eye[best])
    found["confusion"] = {"labels": names, "rows_are_true": table.tolist()}
    found["calibration"] = calibrate(p.max(1), best == places)
    return found


def as_labels(model: Any, labels: Sequence) -> list:
    """Return labels of a file as the type of the model's labels.

    Labels are integers if all of a file are, and the model may have seen other files.
    """
    names = {str(name): name for name in model.labels}
    if model.task == "multilabel":
        return [[names.get(str(x), x) for x in as_list(some)] for some in labels]
    if model.task == "regression":
        return list(labels)
    return [x if isinstance(x, list) else names.get(str(x), x) for x in labels]


def as_list(some: Any) -> list:
    """Return the labels of one text as a list."""
    return some if isinstance(some, list) else [some]


def count_classes(
    names: Sequence[str], is_true: np.ndarray, is_found: np.ndarray
) -> Measures:
    """Return precision, recall, F1 and number of texts of each class.

    Args:
      names: C names.
      is_true: ``bool[N, C]``, whether a text has a label.
      is_found: ``bool[N, C]``, whether it was predicted.

    Example:
      >>> true = np.array([[True, False], [True, False], [False, True]])
      >>> found = np.array([[True, False], [False, True], [False, True]])
      >>> count_classes(["a", "b"], true, found)["classes"]["a"]
      {'precision': 1.0, 'recall': 0.5, 'f1': 0.6666666666666666, 'n_texts': 2}
    """
    hits = (is_true & is_found).sum(0).tolist()
    n_true, n_found = is_true.sum(0).tolist(), is_found.sum(0).tolist()
    classes = {}
    for name, hit, given, predicted in zip(names, hits, n_true, n_found, strict=True):
        classes[name] = {
            "precision": hit / predicted if predicted else 0.0,
            "recall": hit / given if given else 0.0,
            "f1": 2 * hit / (given + predicted) if given + predicted else 0.0,
            "n_texts": given,
        }
    f1 = [each["f1"] for each in classes.values()]
    return {"macro_f1": float(np.mean(f1)), "classes": classes}


def calibrate(confidences: np.ndarray, is_correct: np.ndarray) -> Measures:
    """Return the accuracy in bins of the probability of the predicted class.

    Args:
      confidences: ``float[N]``, probabilities of the predicted classes.
      is_correct: ``bool[N]``.

    Returns:
      The bins with texts, and the expected calibration error: the mean difference of
      probability and accuracy in a bin, weighted by its texts.

    Example:
      >>> found = calibrate(np.array([0.9, 0.9, 0.6]), np.array([True, False, True]))
      >>> round(found["expected_error"], 3), len(found["bins"])
      (0.4, 2)
    """
    places = np.minimum((confidences * N_BINS).astype(int), N_BINS - 1)
    bins, error = [], 0.0
    for place in np.unique(places):
        inside = places == place
        mean, right = confidences[inside].mean(), is_correct[inside].mean()
        error += abs(mean - right) * inside.mean()
        row = {"probability": float(mean), "accuracy": float(right)}
        bins.append(row | {"n_texts": int(inside.sum())})
    return {"expected_error": float(error), "bins": bins}


def format_summary(found: Measures) -> str:
    """Return the measures of one line."""
    skipped = {"n_texts", "classes", "confusion", "calibration"}
    parts = [f"{name} {x:.4f}" for name, x in found.items() if name not in skipped]
    if calibration := found.get("calibration"):
        parts.append(f"calibration error {calibration['expected_error']:.4f}")
    return f"{found['n_texts']:,} test texts: " + ", ".join(parts)


def format_tables(found: Measures) -> str:
    """Return the classes, the confusions and the calibration as tables of text."""
    blocks = []
    if classes := found.get("classes"):
        rows: list[list[Any]] = [["class", "precision", "recall", "F1", "texts"]]
        for name, x in classes.items():
            shares = [f"{x[key]:.3f}" for key in ("precision", "recall", "f1")]
            rows.append([name, *shares, f"{x['n_texts']:,}"])
        blocks.append(_align(rows))
    if confusion := found.get("confusion"):
        names = confusion["labels"]
        rows = [["true \\ predicted", *names]]
        table = zip(names, confusion["rows_are_true"], strict=True)
        rows += [[name, *(f"{n:,}" for n in counts)] for name, counts in table]
        blocks.append(_align(rows))
    if calibration := found.get("calibration"):
        rows = [["probability", "accuracy", "texts"]]
        for x in calibration["bins"]:
            shares = [f"{x['probability']:.3f}", f"{x['accuracy']:.3f}"]
            rows.append([*shares, f"{x['n_texts']:,}"])
        blocks.append(_align(rows))
    return "\n\n".join(blocks)


def _align(rows: list[list[Any]]) -> str:
    widths = [
        max(len(str(cell)) for cell in column) for column in zip(*rows, strict=True)
    ]
    lines = []
    for first, *rest in rows:
        cells = [str(first).ljust(widths[0])]
        cells += [str(c).rjust(w) for c, w in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def draw_calibration(calibration: Measures, path: Path) -> None:
    """Plot accuracy against probability, as a PNG."""
    from jaxembed._checks import require
    from jaxembed.plot._style import COLORS, make_figure, save_figure

    require("matplotlib", "plot")
    from matplotlib.ticker import EngFormatter

    bins = calibration["bins"]
    figure = make_figure(4.6, 5.2, "Calibration on the test texts", below=0.52)
    axes, below = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    at = [x["probability"] for x in bins]
    axes.plot([0, 1], [0, 1], ":", color="gray", label="perfect")
    accuracy = [x["accuracy"] for x in bins]
    axes.plot(at, accuracy, "o-", color=COLORS[0], label="model")
    axes.set(ylabel="accuracy")
    axes.legend(frameon=False)
    # A point of few texts says little.
    below.bar(at, [x["n_texts"] for x in bins], 0.06, color=COLORS[0])
    below.set(xlabel="probability of the predicted class", ylabel="texts")
    below.yaxis.get_major_locator().set_params(integer=True, nbins=4)
    below.yaxis.set_major_formatter(EngFormatter(sep=""))  # 100k fits the margin
    for panel in (axes, below):
        panel.grid(alpha=0.3)
    save_figure(figure, path)
