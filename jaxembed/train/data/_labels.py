"""Labels: check the classes, the several labels or the numbers of examples."""

import warnings

import numpy as np
from jax.typing import ArrayLike

from jaxembed.train._losses import BINARY


def check_labels(
    labels: ArrayLike, n_examples: int, classes: int, name: str = "labels"
) -> np.ndarray:
    """Return labels as ``int32[N]``, if each of them is a class of the model.

    Args:
      labels: ``int[N]``, or whole numbers as floats or bools.
      n_examples: number of examples, N.
      classes: number of classes, C; labels are in ``[0, C)``.
      name: name of the labels, for the error.

    Raises:
      ValueError: names the first label that is out of range, or the shape.

    Example:
      >>> check_labels([0.0, 1.0], 2, 2)
      array([0, 1], dtype=int32)
    """
    labels = np.asarray(labels)
    if labels.shape != (n_examples,):
        raise ValueError(
            f"{name} must have the shape [{n_examples}], one for each row of ids, got "
            f"{list(labels.shape)}."
        )
    known = np.isin(labels, np.arange(classes))
    if not known.all():
        place = int(np.argmin(known))
        raise ValueError(
            f"{name}[{place}] is {labels.tolist()[place]!r}, and the model has the "
            f"classes 0 to {classes - 1}: {_suggest_classes(labels)}."
        )
    return labels.astype(np.int32)


def check_targets(
    targets: ArrayLike, shape: tuple[int, ...], loss: str, name: str = "labels"
) -> np.ndarray:
    """Return several labels as ``int32``, or numbers as ``float32``.

    Args:
      targets: zeros and ones for the binary cross-entropy, finite numbers for the mean
        squared error.
      shape: shape of the logits of all examples, ``[N]`` or ``[N, C]``.
      loss: name of the loss.
      name: name of the labels, for the error.

    Raises:
      TypeError: if they are not numbers.
      ValueError: names the first label that is out of range, or the shape.

    Example:
      >>> check_targets([[1, 0], [0, 2]], (2, 2), "binary_cross_entropy")
      Traceback (most recent call last):
      ValueError: labels[1, 1] is 2: give 1 for each label that a text has, and 0 else.
    """
    array = np.asarray(targets)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be numbers for {loss}, got {array.dtype}.")
    if array.shape != shape:
        raise ValueError(
            f"{name} must have the shape {list(shape)} of the logits for {loss}, got "
            f"{list(array.shape)}."
        )
    if loss == BINARY:
        is_good, remedy = np.isin(array, (0, 1)), "give 1 for each label that a text "
        remedy += "has, and 0 else"
    else:
        with np.errstate(over="ignore"):
            is_good = np.isfinite(array.astype(np.float32))
        remedy = "give finite numbers of 32 bits"
    if not is_good.all():
        place = np.argwhere(~is_good)[0].tolist()
        raise ValueError(f"{name}{place} is {array[tuple(place)]}: {remedy}.")
    return array.astype(np.int32 if loss == BINARY else np.float32)


def _suggest_classes(labels: np.ndarray) -> str:
    """Return the remedy for ``[N]`` labels that are out of range."""
    is_number = labels.dtype.kind in "iuf" and np.isfinite(labels).all()
    if is_number and ((labels >= 0) & (labels % 1 == 0)).all():
        return f"give the head classes={int(labels.max()) + 1}"
    return "number them 0, 1, ... by numpy.unique(labels, return_inverse=True)[1]"


def warn_one_class(
    labels: np.ndarray, train_labels: np.ndarray, *, stacklevel: int = 4
) -> None:
    """Warn if validation examples have one class and training examples have more.

    Such a validation measures one class only. It happens if data that are sorted by
    label are split without a shuffle.

    Args:
      labels: ``int32[M]``, labels of the validation examples.
      train_labels: ``int32[n]``, labels of the training examples.
      stacklevel: number of calls between here and the caller of ``fit``.

    Example:
      >>> import warnings
      >>> with warnings.catch_warnings(record=True) as caught:
      ...     warnings.simplefilter("always")
      ...     warn_one_class(np.array([1, 1]), np.array([0, 0, 1]))
      >>> print(caught[0].message)
      all 2 validation labels are 1, and the training labels have 2 classes: shuffle
      before the split.
    """
    n_classes = np.unique(train_labels).size
    if n_classes > 1 and np.unique(labels).size == 1:
        warnings.warn(
            f"all {labels.size} validation labels are {labels[0]}, and the training "
            f"labels have {n_classes} classes: shuffle before the split.",
            stacklevel=stacklevel,
        )
