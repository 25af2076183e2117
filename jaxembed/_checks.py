"""Checks of arguments: one wording for each error."""

import importlib
import operator
import sys
from types import ModuleType
from typing import Any, SupportsIndex

import numpy as np

# The largest id that int32 holds, plus 1: the limit where no table is known.
MAX_IDS = 2**31


def check_count(
    name: str, value: SupportsIndex, *, least: int = 1, also: str = ""
) -> int:
    """Return ``value`` as an int, if it is an integer of at least ``least``.

    Args:
      name: name of the argument, for the error.
      value: a Python or NumPy integer. A bool is refused.
      least: smallest value that is allowed.
      also: what else is allowed, for the error, such as ``" or None"``.

    Returns:
      The value as a Python int.

    Raises:
      TypeError: if it is not an integer.
      ValueError: if it is below ``least``, or 2**63 or more.

    Example:
      >>> check_count("epochs", np.int64(3))
      3
      >>> check_count("epochs", 0)
      Traceback (most recent call last):
      ValueError: epochs must be at least 1, got 0.
    """
    try:
        count = operator.index(value)
    except TypeError:
        count = None
    if count is None or isinstance(value, bool | np.bool):
        raise TypeError(f"{name} must be an integer{also}, got {value!r}.")
    if not least <= count < 2**63:
        raise ValueError(f"{name} must be at least {least}{also}, got {count}.")
    return count


def check_positive(name: str, value: float) -> float:
    """Return ``value`` as a float, if it is a positive and finite number.

    Args:
      name: name of the argument, for the error.
      value: a number of Python, NumPy or JAX.

    Raises:
      TypeError: if it is not a number.
      ValueError: if it is not positive or not finite.

    Example:
      >>> check_positive("max_norm", 1)
      1.0
      >>> check_positive("max_norm", 0)
      Traceback (most recent call last):
      ValueError: max_norm must be a positive number, got 0.
    """
    if np.ndim(value) or np.asarray(value).dtype.kind not in "fiu":
        raise TypeError(f"{name} must be a number, got {value!r}.")
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} must be a positive number, got {value}.")
    return float(value)


def check_row_mask(mask: Any, n_rows: int, name: str = "trainable_rows") -> None:
    """Raise unless ``mask`` has one bool for each row of a table.

    Args:
      mask: an array of NumPy or JAX, concrete or traced.
      n_rows: V, number of rows of the table.
      name: name of the mask, for the error.

    Raises:
      TypeError: if it does not hold bools.
      ValueError: if its shape is not ``[V]``.

    Example:
      >>> check_row_mask(np.array([1, 0]), 2)  # doctest: +ELLIPSIS
      Traceback (most recent call last):
      TypeError: trainable_rows must be bool[2], True for a trained row, got ...
    """
    if mask.dtype == bool and mask.shape == (n_rows,):
        return
    error = ValueError if mask.dtype == bool else TypeError
    raise error(
        f"{name} must be bool[{n_rows}], True for a trained row, got "
        f"{mask.dtype}{list(mask.shape)}: make it from row numbers with numpy.isin."
    )


def check_weights(weights: Any, n_examples: int) -> np.ndarray:
    """Return the weights of examples as ``float32[N]``, if all are 0 or more.

    Args:
      weights: ``float[N]`` or ``int[N]``, of NumPy or JAX.
      n_examples: number of examples, N.

    Raises:
      TypeError: if they are not numbers.
      ValueError: names the first weight that is negative or not finite, or the shape.

    Example:
      >>> check_weights([1, 0.5], 2)
      array([1. , 0.5], dtype=float32)
      >>> check_weights([1, -1], 2)
      Traceback (most recent call last):
      ValueError: weights[1] must be 0 or more, and finite in float32, got -1.0.
    """
    array = np.asarray(weights)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"weights must be numbers, got {array.dtype}.")
    if array.shape != (n_examples,):
        raise ValueError(
            f"weights must have the shape [{n_examples}], one for each example, got "
            f"{list(array.shape)}."
        )
    with np.errstate(over="ignore"):
        factors = array.astype(np.float32)
    is_good = np.isfinite(factors) & (factors >= 0)
    if not is_good.all():
        place = int(np.argmin(is_good))
        raise ValueError(
            f"weights[{place}] must be 0 or more, and finite in float32, got "
            f"{float(array[place])}."
        )
    return factors


def check_range(
    ids: np.ndarray, limit: int | np.ndarray | None, name: str = "ids"
) -> None:
    """Raise if an id is not a row of the table.

    Args:
      ids: ``int[...]`` of NumPy.
      limit: V, number of rows of the table, or ``int[L]`` with a number for each column
        of ``int[N, L]`` ids; None if no table is known, which allows all ids that int32
        holds.
      name: name of the array, for the error.

    Raises:
      ValueError: names the position and the value of the first bad id.

    Example:
      >>> check_range(np.array([[1, 2], [3, 4]]), 4)  # doctest: +ELLIPSIS
      Traceback (most recent call last):
      ValueError: ids[1, 1] is 4, and the table has the rows 0 to 3: ...
    """
    limits = np.asarray(MAX_IDS if limit is None else limit)
    # Two passes without a temporary, the common case; the place only if need be.
    if not ids.size or 0 <= ids.min() <= ids.max() < limits.min():
        return
    bad = np.argwhere((ids < 0) | (ids >= limits))
    if len(bad):
        place = tuple(bad[0].tolist())
        n_rows = np.broadcast_to(limits, ids.shape)[place]
        if n_rows == MAX_IDS:
            raise ValueError(
                f"{name}{list(place)} is {ids[place]}: an id is the number of a row, "
                f"from 0 to {MAX_IDS - 1}."
            )
        raise ValueError(
            f"{name}{list(place)} is {ids[place]}, and the table has the rows 0 to "
            f"{n_rows - 1}: encode the texts with num_words={n_rows}, or make the "
            "table larger."
        )


def require(module: str, extra: str) -> ModuleType:
    """Import and return a module of an optional dependency.

    Call it inside the function that uses the module: the error names its caller.

    Args:
      module: dotted name of the module.
      extra: name of the jaxembed extra that installs the module.

    Returns:
      The imported module.

    Raises:
      ImportError: if the module, or a module that it imports, is not installed.

    Example:
      >>> def draw():
      ...     require("no_such_plotter", "plot")
      >>> draw()  # doctest: +ELLIPSIS
      Traceback (most recent call last):
      ImportError: draw needs the module no_such_plotter, which is not installed. ...
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        caller = sys._getframe(1).f_code.co_qualname
        raise ImportError(
            f"{caller} needs the module {error.name or module}, which is not "
            f"installed. Install it with: pip install 'jaxembed[{extra}]'",
            name=error.name,
        ) from error
