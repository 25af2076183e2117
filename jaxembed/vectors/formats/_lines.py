"""Lines: read and decompress whole lines of text ahead of their parsing."""

import re
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from jaxembed.vectors.formats._collect import show
from jaxembed.vectors.formats._stream import BLOCK, Source

HEADER = re.compile(rb"[ \t]*(\d{1,18})[ \t](\d{1,18})[ \t\r]*\n")
HEADER_BYTES = 256  # longest header
NEWLINE = b"\n"


class Lines(NamedTuple):
    """Some whole lines of a file.

    Attributes:
      data: n lines, each with its line end.
      numbers: ``int64[n]``, line numbers in the file, from 1 on.
    """

    data: bytes
    numbers: np.ndarray


def read_header(source: Source) -> tuple[int, int] | None:
    """Return the numbers of rows and columns in the header; None without a header."""
    match = HEADER.match(source.peek(HEADER_BYTES))
    return None if match is None else (int(match[1]), int(match[2]))


def take_header(source: Source) -> tuple[int, int]:
    """Return the numbers of rows and columns in the header, and skip its line.

    Raises:
      ValueError: if the first line is not a header.
    """
    header = read_header(source)
    if header is None:
        line = source.peek(HEADER_BYTES).split(b"\n")[0]
        raise ValueError(
            f"{source.name}:1: expected a header with the numbers of rows and columns, "
            f"got {show(line)}."
        )
    source.skip(source.peek(HEADER_BYTES).index(b"\n") + 1)
    return header


def read_ahead(parts: Iterator[Lines]) -> Generator[Lines]:
    """Yield each part while a thread reads and decompresses the next one."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, parts, None)
        while (part := following.result()) is not None:
            following = pool.submit(next, parts, None)
            yield part


def read_lines(source: Source, first: int) -> Iterator[Lines]:
    """Yield whole lines, some megabytes at a time, without empty lines at the end.

    Raises:
      ValueError: if a line is too long, or the last line has no end: it may be cut
        inside its last number, which cannot be seen otherwise.
    """
    begun, held = b"", b""  # an incomplete line; empty lines that may be last
    while data := source.read(BLOCK):
        end = data.rfind(b"\n") + 1
        if not end:
            begun += data
            if len(begun) > BLOCK:
                raise ValueError(
                    f"{source.name}:{first}: expected lines of at most {BLOCK} bytes, "
                    "got a longer line: is it a file of word vectors?"
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
                    f"{source.name}:{first + whole.count(NEWLINE)}: expected a word, "
                    f"got more than {BLOCK} bytes of empty lines: is it a file of word "
                    "vectors?"
                )
        if whole:
            yield (lines := _number(whole, first))
            first += len(lines.numbers)
    if begun.strip(b"\r\n"):
        if not begun.endswith((b" ", b"\t", b"\r")):
            place = f"{source.name}:{first + held.count(NEWLINE)}"
            raise ValueError(
                f"{place}: expected a newline after the last line, got the "
                f"end of the file after {show(begun[-20:])}, which may be cut inside a "
                "number: fetch it again, or if it is whole, add a newline."
            )
        yield _number(held + begun + b"\n", first)


def _number(data: bytes, first: int) -> Lines:
    return Lines(data, np.arange(first, first + data.count(b"\n")))


def first_lines(lines: Lines, n: int) -> Lines:
    """Return the first ``n`` lines."""
    pieces = lines.data.split(b"\n", n)
    return Lines(b"\n".join([*pieces[:n], b""]), lines.numbers[:n])
