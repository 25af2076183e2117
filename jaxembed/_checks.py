"""Argument checks, with one error message for each kind of mistake."""

import importlib
import operator
import sys
from types import ModuleType
from typing import Any, SupportsIndex

import numpy as np

# Number of non-negative int32 ids: the limit if the table is unknown.
MAX_IDS = 2**31


def check_count(
    name: str, value: SupportsIndex, *, least: int = 1, also: str = ""
) -> int:
    """Return ``value`` as an int, or raise if it is not an integer >= ``least``.

    Args:
      name: name of the argument, for the error message.
      value: a Python or NumPy integer. A bool is refused.
      least: smallest allowed value.
      also: other allowed values, for the error message, such as ``" or None"``.

    Returns:
      The value as a Python int.

    Raises:
      TypeError: if the value is not an integer.
      ValueError: if the value is below ``least``, or 2**63 or more.

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
        limit = f"at least {least}" if count < least else "below 2**63"
        raise ValueError(f"{name} must be {limit}{also}, got {count}.")
    return count


def check_key(key: Any) -> Any:
    """Return ``key`` as a typed key, or raise unless it is a single key of JAX.

    Args:
      key: the result of ``jax.random.key`` or ``jax.random.PRNGKey``; may be traced.

    Raises:
      TypeError: if ``key`` is not a key.
      ValueError: if ``key`` holds several keys.

    Example:
      >>> check_key(0)
      Traceback (most recent call last):
      TypeError: key must be a random key, got 0: make it with jax.random.key(seed).
    """
    import jax  # the checks of texts do not need JAX

    try:
        is_typed = jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key)
        typed = key if is_typed else jax.random.wrap_key_data(key)
    except (AttributeError, TypeError, ValueError) as error:
        raise TypeError(
            f"key must be a random key, got {key!r:.60}: make it with "
            "jax.random.key(seed)."
        ) from error
    if typed.shape:
        raise ValueError(
            f"key must be a single key, got keys of the shape {list(typed.shape)}: "
            "give one of them, such as key[0]."
        )
    return typed


def check_positive(name: str, value: float) -> float:
    """Return ``value`` as a float, or raise if it is not positive and finite.

    Args:
      name: name of the argument, for the error message.
      value: a Python, NumPy or JAX number.

    Raises:
      TypeError: if the value is not a number.
      ValueError: if the value is not positive or not finite.

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
    """Raise unless ``mask`` holds one bool for each row of a table.

    Args:
      mask: a NumPy or JAX array, concrete or traced.
      n_rows: V, number of rows of the table.
      name: name of the mask, for the error message.

    Raises:
      TypeError: if the dtype is not bool.
      ValueError: if the shape is not ``[V]``.

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
    """Raise if an id is out of range for the table.

    Args:
      ids: ``int[...]``, a NumPy array.
      limit: V, number of rows of the table, or ``int[L]``, a number of rows for each
        column of ``int[N, L]`` ids; 0 for a column that no table reads. None if the
        table is unknown: then every non-negative int32 id is allowed.
      name: name of the array, for the error message.

    Raises:
      ValueError: if an id is out of range. The message has the position and the value
        of the first such id.

    Example:
      >>> check_range(np.array([[1, 2], [3, 4]]), 4)  # doctest: +ELLIPSIS
      Traceback (most recent call last):
      ValueError: ids[1, 1] is 4, and the table has the rows 0 to 3: ...
    """
    limits = np.asarray(MAX_IDS if limit is None else limit)
    # min and max need no temporary array; find the position only for an error.
    if not ids.size or 0 <= ids.min() <= ids.max() < limits.min():
        return
    bad = np.argwhere(((ids < 0) | (ids >= limits)) & (limits > 0))
    if len(bad):
        place = tuple(bad[0].tolist())
        n_rows = np.broadcast_to(limits, ids.shape)[place]
        if n_rows == MAX_IDS:
            raise ValueError(
                f"{name}{list(place)} is {ids[place]}: an id must be a row number "
                f"from 0 to {MAX_IDS - 1}."
            )
        remedy = f"encode the texts with num_words={n_rows}, or make the table larger"
        raise ValueError(
            f"{name}{list(place)} is {ids[place]}, and the table has the rows 0 to "
            f"{n_rows - 1}: {remedy if ids[place] >= 0 else 'give ids from 0'}."
        )


def require(module: str, extra: str) -> ModuleType:
    """Import and return a module of an optional dependency.

    Call ``require`` in the function that needs the module: the error names that
    function.

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
            f"installed. In a clone of jaxembed: pip install '.[{extra}]'",
            name=error.name,
        ) from error
