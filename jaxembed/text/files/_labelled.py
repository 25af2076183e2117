"""LabelledTexts: texts and their labels, and splits of them."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from jaxembed._checks import check_count

# A class, several classes, or a number to predict.
Label: TypeAlias = str | int | float | list
MOST_NAMED = 5  # empty texts that a warning names


class LabelledTexts(NamedTuple):
    """Texts and the label of each.

    Attributes:
      texts: N texts.
      labels: N labels: strings, integers or floats; or a list of them for each text.

    Example:
      >>> data = LabelledTexts(["good", "bad", "fine", "dull"], [1, 0, 1, 0])
      >>> training, test = data.split(0.5, seed=0)
      >>> sorted(training.labels), sorted(test.labels)
      ([0, 1], [0, 1])
    """

    texts: list[str]
    labels: list

    def split(
        self, share: float, seed: int = 0
    ) -> "tuple[LabelledTexts, LabelledTexts]":
        """Draw a share of the texts, of each class alike.

        The same seed draws the same texts. The order of the texts is kept. Texts with
        several labels, or with floats, are drawn regardless of their labels; but a text
        with a label that no text of the first part has is moved there.

        Args:
          share: share of the texts in the second part, rounded for each class. One text
            of each class stays in the first part.
          seed: seed of the draw.

        Returns:
          The other texts, and the drawn texts.

        Raises:
          ValueError: if ``share`` is not above 0 and below 1, or ``seed`` is negative.
        """
        if isinstance(share, bool) or not 0 < share < 1:
            raise ValueError(f"share must be above 0 and below 1, got {share!r}.")
        rng = np.random.default_rng(check_count("seed", seed, least=0))
        classes = number_classes(self.labels)
        first, second = _keep_labels(self.labels, *hold_out(classes, share, rng))
        return self._take(first), self._take(second)

    def _take(self, places: np.ndarray) -> "LabelledTexts":
        texts = [self.texts[i] for i in places]
        return LabelledTexts(texts, [self.labels[i] for i in places])


def _keep_labels(
    labels: Sequence[Label], first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Move texts to the first part until it has all of several labels of a text."""
    known = {x for i in first for x in _as_several(labels[i])}
    moved = []
    for place in second.tolist():
        if not known.issuperset(given := _as_several(labels[place])):
            moved.append(place)
            known.update(given)
    if not moved:
        return first, second
    return np.sort(np.append(first, moved)), np.setdiff1d(second, moved)


def _as_several(label: Label) -> list:
    return label if isinstance(label, list) else []


def number_classes(labels: Sequence[Label]) -> np.ndarray:
    """Return the class of each label, ``int64[N]``; zeros for lists and floats.

    Example:
      >>> number_classes(["b", "a", "b"]), number_classes([0.5, 1.5])
      (array([0, 1, 0]), array([0, 0]))
    """
    if any(isinstance(label, list | float) for label in labels):
        return np.zeros(len(labels), np.int64)
    numbers: dict[Label, int] = {}
    found = [numbers.setdefault(label, len(numbers)) for label in labels]
    return np.array(found, np.int64)


def hold_out(
    classes: np.ndarray, fraction: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw examples to train on and examples to hold out, of each class alike.

    Args:
      classes: ``int[N]``, class of each example.
      fraction: share to hold out, rounded for each class; at least one example of each
        class stays for training.
      rng: generator of the draw.

    Returns:
      ``int64[n]`` and ``int64[N - n]``, both in rising order.

    Example:
      >>> train, held_out = hold_out(np.arange(10) % 2, 0.4, np.random.default_rng(0))
      >>> len(train), sorted((held_out % 2).tolist())
      (6, [0, 0, 1, 1])
    """
    held_out = [np.zeros(0, np.int64)]
    for number in np.unique(classes):
        places = rng.permutation(np.flatnonzero(classes == number))
        n = min(round(fraction * len(places)), len(places) - 1)
        held_out.append(places[:n])
    is_held_out = np.zeros(len(classes), bool)
    is_held_out[np.concatenate(held_out)] = True
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


def warn_empty(source: str, places: Sequence[str], n_texts: int) -> None:
    """Warn of texts without a character besides white space.

    Args:
      source: name of the file or folder.
      places: place of each such text.
      n_texts: number of all texts.

    Warns:
      UserWarning: with the number of such texts and the first places.
    """
    if places:
        named = ", ".join(places[:MOST_NAMED])
        more = ", ..." if len(places) > MOST_NAMED else ""
        warnings.warn(
            f"{source}: {len(places)} of {n_texts} texts are empty: {named}{more}.",
            stacklevel=3,
        )
