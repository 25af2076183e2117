"""Decode: open a text file in a named encoding, with the line of a bad byte."""

import codecs
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from jaxembed import _io

ERRORS = ("strict", "replace")
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
PIECE = 1 << 16


@contextmanager
def open_text(
    path: Path, encoding: str = "utf-8", errors: str = "strict"
) -> Iterator[TextIO]:
    r"""Open a file for reading as text, without its byte order mark.

    Line ends are not translated. An error of decoding inside of the ``with`` block
    becomes a ValueError that names the line.

    Args:
      path: the file.
      encoding: name of its encoding.
      errors: "strict" to raise for a byte that is not of the encoding, "replace" to
        read it as U+FFFD.

    Raises:
      FileNotFoundError: if the file does not exist.
      IsADirectoryError: if it is a folder.
      ValueError: if it is empty, a device or a named pipe; if ``encoding`` or
        ``errors`` is unknown; or if a byte is not of the encoding.

    Example:
      >>> import tempfile
      >>> with tempfile.NamedTemporaryFile() as file:
      ...     _ = file.write(b"\xef\xbb\xbfgood\nna\xefve\n")
      ...     file.flush()
      ...     with open_text(Path(file.name), errors="replace") as stream:
      ...         stream.read()
      'good\nna\ufffdve\n'
    """
    check_encoding(encoding, errors)
    check_file(path)
    with open(path, "rb") as raw:
        start = raw.read(4)
    found = next((name for mark, name in MARKS.items() if start.startswith(mark)), None)
    if found is not None and "16" not in encoding and "32" not in encoding:
        raise ValueError(
            f"{path} begins with the byte order mark of {found}: give "
            f"encoding={found!r}."
        )
    name = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    with open(path, encoding=name, errors=errors, newline="") as stream:
        try:
            yield stream
        except UnicodeDecodeError as error:
            raise ValueError(_describe(path, name)) from error


def check_encoding(encoding: str, errors: str) -> None:
    """Raise unless the encoding is one of texts, and ``errors`` is known.

    Example:
      >>> check_encoding("utf8", "ignore")
      Traceback (most recent call last):
      ValueError: errors must be one of ('strict', 'replace'), got 'ignore'.
    """
    if errors not in ERRORS:
        raise ValueError(f"errors must be one of {ERRORS}, got {errors!r}.")
    try:
        "".encode(encoding)
    except LookupError as error:  # also for "base64" and "rot13"
        raise ValueError(
            f"encoding must be an encoding of texts that Python has, such as 'utf-8', "
            f"'cp1252' or 'latin-1', got {encoding!r}."
        ) from error


def check_file(path: Path) -> None:
    """Raise unless a path is a file with at least one byte."""
    if path.is_dir():
        raise IsADirectoryError(
            f"{path} is a folder: give a file, or read the folder with load_folder."
        )
    _io.check_regular(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    if not os.path.getsize(path):
        raise ValueError(f"{path} is empty: it has no byte.")


def _describe(path: Path, encoding: str) -> str:
    """Return the error of a file with a bad byte, with its line and its place."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, n_read = 1, 0
    with open(path, "rb") as raw:
        while piece := raw.read(PIECE):
            pending = len(decoder.getstate()[0])
            try:
                line += decoder.decode(piece).count("\n")
            except UnicodeDecodeError as error:
                good, bad = error.object[: error.start], error.object[error.start]
                line += codecs.decode(good, encoding, "ignore").count("\n")
                place = n_read - pending + error.start
                break
            n_read += len(piece)
        else:
            place, bad = n_read, None
    found = "an incomplete character" if bad is None else f"the byte 0x{bad:02x}"
    name = "utf-8" if encoding == "utf-8-sig" else encoding
    return (
        f"{path}, line {line}: {found} at byte {place} is not {name}. Give the "
        "encoding of the file, such as encoding='cp1252', or errors='replace'."
    )
