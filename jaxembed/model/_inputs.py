"""Inputs: texts and labels of a user, checked once, and the texts to validate on."""

import operator
import warnings
from collections.abc import Iterable, Sequence

import numpy as np

from jaxembed.text._columns import to_python
from jaxembed.text._split import check_texts

Label = int | str
MOST_NAMED = 5  # texts that a warning names


def read_texts(texts: Iterable[str]) -> list[str]:
    """Return texts as a list.

    Args:
      texts: a list, a generator, or a column of NumPy or Arrow.

    Raises:
      TypeError: if ``texts`` is one text, or names the place of the first that is not a
        ``str``.

    Example:
      >>> read_texts(np.array(["a film", "a joy"]))
      ['a film', 'a joy']
    """
    return [str(text) for text in check_texts(texts)]


def read_labels(labels: Iterable[Label], n_texts: int) -> list[Label]:
    """Return labels as a list of ``int`` or of ``str``, one for each text.

    Args:
      labels: integers, bools or strings, in a list or a column of NumPy or Arrow.
      n_texts: number of texts.

    Raises:
      TypeError: names the first label of another type than the first.
      ValueError: if there are more or fewer labels than texts.

    Example:
      >>> read_labels(np.array([2, 0]), 2)
      [2, 0]
      >>> read_labels([1, "pos"], 2)
      Traceback (most recent call last):
      TypeError: labels must be all integers or all strings, got str at 1 after int.
    """
    if isinstance(labels, str | bytes):
        raise TypeError(f"labels must be a list, got one {type(labels).__name__}.")
    listed = [
        _read_label(x, place) for place, x in enumerate(to_python(labels, "labels"))
    ]
    for place, label in enumerate(listed):
        if type(label) is not type(listed[0]):
            raise TypeError(
                f"labels must be all integers or all strings, got "
                f"{type(label).__name__} at {place} after {type(listed[0]).__name__}."
            )
    if len(listed) != n_texts:
        raise ValueError(
            f"there must be one label for each text, got {len(listed)} labels and "
            f"{n_texts} texts."
        )
    return listed


def number_labels(
    labels: Sequence[Label], names: Sequence[Label], row: int | None = None
) -> np.ndarray:
    """Return the class of each label, ``int32[N]``.

    Args:
      labels: labels of texts, or all labels of one text.
      names: label of each class.
      row: place of the text whose labels they are; None for labels of texts.

    Raises:
      ValueError: names the first unknown label.

    Example:
      >>> number_labels(["pos", "neg"], ("neg", "pos"))
      array([1, 0], dtype=int32)
    """
    classes = {name: number for number, name in enumerate(names)}
    for place, label in enumerate(labels):
        if label not in classes or type(label) is not type(names[0]):
            where = f"[{place}]" if row is None else f"[{row}][{place}]"
            raise ValueError(
                f"labels{where} is {label!r}, and the model has the labels "
                f"{list(names)}."
            )
    return np.array([classes[label] for label in labels], np.int32)


def warn_empty(lengths: np.ndarray, what: str, *, stacklevel: int) -> None:
    """Warn of texts without a word, which say nothing about their class.

    Args:
      lengths: ``int[N]``, number of known words of each text.
      what: words that describe such a text, such as "no word".
      stacklevel: number of calls between here and the caller to blame.

    Warns:
      UserWarning: with the number of texts and the places of the first.
    """
    places = np.flatnonzero(lengths == 0).tolist()
    if places:
        named = ", ".join(f"texts[{place}]" for place in places[:MOST_NAMED])
        more = ", ..." if len(places) > MOST_NAMED else ""
        warnings.warn(
            f"{len(places)} of {len(lengths)} texts have {what}: {named}{more}. Their "
            "class is predicted from the bias of the last layer alone.",
            stacklevel=stacklevel,
        )


def _read_label(label: object, place: int) -> Label:
    if isinstance(label, str):
        return str(label)
    if isinstance(label, np.bool_):  # operator.index refuses it, or warns in NumPy 2.0
        return int(label)
    try:
        return int(operator.index(label))  # type: ignore[arg-type]
    except TypeError:
        pass
    raise TypeError(
        f"labels must be integers or strings, got {label!r} at {place}: give one class "
        "for each text."
    )
