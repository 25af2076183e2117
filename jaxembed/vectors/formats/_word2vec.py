"""Binary: word2vec's; a header, then each word, a space, and its numbers as bytes."""

from collections.abc import Iterator

import numpy as np

from jaxembed.vectors.formats._collect import Rows, Wanted, decode
from jaxembed.vectors.formats._lines import read_header, take_header
from jaxembed.vectors.formats._stream import Source
from jaxembed.vectors.formats._text import MAX_DIM

PIECE = 1 << 22  # bytes read at once
MAX_WORD = 1 << 16  # bytes of a word; word2vec's own have at most 100


def read_binary(source: Source, *, wanted: Wanted, limit: int | None) -> Iterator[Rows]:
    """The rows of a file in word2vec's binary format.

    Args:
      source: the file.
      wanted: the words whose rows are kept.
      limit: how many rows are looked at; None for all.

    Yields:
      :class:`Rows`, some at a time.

    Raises:
      ValueError: names the byte, what was expected there, and what is there.
    """
    promised, dim = take_header(source)
    if not 0 < dim <= MAX_DIM:
        raise ValueError(
            f"{source.name}:1: expected 1 to {MAX_DIM} numbers for each word, found "
            f"{dim}: is it a file of word vectors?"
        )
    n_rows = promised if limit is None else min(promised, limit)
    if limit is None and source.size is not None:
        n_bytes = source.position + promised * (4 * dim + 1)
        if n_bytes > source.size:
            raise ValueError(
                f"{source.name}, byte {source.size}: the header promises {promised} "
                f"rows of {dim}, at least {n_bytes} bytes, but the file ends here: it "
                "is cut, fetch it again."
            )
    done = 0
    while done < n_rows:
        rows = _read_some(source, dim, n_rows - done, wanted)
        done += rows[0]
        yield rows[1]
    if limit is None and source.peek(PIECE).strip(b"\n"):
        raise ValueError(
            f"{source.name}, byte {source.position}: the header promises {promised} "
            "rows, but there is more behind them: is it of another file?"
        )


def ends_as_binary(source: Source, head: bytes, start: int) -> bool:
    """Whether a small file ends where the rows of its header would end in binary.

    Args:
      source: the file, of which nothing was read yet.
      head: its first bytes.
      start: where the header has ended.
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
    """At most ``n_rows`` rows: how many there were, and those that are wanted."""
    width = 4 * dim
    data = source.peek(max(PIECE, 2 * width + MAX_WORD))
    words, parts, places = [], [], []
    start, done = 0, 0
    while done < n_rows:
        space = data.find(b" ", start, start + MAX_WORD)
        end = space + 1 + width
        if space < 0 or end > len(data):
            break
        word = data[start:space].lstrip(b"\n")  # some files end each row with one
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
                f"{matrix[row][~np.isfinite(matrix[row])][0]}: the file is damaged."
            )
    source.skip(start)
    return done, Rows(words, matrix.astype(np.float32, copy=False))


def _refuse_end(source: Source, data: bytes, width: int, n_rows: int) -> None:
    place = f"{source.name}, byte {source.position}"
    if len(data) > MAX_WORD and b" " not in data[:MAX_WORD]:
        raise ValueError(
            f"{place}: expected a word of less than {MAX_WORD} bytes and a space, got "
            f"{data[:20]!r}...: the file is damaged, or of another format."
        )
    raise ValueError(
        f"{place}: expected {n_rows} more rows, each a word, a space and {width} "
        f"bytes, but the file ends {len(data)} bytes on: it is cut, fetch it again."
    )
