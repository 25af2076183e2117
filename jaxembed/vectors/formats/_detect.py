"""Detect: find the format of a file in its content."""

import struct

from jaxembed.vectors.formats._fasttext_model import MAGIC, has_first_layout
from jaxembed.vectors.formats._foreign import explain
from jaxembed.vectors.formats._lines import HEADER, read_header
from jaxembed.vectors.formats._stream import Source
from jaxembed.vectors.formats._text import count_numbers
from jaxembed.vectors.formats._word2vec import ends_as_binary

FORMATS = ("glove", "word2vec", "word2vec-binary", "fasttext", "safetensors")
# Control bytes: never in text, common in binary floats.
CONTROL = frozenset({*range(32)} - {*b"\t\n\r\v\f"})


def find_format(source: Source) -> str:
    """Detect the format of the content, one of :data:`FORMATS`.

    Raises:
      ValueError: if the format is unknown.
    """
    head = source.peek(1 << 16)
    if head.startswith(MAGIC) or has_first_layout(head):
        return "fasttext"
    if len(head) > 8 and head[8:9] == b"{":
        (size,) = struct.unpack("<Q", head[:8])
        if size < 100_000_000:  # limit on the header in safetensors
            return "safetensors"
    if read_header(source) is not None:
        return "word2vec-binary" if _is_binary(source, head) else "word2vec"
    first = head.split(b"\n")[0]
    if b" " in first and (count_numbers(first) or b"\n" in head):
        return "glove"
    raise ValueError(
        f"{source.name} must be in one of the formats {', '.join(FORMATS)}, got an "
        f"unknown format that starts with {head[:40]!r}{explain(head)}."
    )


def _is_binary(source: Source, head: bytes) -> bool:
    """Return whether the numbers after a header are binary."""
    header = HEADER.match(head)
    assert header is not None
    first = head[header.end() :].split(b"\n")[0]
    if count_numbers(first) == int(header[2]):
        return False
    return ends_as_binary(source, head, header.end()) or not CONTROL.isdisjoint(head)
