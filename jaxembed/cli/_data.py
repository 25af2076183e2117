"""Data: labelled texts from the flags of a command."""

import dataclasses
from pathlib import Path
from typing import Any, Literal

from jaxembed import text

IMDB = ("installed", "tfds", "synthetic")
PARTS = ("train", "test")
Format = Literal["csv", "tsv", "jsonl", "parquet", "fasttext"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Flags that describe a table or a folder of texts.

    Attributes:
      text: Column of the texts. Several columns are joined by spaces.
      label: Column of the labels.
      format: Format of the table; by default that of the suffix of its name.
      split: Part of the table to read, a value in the column of --split-column.
      split_column: Column that tells the part of a row.
      names: Names of the columns of a CSV or TSV file without a header.
      delimiter: Character between two cells of a CSV or TSV file.
      quotes: Whether quotes enclose cells. With --no-quotes they are part of the texts.
      label_separator: Character between several labels in one cell.
      suffix: End of the names of the files in a folder for each class.
      encoding: Encoding of the files.
      errors: Bytes that are not of the encoding: an error, or replaced by U+FFFD.
    """

    text: tuple[str, ...] = ("text",)
    label: str = "label"
    format: Format | None = None
    split: str | None = None
    split_column: str = "split"
    names: tuple[str, ...] | None = None
    delimiter: str | None = None
    quotes: bool = True
    label_separator: str | None = None
    suffix: str = ".txt"
    encoding: str = "utf-8"
    errors: Literal["strict", "replace"] = "strict"


def load(data: str, options: DataOptions) -> dict[str, text.LabelledTexts]:
    """Return the texts of a table, a folder or the IMDB reviews, by part.

    Args:
      data: a path, or a source of :func:`jaxembed.text.load_imdb`.
      options: flags.

    Returns:
      The key "train", and "test" if the data have given parts.
    """
    if not data:
        raise ValueError("data must be a table, a folder or a source, got ''.")
    path = Path(data)
    if data in IMDB or path.name.endswith(".tar.gz"):
        return _load_imdb(data)
    if not path.is_dir():
        return {"train": load_file(path, options)}
    if not (path / "train").is_dir():
        return {"train": _load_folder(path, options)}
    if all((path / part / name).is_dir() for part in PARTS for name in ("neg", "pos")):
        return _load_imdb(data)
    found = {part: path / part for part in PARTS if (path / part).is_dir()}
    return {part: _load_folder(folder, options) for part, folder in found.items()}


def load_file(path: Path, options: DataOptions) -> text.LabelledTexts:
    """Return the texts and labels of a table."""
    return text.load_table(
        path,
        list(options.text),
        options.label,
        split=options.split,
        split_column=options.split_column,
        label_separator=options.label_separator,
        **form(options),
    )


def form(options: DataOptions) -> dict[str, Any]:
    """Return the flags that both readers of tables take."""
    return {
        "format": options.format,
        "names": options.names,
        "delimiter": options.delimiter,
        "quote": '"' if options.quotes else None,
        "encoding": options.encoding,
        "errors": options.errors,
    }


def _load_folder(path: Path, options: DataOptions) -> text.LabelledTexts:
    how = {"encoding": options.encoding, "errors": options.errors}
    return text.load_folder(path, suffix=options.suffix, **how)


def _load_imdb(source: str) -> dict[str, text.LabelledTexts]:
    corpus = text.load_imdb(source)
    names = ("neg", "pos")
    pairs = {
        "train": (corpus.train_texts, corpus.train_labels),
        "test": (corpus.test_texts, corpus.test_labels),
    }
    return {
        part: text.LabelledTexts(texts, [names[label] for label in labels])
        for part, (texts, labels) in pairs.items()
        if texts
    }
