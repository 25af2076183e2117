"""Table: texts and labels in the columns of a file."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jaxembed.text.files import _rows
from jaxembed.text.files._labelled import Label, LabelledTexts, warn_empty

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "fasttext",
    ".ft": "fasttext",
}
DELIMITERS = {"csv": ",", "tsv": "\t"}
INTEGER = re.compile(r"-?[1-9]\d{0,17}|0")
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")
Columns = str | Sequence[str]


def load_table(
    path: str | Path,
    text: Columns = "text",
    label: str = "label",
    *,
    format: str | None = None,
    split: str | None = None,
    split_column: str = "split",
    names: Sequence[str] | None = None,
    delimiter: str | None = None,
    quote: str | None = '"',
    label_separator: str | None = None,
    encoding: str = "utf-8",
    errors: str = "strict",
) -> LabelledTexts:
    r"""Load texts and labels from the columns of a file.

    Labels of CSV and TSV become integers if all are written as integers, floats if all
    are numbers, and are strings otherwise. Those of JSON and Parquet keep their type,
    and those of fastText's lines are strings.

    Args:
      path: the file.
      text: name of the column of the texts; or names of several columns, whose texts
        are joined by a space. Lines of fastText have no columns.
      label: name of the column of the labels.
      format: "csv", "tsv", "jsonl" (a JSON object on each line), "parquet" or
        "fasttext" (lines such as ``__label__pos A joy.``); None to select it by the
        suffix: .csv, .tsv, .tab, .jsonl, .ndjson, .json, .parquet, .pq, .txt or .ft.
      split: the part to load: only rows with this value in ``split_column``. None for
        all rows.
      split_column: name of the column that tells the part, such as "train", of a row.
      names: names of the columns of a CSV or TSV file without a header.
      delimiter: character between two cells; by default a comma in CSV, a tab in TSV.
      quote: character around cells of CSV and TSV; None if quotes are part of texts.
      label_separator: character between several labels in one cell. Each text then has
        a list of labels, as in JSON and Parquet with lists and in fastText's lines with
        more than one label.
      encoding: encoding of the file; necessary if it is not UTF-8.
      errors: "strict" to raise for a byte that is not of the encoding, "replace" to
        read it as U+FFFD.

    Returns:
      :class:`LabelledTexts`, in the order of the rows.

    Raises:
      FileNotFoundError: if the file does not exist.
      IsADirectoryError: if ``path`` is a folder.
      ValueError: if the file is empty, damaged or has no rows; if a column is missing
        (the error names the columns there are); if a row is malformed, its text is not
        a string or has a NUL character, or its label is missing; or if an argument is
        invalid. The error names the line.

    Warns:
      UserWarning: if texts are empty; names their lines.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     file = Path(folder, "reviews.csv")
      ...     _ = file.write_text('stars,review\n5,"A joy, a joy."\n1,A bore.\n')
      ...     load_table(file, text="review", label="stars")
      LabelledTexts(texts=['A joy, a joy.', 'A bore.'], labels=[5, 1])
    """
    file, kind = Path(path), _find_format(Path(path), format)
    options: dict[str, Any] = {"encoding": encoding, "errors": errors, "names": names}
    options |= {"delimiter": delimiter, "quote": quote}
    if label_separator == "":
        raise ValueError("label_separator must have a character, got none.")
    part = None if split is None else (split_column, split)
    texts, labels, empty = [], [], []
    rows = _read(file, kind, text, label, part=part, **options)
    for place, content, given in rows:
        if given is None or given == "" or (kind == "fasttext" and not given):
            raise ValueError(f"{file}, {place}: the label is missing.")
        if not content.strip():
            empty.append(place)
        texts.append(content)
        labels.append(_cut(given, label_separator))
    if not texts:
        of_part = "" if part is None else f" with {split!r} in {split_column!r}"
        raise ValueError(f"{file} has no rows{of_part}.")
    warn_empty(str(file), empty, len(texts))
    return LabelledTexts(texts, _convert(labels, kind))


def iter_texts(
    path: str | Path,
    text: Columns = "text",
    *,
    format: str | None = None,
    names: Sequence[str] | None = None,
    delimiter: str | None = None,
    quote: str | None = '"',
    encoding: str = "utf-8",
    errors: str = "strict",
) -> Iterator[str]:
    r"""Yield the texts of a file one by one, for a file larger than memory.

    Args:
      path: the file.
      text: name of the column of the texts; see :func:`load_table`.
      format: see :func:`load_table`; also "lines", with one text on each line.
      names: see :func:`load_table`.
      delimiter: see :func:`load_table`.
      quote: see :func:`load_table`.
      encoding: see :func:`load_table`.
      errors: see :func:`load_table`.

    Raises:
      FileNotFoundError: if the file does not exist.
      ValueError: as in :func:`load_table`, when the text is reached.

    Example:
      >>> import tempfile
      >>> with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
      ...     _ = file.write("id\ttext\n1\tA joy.\n2\tA bore.\n")
      ...     file.flush()
      ...     list(iter_texts(file.name))
      ['A joy.', 'A bore.']
    """
    file = Path(path)
    kind = format if format == "lines" else _find_format(file, format)
    options: dict[str, Any] = {"encoding": encoding, "errors": errors, "names": names}
    options |= {"delimiter": delimiter, "quote": quote}
    for _, content, _ in _read(file, kind, text, None, part=None, **options):
        yield content


def _find_format(path: Path, format: str | None) -> str:
    found = FORMATS.get(path.suffix.lower()) if format is None else format
    if found is None or found not in FORMATS.values():
        what = f"{path} has an unknown suffix" if format is None else f"got {format!r}"
        known, suffixes = ", ".join(dict.fromkeys(FORMATS.values())), ", ".join(FORMATS)
        raise ValueError(
            f"{what}: give format= as one of {known}, or a file whose name ends in "
            f"one of {suffixes}."
        )
    return found


def _read(
    path: Path,
    kind: str,
    text: Columns,
    label: str | None,
    *,
    part: tuple[str, str] | None,
    names: Sequence[str] | None,
    delimiter: str | None,
    quote: str | None,
    encoding: str,
    errors: str,
) -> Iterator[tuple[str, str, Any]]:
    """Yield place, text and label of each row; the label is None without a column."""
    several = [text] if isinstance(text, str) else list(text)
    if not several:
        raise ValueError("text must name one column or more, got none.")
    columns = [_rows.Column(name, "text") for name in several]
    columns += [] if label is None else [_rows.Column(label, "label")]
    columns += [] if part is None else [_rows.Column(part[0], "split_column")]
    rows: Iterable[_rows.Row]
    if kind in DELIMITERS:
        sign = DELIMITERS[kind] if delimiter is None else delimiter
        _check_signs(sign, quote)
        layout = _rows.Layout(names, sign, quote, encoding, errors)
        rows = _rows.read_delimited(path, columns, layout)
    elif kind == "jsonl":
        rows = _rows.read_json_lines(path, columns, encoding, errors)
    elif kind == "parquet":
        rows = _rows.read_parquet(path, columns)
    else:
        if part is not None:
            raise ValueError(f"{path} has no columns, so it has no split {part[1]!r}.")
        rows = _rows.read_fasttext(path, encoding, errors, with_labels=kind != "lines")
        several, label = several[:1], "labels"
    for place, cells in rows:
        if part is not None and str(cells[-1]) != part[1]:
            continue
        words = [
            _check_text(path, place, cell, column)
            for column, cell in zip(several, cells, strict=False)
        ]
        yield place, " ".join(words), None if label is None else cells[len(several)]


def _check_signs(delimiter: str, quote: str | None) -> None:
    for name, sign in (("delimiter", delimiter), ("quote", quote)):
        if sign is not None and (not isinstance(sign, str) or len(sign) != 1):
            raise ValueError(f"{name} must be one character, got {sign!r}.")


def _check_text(path: Path, place: str, cell: Any, column: str) -> str:
    if not isinstance(cell, str):
        found = "nothing" if cell is None else f"{type(cell).__name__} {cell!r:.40}"
        raise ValueError(f"{path}, {place}: {column!r} must be a text, got {found}.")
    if "\0" in cell:
        raise ValueError(
            f"{path}, {place}: the text has a NUL character: the file is binary, or "
            "has another encoding."
        )
    return cell


def _cut(label: Any, separator: str | None) -> Label:
    if separator is None or not isinstance(label, str):
        return label
    return [part.strip() for part in label.split(separator) if part.strip()]


def _convert(labels: list[Any], kind: str) -> list[Any]:
    """Return labels of one type, read as numbers if all are written as numbers."""
    if kind == "fasttext":
        is_single = all(len(some) == 1 for some in labels)
        return [some[0] for some in labels] if is_single else labels
    if kind not in DELIMITERS or isinstance(labels[0], list):
        return labels
    if all(INTEGER.fullmatch(label) for label in labels):
        return [int(label) for label in labels]
    if all(NUMBER.fullmatch(label) for label in labels):
        return [float(label) for label in labels]
    return labels
