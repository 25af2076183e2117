"""Columns: texts and labels from lists, NumPy, Arrow and libraries built on Arrow."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa


def to_python(column: Iterable, name: str = "texts") -> Iterable:
    """Return an Arrow column as a list of Python objects; other columns unchanged.

    A column is read through ``to_pylist`` (Arrow), ``to_arrow``, ``__arrow_c_stream__``
    or ``__arrow_c_array__`` (Polars and others). Lists, NumPy arrays, pandas series and
    columns of Hugging Face datasets are sequences, and are returned as they are.

    Args:
      column: a column of values.
      name: name of the argument, for the error.

    Raises:
      TypeError: if ``column`` is a table; the error names its columns.

    Example:
      >>> to_python(pa.chunked_array([["a", "b"], ["c"]]))
      ['a', 'b', 'c']
      >>> to_python(pa.table({"text": ["a"], "label": [1]}))
      Traceback (most recent call last):
      TypeError: texts must be one column, got a table with the columns text, label:
      give one of them, such as table["text"].
    """
    _refuse_table(column, name)
    if hasattr(column, "to_pylist"):
        return column.to_pylist()
    if hasattr(column, "to_arrow"):
        return to_python(column.to_arrow(), name)
    if hasattr(column, "__arrow_c_stream__"):
        return pa.chunked_array(column).to_pylist()
    if hasattr(column, "__arrow_c_array__"):
        return pa.array(column).to_pylist()
    return column


def _refuse_table(column: Any, name: str) -> None:
    """Raise for a table of Arrow, pandas or Polars, or a dataset of Hugging Face."""
    names = getattr(column, "column_names", None) or getattr(column, "columns", None)
    if isinstance(column, dict):
        names = list(column)
    if names is None or isinstance(names, str):
        return
    listed = [str(n) for n in names]
    example = f", such as table[{listed[0]!r}]".replace("'", '"') if listed else ""
    raise TypeError(
        f"{name} must be one column, got a table with the columns "
        f"{', '.join(listed)}: give one of them{example}."
    )
