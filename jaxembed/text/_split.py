"""Words: split a whole corpus into words, stored in flat arrays.

Words are split as in Keras: lower-case the text, replace each filtered character by a
space, split at spaces. A filtered character below 128 is a single byte in UTF-8.
Therefore one ``bytes.translate`` and a few NumPy operations on the joined texts
replace ``str.translate`` and ``str.split`` of each text.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from jaxembed.text._columns import to_python

# Number of characters processed at once. Larger pieces do not fit into the processor's
# cache and take three times as long.
PIECE = 1 << 20
SPACE = ord(" ")


class Words(NamedTuple):
    """Words of consecutive texts.

    Attributes:
      words: ``pa.BinaryArray``, the words of all texts in UTF-8, in order.
      lengths: ``int64[N]``, number of words of each text.
    """

    words: pa.Array
    lengths: np.ndarray


def check_texts(texts: Iterable[str]) -> list[str]:
    """Return ``texts`` as a list, or raise if they are not strings.

    Args:
      texts: a list, a generator, or a column of NumPy, Arrow or a library built on it.

    Raises:
      TypeError: if ``texts`` is a single text or a table, or an item is not a ``str``.
        The message has the index of the first such item.
    """
    if isinstance(texts, str | bytes):
        raise TypeError(
            f"texts must be a list of texts, got one {type(texts).__name__}: "
            "put it into a list."
        )
    listed = list(to_python(texts))
    for place, text in enumerate(listed):
        if not isinstance(text, str):
            remedy = ": decode it first" if isinstance(text, bytes) else ""
            raise TypeError(
                f"texts must be str, got {type(text).__name__} at index "
                f"{place}{remedy}."
            )
    return listed


def split_words(texts: Sequence[str], filters: str, lower: bool) -> Iterator[Words]:
    """Split texts into words, in order and in pieces of bounded size.

    Args:
      texts: the texts; see :func:`check_texts`.
      filters: characters that separate words, as a space does.
      lower: whether to lower-case the texts first, with ``str.lower``.

    Yields:
      :class:`Words` of the next texts.

    Example:
      >>> piece, = split_words(["A film, a FILM!", ""], ",!", lower=True)
      >>> piece.words.to_pylist(), piece.lengths.tolist()
      ([b'a', b'film', b'a', b'film'], [4, 0])
    """
    narrow = bytes(ord(c) for c in filters if ord(c) < 128)
    table = bytes.maketrans(narrow, b" " * len(narrow))
    wide = str.maketrans({c: " " for c in filters if ord(c) >= 128})
    start = 0
    while start < len(texts):
        end, size = start, 0
        while end < len(texts) and (end == start or size + len(texts[end]) <= PIECE):
            size += len(texts[end])
            end += 1
        yield _split_piece(texts[start:end], table, wide, lower)
        start = end


def _split_piece(
    texts: Sequence[str], table: bytes, wide: dict[int, str], lower: bool
) -> Words:
    # str.lower, as in Keras: Arrow's differs on U+0130 and on the final sigma.
    lowered = [text.lower() for text in texts] if lower else texts
    if wide:
        lowered = [text.translate(wide) for text in lowered]
    # Keras keeps a lone surrogate in a word; strict UTF-8 cannot encode it.
    encoded = [text.encode("utf-8", "surrogatepass") for text in lowered]
    joined = b" ".join([*encoded, b""]).translate(table)
    letters = np.frombuffer(joined, np.uint8)
    inside = letters != SPACE
    # Starts and ends of words alternate, since each text ends with a space.
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    if inside.size and inside[0]:
        edges = np.concatenate([[0], edges])
    starts, ends = edges[0::2], edges[1::2]
    offsets = np.zeros(starts.size + 1, np.int64)
    np.cumsum(ends - starts, out=offsets[1:])
    text_ends = np.cumsum([len(text) + 1 for text in encoded])
    lengths = np.diff(np.searchsorted(starts, text_ends), prepend=0)
    words = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(),
        starts.size,
        [None, pa.py_buffer(offsets), pa.py_buffer(letters[inside])],
    )
    return Words(words, lengths)
