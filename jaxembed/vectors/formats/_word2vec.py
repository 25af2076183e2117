"""word2vec binary: read a header, then each word, a space, and its float32 numbers."""

from collections.abc import Iterator

import numpy as np

from jaxembed.vectors.formats._collect import Rows, Wanted, decode
from jaxembed.vectors.formats._lines import read_header, take_header
from jaxembed.vectors.formats._stream import Source
from jaxembed.vectors.formats._text import MAX_DIM

PIECE = 1 << 22  # bytes read at once
MAX_WORD = 1 << 16  # bytes of a word; word2vec writes at most 100


def read_binary(source: Source, *, wanted: Wanted, limit: int | None) -> Iterator[Rows]:
    """Read the rows of a file in word2vec's binary format.

    Args:
      source: the file.
      wanted: words to keep.
      limit: number of rows to search, from the first row on; None for all.

    Yields:
      :class:`Rows`, some at a time.

    Raises:
      ValueError: if the file is cut or damaged; the error names the byte, the expected
        and the actual content.
    """
    promised, dim = take_header(source)
    if not 0 < dim <= MAX_DIM:
        raise ValueError(
            f"{source.name}:1: expected 1 to {MAX_DIM} numbers for each word, got "
            f"{dim}: is it a file of word vectors?"
        )
    n_rows = promised if limit is None else min(promised, limit)
    if limit is None and source.size is not None:
        n_bytes = source.position + promised * (4 * dim + 1)
        if n_bytes > source.size:
            raise ValueError(
                f"{source.name}, byte {source.size}: the header declares {promised} "
                f"rows of {dim} numbers, at least {n_bytes} bytes, but the file ends "
                "here: it is cut, fetch it again."
            )
    done = 0
    while done < n_rows:
        rows = _read_some(source, dim, n_rows - done, wanted)
        done += rows[0]
        yield rows[1]
    if limit is None and source.peek(PIECE).strip(b"\n"):
        raise ValueError(
            f"{source.name}, byte {source.position}: the header declares {promised} "
            "rows, but the file has more: is the header of another file?"
        )


def ends_as_binary(source: Source, head: bytes, start: int) -> bool:
    """Return whether a small file ends where binary rows of its header would end.

    Args:
      source: the file, at position 0.
      head: first bytes of the file.
      start: index of the first byte after the header.
    """
    header = read_header(source)
    assert header is not None
    place = start
    for _ in range(header[0]):
        space = head.find(b" ", place, place + MAX_WORD)
        place = space + 1 + 4 * header[1]
        if space < 0 or place > len(head):
            return False
    is_whole = len(source.peek(len(head) + 1)) == len(head)
    return is_whole and not head[place:].strip(b"\n")


def _read_some(
    source: Source, dim: int, n_rows: int, wanted: Wanted
) -> tuple[int, Rows]:
    """Read at most ``n_rows`` rows; return their number and the wanted rows."""
    width = 4 * dim
    data = source.peek(max(PIECE, 2 * width + MAX_WORD))
    words, parts, places = [], [], []
    start, done = 0, 0
    while done < n_rows:
        space = data.find(b" ", start, start + MAX_WORD)
        end = space + 1 + width
        if space < 0 or end > len(data):
            break
        word = data[start:space].lstrip(b"\n")  # some tools end rows with a newline
        if not word:
            raise ValueError(
                f"{source.name}, byte {source.position + start}: expected a word, got "
                "a space: the file is damaged, fetch it again."
            )
        if word in wanted:
            words.append(word)
            parts.append(data[space + 1 : end])
            places.append(source.position + start)
        start, done = end, done + 1
    if not done:
        _refuse_end(source, data, width, n_rows)
    matrix = np.frombuffer(b"".join(parts), "<f4").reshape(-1, dim)
    with np.errstate(over="ignore", invalid="ignore"):
        is_finite = np.isfinite(matrix.sum(axis=1))
    for row in np.flatnonzero(~is_finite):
        if not np.isfinite(matrix[row]).all():
            raise ValueError(
                f"{source.name}, byte {places[row]}: the numbers of "
                f"{decode(words[row])!r} must be finite, got "
                f"{matrix[row][~np.isfinite(matrix[row])][0]}: the file is damaged, "
                "fetch it again."
            )
    source.skip(start)
    return done, Rows(words, matrix.astype(np.float32, copy=False))


def _refuse_end(source: Source, data: bytes, width: int, n_rows: int) -> None:
    place = f"{source.name}, byte {source.position}"
    if len(data) > MAX_WORD and b" " not in data[:MAX_WORD]:
        raise ValueError(
            f"{place}: expected a word of less than {MAX_WORD} bytes and a space, got "
            f"{data[:20]!r}...: the file is damaged, or in another format."
        )
    raise ValueError(
        f"{place}: expected {n_rows} more rows, each a word, a space and {width} "
        f"bytes, but the file ends after {len(data)}: it is cut, fetch it again."
    )
