"""Lines: whole lines of a text, read and decompressed ahead of their parsing."""

import re
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from jaxembed.vectors.formats._collect import show
from jaxembed.vectors.formats._stream import BLOCK, Source

HEADER = re.compile(rb"[ \t]*(\d{1,18})[ \t](\d{1,18})[ \t\r]*\n")
HEADER_BYTES = 256  # no header has more
NEWLINE = b"\n"


class Lines(NamedTuple):
    """Some whole lines of a file.

    Attributes:
      data: n lines, each with its end.
      numbers: ``int64[n]``, their places in the file, from 1 on.
    """

    data: bytes
    numbers: np.ndarray


def read_header(source: Source) -> tuple[int, int] | None:
    """The numbers of rows and columns on the first line, if these are all it has."""
    match = HEADER.match(source.peek(HEADER_BYTES))
    return None if match is None else (int(match[1]), int(match[2]))


def take_header(source: Source) -> tuple[int, int]:
    """What :func:`read_header` finds, and reads on to the line behind it.

    Raises:
      ValueError: if there is no header.
    """
    header = read_header(source)
    if header is None:
        line = source.peek(HEADER_BYTES).split(b"\n")[0]
        raise ValueError(
            f"{source.name}:1: expected a line with the numbers of rows and of "
            f"columns, got {show(line)}."
        )
    source.skip(source.peek(HEADER_BYTES).index(b"\n") + 1)
    return header


def read_ahead(parts: Iterator[Lines]) -> Generator[Lines]:
    """The same, each read and decompressed while the one before is parsed."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, parts, None)
        while (part := following.result()) is not None:
            following = pool.submit(next, parts, None)
            yield part


def read_lines(source: Source, first: int) -> Iterator[Lines]:
    """Whole lines, some megabytes at a time; empty ones at the end are left out."""
    begun, held = b"", b""  # a line that is not whole yet; lines that may be the last
    while data := source.read(BLOCK):
        end = data.rfind(b"\n") + 1
        if not end:
            begun += data
            if len(begun) > BLOCK:
                raise ValueError(
                    f"{source.name}:{first}: the line has more than {BLOCK} bytes: is "
                    "it a file of word vectors?"
                )
            continue
        whole = b"".join([held, begun, data[:end]])
        begun, held = data[end:], b""
        if whole[:1] in (b"\n", b"\r") or whole.endswith((b"\n\n", b"\n\r\n")):
            content = whole.rstrip(b"\r\n")
            n_kept = whole.index(b"\n", len(content)) + 1 if content else 0
            whole, held = whole[:n_kept], whole[n_kept:]
            if len(held) > BLOCK:
                raise ValueError(
                    f"{source.name}:{first + whole.count(NEWLINE)}: from here on there "
                    f"are more than {BLOCK} bytes of empty lines: is it a file of word "
                    "vectors?"
                )
        if whole:
            yield (lines := _number(whole, first))
            first += len(lines.numbers)
    if begun.strip(b"\r\n"):
        yield _number(held + begun + b"\n", first)


def _number(data: bytes, first: int) -> Lines:
    return Lines(data, np.arange(first, first + data.count(b"\n")))


def first_lines(lines: Lines, n: int) -> Lines:
    """The first ``n`` of some lines."""
    pieces = lines.data.split(b"\n", n)
    return Lines(b"\n".join([*pieces[:n], b""]), lines.numbers[:n])
