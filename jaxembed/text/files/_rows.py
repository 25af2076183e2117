"""Rows: read the cells of a table, row by row, each with its place in the file."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import pyarrow as pa

from jaxembed.text.files._decode import check_file, open_text

LABEL = "__label__"  # prefix of a label in fastText's files
LONGEST_FIELD = 2**31 - 1  # characters; the csv module allows 131,072 by default
BATCH = 1024  # rows of a Parquet file read at once


class Column(NamedTuple):
    """A column to read.

    Attributes:
      name: its name.
      argument: argument of the caller that names it, for the error if it is missing.
    """

    name: str
    argument: str


class Row(NamedTuple):
    """One row of a table.

    Attributes:
      place: its place in the file, such as "line 3".
      cells: the cells of the columns that were asked for.
    """

    place: str
    cells: list[Any]


class Layout(NamedTuple):
    """Form of a table in a text file.

    Attributes:
      names: names of the columns, of a file without a header; None to read them.
      delimiter: character between two cells.
      quote: character around cells with delimiters or line ends; None for none.
      encoding: encoding of the file.
      errors: "strict" or "replace".
    """

    names: Sequence[str] | None
    delimiter: str
    quote: str | None
    encoding: str
    errors: str


def read_delimited(
    path: Path, columns: Sequence[Column], layout: Layout
) -> Iterator[Row]:
    """Yield the rows of a CSV or TSV file, without empty lines.

    Raises:
      ValueError: if a column is missing, a row has more or fewer cells than the header,
        or a quoted cell does not end.
    """
    options: dict[str, Any] = {"delimiter": layout.delimiter, "strict": True}
    if layout.quote is None:
        options["quoting"] = csv.QUOTE_NONE
    else:
        options["quotechar"] = layout.quote
    with open_text(path, layout.encoding, layout.errors) as stream:
        lines = csv.reader(stream, **options)
        names = layout.names
        if names is None:
            header = _next_line(lines, path, 1)
            if not header:
                raise ValueError(
                    f"{path} has an empty line 1: write the names of the columns there."
                )
            names = header
        places = [find_column(path, names, column) for column in columns]
        start = lines.line_num + 1
        while (cells := _next_line(lines, path, start)) is not None:
            if cells and len(cells) != len(names):
                raise ValueError(
                    f"{path}, line {start}: the row has {len(cells)} cells, and there "
                    f"are {len(names)} columns. Check its delimiters and quotes, or "
                    "give delimiter= or quote=None."
                )
            if cells:
                yield Row(f"line {start}", [cells[i] for i in places])
            start = lines.line_num + 1


def _next_line(lines: Any, path: Path, start: int) -> list[str] | None:
    """Return the next cells, or None at the end."""
    # The limit is one of the process, so another thread may have set it back.
    before = csv.field_size_limit(LONGEST_FIELD)
    try:
        return next(lines, None)
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {start}: {error}. If quotes are part of the texts, give "
            "quote=None."
        ) from error
    finally:
        csv.field_size_limit(before)


def read_json_lines(
    path: Path, columns: Sequence[Column], encoding: str, errors: str
) -> Iterator[Row]:
    """Yield the rows of a file with one JSON object on each line.

    Raises:
      ValueError: if a line is not a JSON object, or lacks a column.
    """
    with open_text(path, encoding, errors) as stream:
        for number, line in _cut_lines(stream):
            if not line.strip():
                continue
            place = f"line {number}"
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(
                    f"{path}, {place}: not JSON: {error}. Write one object "
                    "on each line."
                ) from error
            if not isinstance(entry, dict):
                raise ValueError(
                    f"{path}, {place}: must be a JSON object, got "
                    f"{type(entry).__name__}: write one object on each line."
                )
            for column in columns:
                if column.name not in entry:
                    raise missing_column(f"{path}, {place}", column, list(entry))
            yield Row(place, [entry[column.name] for column in columns])


def read_parquet(path: Path, columns: Sequence[Column]) -> Iterator[Row]:
    """Yield the rows of a Parquet file.

    Raises:
      ValueError: if the file is damaged, or a column is missing.
    """
    from pyarrow import parquet

    check_file(path)
    n_read = 0
    try:
        with parquet.ParquetFile(path) as file:
            for column in columns:
                find_column(path, file.schema_arrow.names, column)
            names = [column.name for column in columns]
            for batch in file.iter_batches(BATCH, columns=list(dict.fromkeys(names))):
                lists = [batch.column(name).to_pylist() for name in names]
                for cells in zip(*lists, strict=True):
                    n_read += 1
                    yield Row(f"row {n_read}", list(cells))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} cannot be read as Parquet after {n_read} rows: {error}"
        ) from error


def read_fasttext(
    path: Path, encoding: str, errors: str, *, with_labels: bool = True
) -> Iterator[Row]:
    """Yield text and labels of fastText's lines: ``__label__pos A joy.``.

    Words that begin with ``__label__`` are labels, wherever they are in the line.
    Without labels, each line is a text.
    """
    with open_text(path, encoding, errors) as stream:
        for number, line in _cut_lines(stream):
            if not with_labels:
                yield Row(f"line {number}", [line, []])
                continue
            words = line.split(" ")
            labels = [w.removeprefix(LABEL) for w in words if w.startswith(LABEL)]
            rest = [word for word in words if not word.startswith(LABEL)]
            if labels or line.strip():
                yield Row(f"line {number}", [" ".join(rest), labels])


def _cut_lines(stream: TextIO) -> Iterator[tuple[int, str]]:
    r"""Yield number and text of each line; a lone ``\r`` ends no line."""
    pending, number = "", 1
    for piece in stream:  # newline="" ends a piece at \r too
        pending += piece
        if piece.endswith("\n"):
            yield number, pending.rstrip("\r\n")
            pending, number = "", number + 1
    if pending:
        yield number, pending


def find_column(path: Path, names: Sequence[str], column: Column) -> int:
    """Return the place of a column.

    Raises:
      ValueError: if it is missing, or there twice.

    Example:
      >>> find_column(Path("a.csv"), ["id", "text"], Column("text", "text"))
      1
      >>> find_column(Path("a.csv"), ["id", "text"], Column("stars", "label"))
      Traceback (most recent call last):
      ValueError: a.csv has no column 'stars'. Its columns are 'id', 'text': give one of
      them as label=.
    """
    found = [place for place, name in enumerate(names) if name == column.name]
    if len(found) > 1:
        raise ValueError(
            f"{path} has {len(found)} columns {column.name!r}: rename one."
        )
    if not found:
        raise missing_column(str(path), column, names)
    return found[0]


def missing_column(where: str, column: Column, names: Sequence[str]) -> ValueError:
    """Return the error of a missing column, with the columns there are."""
    listed = ", ".join(repr(str(name)[:40]) for name in names[:20])
    remedy = f"give one of them as {column.argument}="
    signs = [sign for sign in ";\t|," if len(names) == 1 and sign in str(names[0])]
    if signs:
        remedy = f"give delimiter={signs[0]!r}"
    return ValueError(
        f"{where} has no column {column.name!r}. Its columns are {listed}: {remedy}."
    )
