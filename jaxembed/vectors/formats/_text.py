"""Text: read a word and its numbers from each line (GloVe, word2vec, fastText)."""

import collections
import re
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from jaxembed.vectors.formats._collect import Rows, Wanted, copy_to_arrow, show
from jaxembed.vectors.formats._foreign import BYTE_ORDER_MARK, explain
from jaxembed.vectors.formats._lines import (
    Lines,
    first_lines,
    read_ahead,
    read_lines,
    take_header,
)
from jaxembed.vectors.formats._stream import BLOCK, Source

NUMBER = re.compile(
    rb"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf(inity)?)", re.I
)
# Matches unambiguous decimals, which cannot be the last part of a word.
DECIMAL = re.compile(
    rb"[+-]?((\d+\.\d*|\.\d+)([eE][+-]?\d+)?|\d+[eE][+-]?\d+)",
)
HEAD = 1 << 16  # bytes from which the number of columns is detected
PIECE = 1 << 21  # bytes that one thread parses at once
MAX_DIM = 1 << 20


def count_numbers(line: bytes) -> int:
    """Count the numbers after the word of a line.

    Example:
      >>> count_numbers(b". . 0.5 -1e-3"), count_numbers(b"5 0.5"), count_numbers(b"5")
      (2, 1, 0)
    """
    fields = line.rstrip(b" \r\n").split(b" ")[1:]
    for n, field in enumerate(reversed(fields)):
        if not NUMBER.fullmatch(field):
            return n
    return len(fields)


def find_dim(source: Source) -> int:
    """Return the most frequent number of columns in the first lines; 0 if unknown."""
    head = source.peek(HEAD)
    if b"\n" not in head:
        head = source.peek(BLOCK)
    lines = head.split(b"\n")
    lines = lines[:-1] or lines
    widths = collections.Counter(filter(None, map(count_numbers, lines)))
    return widths.most_common(1)[0][0] if widths else 0


def read_text(
    source: Source, *, has_header: bool, wanted: Wanted, limit: int | None
) -> Iterator[Rows]:
    """Read the rows of a text file.

    A word may contain spaces, since the numbers are counted from the right.

    Args:
      source: the file.
      has_header: whether the first line has the numbers of rows and columns.
      wanted: words whose numbers are parsed. In all other lines, only the number of
        fields is checked.
      limit: number of rows to search, from the first row on; None for all.

    Yields:
      :class:`Rows`, some at a time.

    Raises:
      ValueError: if the file is cut or damaged; the error names the line, the expected
        and the actual content.
    """
    promised, dim = take_header(source) if has_header else (None, find_dim(source))
    if not 0 < dim <= MAX_DIM:
        raise ValueError(
            f"{source.name}:1: expected 1 to {MAX_DIM} numbers for each word, got "
            f"{dim}: is it a file of word vectors?{explain(source.peek(HEAD))}"
        )
    first = 2 if has_header else 1
    n_rows = 0
    with closing(read_ahead(read_lines(source, first))) as parts:
        for lines in parts:
            n_left = len(lines.numbers) if limit is None else limit - n_rows
            if n_left < len(lines.numbers):
                lines = first_lines(lines, n_left)
            n_rows += len(lines.numbers)
            if promised is not None and n_rows > promised:
                raise ValueError(
                    f"{source.name}:{promised + 2}: the header declares {promised} "
                    "rows, but the file has more: is the header of another file?"
                )
            yield _parse(lines, dim, wanted, source.name)
            if n_rows == limit:
                return
    if promised is not None and n_rows < promised:
        raise ValueError(
            f"{source.name}:{first + n_rows}: the header declares {promised} rows, "
            f"but the file ends after {n_rows}: it is cut, fetch it again."
        )


def _parse(lines: Lines, dim: int, wanted: Wanted, name: str) -> Rows:
    if b"\0" in lines.data:
        row = lines.data.count(b"\n", 0, lines.data.index(b"\0"))
        line = lines.data.split(b"\n", row + 1)[row]
        raise ValueError(
            f"{name}:{lines.numbers[row]}: expected text, got a zero byte on the line "
            f"that starts with {show(line)}: is it a damaged file of another format?"
        )
    if b"\r" in lines.data:
        lines = lines._replace(data=lines.data.replace(b"\r\n", b"\n"))
    if wanted.words is not None:
        rows, numbers = _parse_wanted(lines, dim, wanted, name)
    else:
        rows = _parse_fast(lines.data, dim) or _parse_lines(lines, dim, name)
        numbers = lines.numbers
    with np.errstate(over="ignore", invalid="ignore"):
        is_finite = np.isfinite(rows.matrix.sum(axis=1))
    for place in np.flatnonzero(~is_finite):
        for column in np.flatnonzero(~np.isfinite(rows.matrix[place])):
            raise ValueError(
                f"{name}:{numbers[place]}: number {column + 1} of "
                f"{show(rows.words[place])} must be finite in float32, got "
                f"{rows.matrix[place, column]}."
            )
    return rows


def _parse_wanted(
    lines: Lines, dim: int, wanted: Wanted, name: str
) -> tuple[Rows, np.ndarray]:
    """Parse the lines of wanted words; check the number of values in all lines."""
    kept, numbers = [], []
    # fastText also writes a space after the last number of each line.
    has_end = lines.data[: lines.data.index(b"\n")].endswith(b" ")
    n_spaces = dim + has_end
    for number, line in zip(lines.numbers, lines.data.split(b"\n"), strict=False):
        is_plain = line.count(b" ") == n_spaces and line.endswith(b" ") == has_end
        if is_plain and not line.startswith(b" "):
            word = line[: line.index(b" ")]
        else:
            word = _split(line, dim, f"{name}:{number}")[0]
        if word in wanted:
            kept.append(line)
            numbers.append(number)
    if not kept:
        return Rows([], np.zeros((0, dim), np.float32)), lines.numbers[:0]
    some = Lines(b"\n".join([*kept, b""]), np.array(numbers))
    return _parse_fast(some.data, dim) or _parse_lines(some, dim, name), some.numbers


def _parse_fast(data: bytes, dim: int) -> Rows | None:
    """Parse all lines by Arrow's CSV reader; return None if it cannot parse a line."""
    # Arrow would end a line at a lone \r, drop a byte order mark, and allocate all
    # columns before it finds that a line is too short.
    is_short = data[: data.index(b"\n")].count(b" ") < dim
    is_wordless = data.startswith(b" ") or b"\n " in data
    has_mark = data.startswith(BYTE_ORDER_MARK)
    if b"\r" in data or has_mark or is_short or is_wordless:
        return None
    columns = {str(i): pa.float32() for i in range(1, dim + 1)}
    names = ["word", *columns]
    if data[: data.index(b"\n")].endswith(b" "):
        names.append("end")
    try:
        table = csv.read_csv(
            copy_to_arrow(data),
            read_options=csv.ReadOptions(column_names=names, block_size=PIECE),
            parse_options=csv.ParseOptions(
                delimiter=" ",
                quote_char=False,
                double_quote=False,
                ignore_empty_lines=False,
            ),
            convert_options=csv.ConvertOptions(
                column_types={"word": pa.binary(), **columns, "end": pa.binary()},
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    if "end" in names and pc.max(pc.binary_length(table["end"])).as_py():
        return None
    matrix, start = np.empty((len(table), dim), np.float32), 0
    for batch in table.select(list(columns)).to_batches():  # each fits a CPU cache
        rows = matrix[start : start + len(batch)]
        np.stack([column.to_numpy() for column in batch], axis=1, out=rows)
        start += len(batch)
    return Rows(table["word"].to_pylist(), matrix)


def _parse_lines(lines: Lines, dim: int, name: str) -> Rows:
    """Parse line by line, for words with spaces, and to locate an invalid number."""
    words: list[bytes] = []
    fields: list[bytes] = []
    for number, line in zip(lines.numbers, lines.data.split(b"\n"), strict=False):
        word, some = _split(line, dim, f"{name}:{number}")
        words.append(word)
        fields += some
    # By Arrow too, so that both parsers give the same bits.
    values = _to_floats(fields)
    if values is None:
        place = next(i for i, field in enumerate(fields) if _to_floats([field]) is None)
        row, column = divmod(place, dim)
        raise ValueError(
            f"{name}:{lines.numbers[row]}: number {column + 1} of {show(words[row])} "
            f"must be a number, got {show(fields[place])}"
            f"{explain(b' ' + fields[place])}."
        )
    return Rows(words, values.reshape(-1, dim))


def _to_floats(fields: list[bytes]) -> np.ndarray | None:
    texts = pa.array([field.decode("utf-8", "replace") for field in fields])
    try:
        return pc.cast(texts, pa.float32()).to_numpy()
    except pa.ArrowInvalid:
        return None


def _split(line: bytes, dim: int, place: str) -> tuple[bytes, list[bytes]]:
    """Split a line into its word, which may have spaces, and its numbers."""
    line = line.rstrip(b" \t\r")
    if b"\r" in line:
        raise ValueError(
            f"{place}: expected a newline as the line end, got a carriage return in "
            f"the line that starts with {show(line)}: convert the line ends."
        )
    word, *fields = line.rsplit(b" ", dim)
    n_fields = len(fields)
    if n_fields == dim and DECIMAL.fullmatch(word.rsplit(b" ", 1)[-1]) and b" " in word:
        n_fields = count_numbers(line)
    if n_fields != dim:
        raise ValueError(
            f"{place}: expected a word and {dim} numbers, got {n_fields} numbers on "
            f"the line that starts with {show(line)}{explain(line)}."
        )
    if not word:
        raise ValueError(
            f"{place}: expected a word before the {dim} numbers, got a space in the "
            f"line that starts with {show(line)}: remove the line, or give it a word."
        )
    return word, fields
