"""Fit: from texts and labels to the parts of a model."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from jaxembed import train
from jaxembed._checks import check_count
from jaxembed.model._bags import Bags, fit_bags
from jaxembed.model._inputs import read_texts, warn_empty
from jaxembed.model._network import Params
from jaxembed.model._tasks import Task, make_task, read_given
from jaxembed.model._training import (
    LONGEST,
    QUANTILE,
    Settings,
    choose_settings,
    train_network,
)
from jaxembed.text import Ragged
from jaxembed.text._tokenizer import FILTERS
from jaxembed.text.files._labelled import hold_out
from jaxembed.vectors import WordVectors

Labelled = tuple[list[str], np.ndarray]  # texts and their targets


class Fitted(NamedTuple):
    """The parts of a trained model.

    Attributes:
      task: kind of the labels, and the label of each class.
      bags: encoder of texts.
      params: parameters of the network, of NumPy.
      settings: settings of the training, for JSON.
    """

    task: Task
    bags: Bags
    params: Params
    settings: dict[str, Any]


def fit_model(
    texts: Iterable[str],
    labels: Iterable,
    *,
    kind: str,
    validation: float | tuple[Iterable[str], Iterable],
    vectors: WordVectors | None,
    freeze: bool,
    class_weight: str | None,
    seed: int,
    chosen: dict[str, Any],
    run: dict[str, Any],
) -> tuple[Fitted, train.History]:
    """Check the arguments of ``TextModel.fit``, which describes them, and train."""
    listed = read_texts(texts)
    given = read_given(kind, labels, len(listed))
    task = make_task(kind, given)
    _check_options(vectors, freeze, class_weight, chosen)
    if class_weight is not None and kind != "classification":
        raise ValueError(f"class_weight needs classes, and task is {kind!r}.")
    seed = check_count("seed", seed, least=0)
    # A text has a word if it has any character besides separators.
    sizes = np.array([len(text.strip(FILTERS + " ")) for text in listed])
    warn_empty(sizes, "no word", stacklevel=4)
    targets = task.encode(given)
    training, held_out = _split((listed, targets), task, validation, seed)
    settings = choose_settings(len(training[0]), len(task.labels), chosen)
    bags, rows = _fit_bags(training[0], settings, vectors if freeze else None)
    params, history = train_network(
        bags,
        rows,
        training[1],
        task=task,
        settings=settings,
        validation=held_out and (bags.encode(held_out[0]), held_out[1]),
        balanced=class_weight == "balanced",
        vectors=vectors,
        frozen=freeze,
        seed=seed,
        run=run,
    )
    kept = vars(settings) | {"freeze": freeze, "class_weight": class_weight}
    kept |= {"seed": seed, "dim": params["embed"]["embedding"].shape[1]}
    return Fitted(task, bags, params, kept), history


def _check_options(
    vectors: WordVectors | None,
    freeze: bool,
    class_weight: str | None,
    chosen: dict[str, Any],
) -> None:
    if class_weight not in (None, "balanced"):
        raise ValueError(
            f"class_weight must be None or 'balanced', got {class_weight!r}."
        )
    if vectors is None:
        if freeze:
            raise ValueError("freeze=True needs vectors to freeze: give vectors.")
        return
    if not isinstance(vectors, WordVectors):
        raise TypeError(
            f"vectors must be WordVectors, got {type(vectors).__name__}: read a file "
            "with jaxembed.vectors.load."
        )
    if chosen["dim"] not in (None, vectors.dim):
        raise ValueError(
            f"dim is {chosen['dim']}, and the vectors have {vectors.dim} numbers: "
            "leave dim out."
        )
    if freeze and (chosen["word_ngrams"] or 1) != 1:
        raise ValueError(
            f"word_ngrams={chosen['word_ngrams']} with freeze=True: pairs have no "
            "vectors. Leave word_ngrams out."
        )


def _split(
    data: Labelled,
    task: Task,
    validation: float | tuple[Iterable[str], Iterable],
    seed: int,
) -> tuple[Labelled, Labelled | None]:
    """Return texts to train on, and texts to validate on or None."""
    texts, targets = data
    if isinstance(validation, tuple | list):
        if len(validation) != 2:
            raise ValueError(
                "validation must be a share, or the pair (texts, labels), got "
                f"{len(validation)} elements."
            )
        others = read_texts(validation[0])
        given = read_given(task.kind, validation[1], len(others))
        return data, (others, task.encode(given))
    if not isinstance(validation, int | float) or not 0 <= validation < 1:
        raise ValueError(
            f"validation must be from 0 to below 1, or a pair, got {validation!r}."
        )
    is_class = task.kind == "classification"
    classes = targets if is_class else np.zeros(len(texts), np.int32)
    chosen, held_out = hold_out(classes, validation, np.random.default_rng(seed))
    parts = [([texts[i] for i in p], targets[p]) for p in (chosen, held_out)]
    return parts[0], parts[1] if held_out.size else None


def _fit_bags(
    texts: list[str], settings: Settings, frozen: WordVectors | None
) -> tuple[Bags, Ragged]:
    """Return the encoder and the rows of texts; only of words with a frozen vector."""
    known = None
    if frozen is not None and frozen.subwords is None:
        known = frozenset(frozen.words)
    return fit_bags(
        texts,
        word_ngrams=settings.word_ngrams if frozen is None else 1,
        min_count=settings.min_count,
        quantile=QUANTILE,
        longest=LONGEST,
        known=known,
    )
