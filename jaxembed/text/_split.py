"""Words: split a whole corpus into words, stored in flat arrays.

Words are split as in Keras: lower-case the text, replace each filtered character by a
space, split at spaces. A filtered character below 128 is a single byte in UTF-8.
Therefore one ``bytes.translate`` and a few NumPy operations on the joined texts
replace ``str.translate`` and ``str.split`` of each text.
"""

import functools
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from jaxembed.text._columns import to_python

# Number of characters processed at once. Larger pieces do not fit into the processor's
# cache and take three times as long.
PIECE = 1 << 20
SPACE = ord(" ")
ASCII_SPACES = b"\t\n\v\f\r\x1c\x1d\x1e\x1f"  # for which str.isspace is true


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


@functools.cache
def find_punctuation() -> dict[int, str]:
    """Return the translation of punctuation and white space above ASCII to spaces.

    Example:
      >>> "\u00abA joy\u2026\u00bb, it\u2019s".translate(find_punctuation())
      " A joy  , it's"
    """
    characters = map(chr, range(128, sys.maxunicode + 1))
    kinds = ((c, unicodedata.category(c)[0]) for c in characters)
    found = {ord(c): " " for c, kind in kinds if kind in "PZ" or c.isspace()}
    return found | {0x2019: "'"}


class Rules(NamedTuple):
    """Rules that split a text into words.

    Attributes:
      filters: characters that separate words, as a space does.
      lower: whether to lower-case the texts first, with ``str.lower``.
      unicode_punctuation: whether all punctuation and white space of Unicode separates
        words; U+2019 becomes an ASCII apostrophe.
      normalize: form of Unicode to which texts are normalized; None for none.
    """

    filters: str
    lower: bool
    unicode_punctuation: bool = False
    normalize: str | None = None


def split_words(texts: Sequence[str], rules: Rules) -> Iterator[Words]:
    """Split texts into words, in order and in pieces of bounded size.

    Args:
      texts: the texts; see :func:`check_texts`.
      rules: the rules.

    Yields:
      :class:`Words` of the next texts.

    Example:
      >>> piece, = split_words(["A film, a FILM!", ""], Rules(",!", lower=True))
      >>> piece.words.to_pylist(), piece.lengths.tolist()
      ([b'a', b'film', b'a', b'film'], [4, 0])
    """
    narrow = bytes(ord(c) for c in rules.filters if ord(c) < 128)
    if rules.unicode_punctuation:
        narrow += ASCII_SPACES
    table = bytes.maketrans(narrow, b" " * len(narrow))
    wide = {ord(c): " " for c in rules.filters if ord(c) >= 128}
    if rules.unicode_punctuation:
        wide = find_punctuation() | wide
    start = 0
    while start < len(texts):
        end, size = start, 0
        while end < len(texts) and (end == start or size + len(texts[end]) <= PIECE):
            size += len(texts[end])
            end += 1
        yield _split_piece(texts[start:end], table, wide, rules)
        start = end


def _split_piece(
    texts: Sequence[str], table: bytes, wide: dict[int, str], rules: Rules
) -> Words:
    if rules.normalize:
        texts = [_normalize(text, rules.normalize) for text in texts]
    # str.lower, as in Keras: Arrow's differs on U+0130 and on the final sigma.
    lowered = [text.lower() for text in texts] if rules.lower else texts
    if rules.normalize and rules.lower:  # a lowered character can be decomposed
        lowered = [_normalize(text, rules.normalize) for text in lowered]
    if wide:
        lowered = [t if t.isascii() else t.translate(wide) for t in lowered]
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


def _normalize(text: str, form: str) -> str:
    return text if text.isascii() else unicodedata.normalize(form, text)  # type: ignore[arg-type]
