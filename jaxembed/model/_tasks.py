"""Tasks: one class, several labels, or a number for each text."""

import dataclasses
from collections.abc import Iterable
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np

from jaxembed import train
from jaxembed.model._inputs import Label, number_labels, read_labels
from jaxembed.text._columns import to_python

LOSSES = {
    "classification": "cross_entropy",
    "multilabel": "binary_cross_entropy",
    "regression": "mean_squared_error",
}
Given: TypeAlias = list[Any]  # checked labels, one entry for each text


@dataclasses.dataclass(frozen=True)
class Task:
    """The kind of labels, and how they become targets and come back from logits.

    Attributes:
      kind: "classification", "multilabel" or "regression".
      labels: label of each class; empty for a regression.
      center: mean of the numbers of a regression.
      scale: their standard deviation, which one unit of the logit stands for.
    """

    kind: str
    labels: tuple[Label, ...] = ()
    center: float = 0.0
    scale: float = 1.0

    @property
    def loss(self) -> str:
        """Name of the loss in :mod:`jaxembed.train`."""
        return LOSSES[self.kind]

    @property
    def n_logits(self) -> int:
        """Number of logits of a text; two classes share one."""
        if self.kind == "regression":
            return 1
        is_pair = self.kind == "classification" and len(self.labels) == 2
        return 1 if is_pair else len(self.labels)

    def encode(self, given: Given) -> np.ndarray:
        """Return targets: ``int32[N]``, ``int32[N, C]`` or ``float32[N]``.

        Raises:
          ValueError: names the first unknown label.

        Example:
          >>> Task("multilabel", ("a", "b")).encode([["b"], [], ["b", "a"]]).tolist()
          [[0, 1], [0, 0], [1, 1]]
        """
        if self.kind == "classification":
            return number_labels(given, self.labels)
        if self.kind == "regression":
            numbers = (np.array(given, np.float64) - self.center) / self.scale
            return numbers.astype(np.float32)
        flags = np.zeros((len(given), len(self.labels)), np.int32)
        for place, several in enumerate(given):
            flags[place, number_labels(several, self.labels, place)] = 1
        return flags

    def decode(self, logits: np.ndarray) -> np.ndarray:
        """Return predictions for logits, of the type of the labels."""
        if self.kind == "regression":
            return np.asarray(logits, np.float64) * self.scale + self.center
        if self.kind == "classification":
            return np.array(self.labels)[to_probabilities(logits).argmax(1)]
        found = np.empty(len(logits), object)  # of lists
        for place, row in enumerate(np.asarray(logits) > 0):
            found[place] = [self.labels[i] for i in np.flatnonzero(row)]
        return found

    def find_probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the probability of each label, ``float64[N, C]``."""
        if self.kind == "regression":
            raise ValueError(
                "a regression predicts numbers, without probabilities: use predict."
            )
        if self.kind == "classification":
            return to_probabilities(logits)
        return 1 / (1 + np.exp(-np.asarray(logits, np.float64)))

    def measure(
        self, logits: np.ndarray, given: Given, targets: np.ndarray
    ) -> dict[str, float]:
        """Return the measures of :meth:`TextModel.evaluate`.

        Args:
          logits: logits of the texts.
          given: their checked labels.
          targets: the labels, encoded.
        """
        if self.kind == "regression":
            errors = self.decode(logits) - np.array(given)
            return {
                "mean_absolute_error": float(np.abs(errors).mean()),
                "mean_squared_error": float((errors**2).mean()),
            }
        pair = jnp.asarray(logits), jnp.asarray(targets)
        losses = np.asarray(train.example_losses(*pair, self.loss), np.float64)
        if self.kind == "multilabel":
            is_correct = ((logits > 0) == targets).all(1)
        else:
            found = (logits > 0) if logits.ndim == 1 else logits.argmax(1)
            is_correct = found == targets
        return {"accuracy": float(is_correct.mean()), "loss": float(losses.mean())}

    def to_json(self) -> dict[str, Any]:
        """Return all fields, for JSON."""
        return dataclasses.asdict(self) | {"labels": list(self.labels)}


def read_given(kind: str, labels: Iterable, n_texts: int) -> Given:
    """Check labels, and return one entry for each text.

    Args:
      kind: kind of the task.
      labels: classes; lists of labels; or numbers.
      n_texts: number of texts.

    Raises:
      TypeError: names the first label of another type.
      ValueError: if there are more or fewer labels than texts, a number is not finite,
        or ``kind`` is unknown.

    Example:
      >>> read_given("multilabel", [["a"], "b"], 2)
      Traceback (most recent call last):
      TypeError: labels[1] must be a list of labels, got 'b'.
    """
    if kind not in LOSSES:
        raise ValueError(f"task must be one of {', '.join(LOSSES)}, got {kind!r}.")
    if kind == "classification":
        return read_labels(labels, n_texts)
    if isinstance(labels, str | bytes):
        raise TypeError(f"labels must be a list, got one {type(labels).__name__}.")
    read = _read_several if kind == "multilabel" else _read_number
    listed = [read(x, place) for place, x in enumerate(to_python(labels, "labels"))]
    if len(listed) != n_texts:
        raise ValueError(
            f"there must be one entry of labels for each text, got {len(listed)} and "
            f"{n_texts} texts."
        )
    return listed


def make_task(kind: str, given: Given) -> Task:
    """Return the task of checked training labels.

    Raises:
      ValueError: if there are fewer than two classes or labels, or only one number.

    Example:
      >>> make_task("multilabel", [["b"], ["a", "b"]]).labels
      ('a', 'b')
      >>> task = make_task("regression", [1.0, 3.0])
      >>> task.center, task.scale
      (2.0, 1.0)
    """
    n_texts = len(given)
    if kind == "regression":
        numbers = np.array(given, np.float64)
        scale = float(numbers.std()) if n_texts else 0.0
        if not scale:
            raise ValueError(
                f"labels must have two or more numbers, got {sorted(set(given))} in "
                f"{n_texts} texts."
            )
        return Task(kind, (), float(numbers.mean()), scale)
    flat = given if kind == "classification" else [x for some in given for x in some]
    if len(set(map(type, flat))) > 1:
        raise TypeError("labels must be all integers or all strings, got both.")
    names = tuple(sorted(set(flat)))
    if len(names) < 2:
        what = "classes" if kind == "classification" else "labels"
        raise ValueError(
            f"labels must have two or more {what}, got {list(names)} in {n_texts} "
            "texts."
        )
    return Task(kind, names)


def to_probabilities(logits: np.ndarray) -> np.ndarray:
    """Return probabilities ``float64[N, C]`` of logits ``[N]`` or ``[N, C]``.

    Example:
      >>> to_probabilities(np.zeros(1)), to_probabilities(np.zeros((1, 4)))
      (array([[0.5, 0.5]]), array([[0.25, 0.25, 0.25, 0.25]]))
    """
    logits = np.asarray(logits, np.float64)
    if logits.ndim == 1:
        logits = np.stack([np.zeros_like(logits), logits], 1)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def _read_several(labels: Any, place: int) -> list[Label]:
    if isinstance(labels, str | bytes) or not isinstance(labels, Iterable):
        raise TypeError(f"labels[{place}] must be a list of labels, got {labels!r}.")
    several = list(labels)
    return read_labels(several, len(several))


def _read_number(number: Any, place: int) -> float:
    try:
        value = float(number) if not isinstance(number, str) else None
    except (TypeError, ValueError):
        value = None
    if value is None:
        raise TypeError(f"labels[{place}] must be a number, got {number!r}.")
    if not np.isfinite(value):
        raise ValueError(f"labels[{place}] must be finite, got {number!r}.")
    return value
