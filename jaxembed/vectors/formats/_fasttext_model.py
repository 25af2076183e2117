"""fastText model: the sizes and the dictionary of a ``.bin``, up to its matrix.

The layout is version 11 or 12 (``fasttext.cc``, ``args.cc`` and ``dictionary.cc`` of
fastText), or the first layout, which has no magic number, no version and no flags.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from jaxembed.vectors._subwords import MAX_N
from jaxembed.vectors.formats._stream import Source
from jaxembed.vectors.formats._text import MAX_DIM

MAGIC = struct.pack("<i", 793712314)
VERSIONS = (11, 12)
ARGUMENTS = struct.Struct("<12id")
FIRST_LAYOUT = struct.Struct("<12id3iq")  # its arguments and sizes, at byte 0
PIECE = 1 << 22  # bytes read at once
MAX_WORD = 1 << 16
IS_WORD = 0  # 1 marks a label of a classifier
SUPERVISED = 3
CHOICES = (1, 2, 3)  # of the loss, and of the kind of model


class Model(NamedTuple):
    """Content of a ``.bin`` before its matrix.

    Attributes:
      words: words of the model, without labels, in the order of its rows.
      n_buckets: number of rows for n-grams, which follow the rows of the words.
      min_n: number of characters in the shortest n-gram.
      max_n: number of characters in the longest n-gram; 0 for a model without n-grams.
      dim: length of a row.
      n_rows: number of rows of the matrix.
    """

    words: list[bytes]
    n_buckets: int
    min_n: int
    max_n: int
    dim: int
    n_rows: int


def has_first_layout(head: bytes) -> bool:
    """Return whether a file begins as a model of the first layout.

    No other format begins with 76 bytes of such integers.
    """
    if len(head) < FIRST_LAYOUT.size:
        return False
    values = FIRST_LAYOUT.unpack(head[: FIRST_LAYOUT.size])
    is_trained = values[6] in CHOICES and values[7] in CHOICES and values[16] >= 0
    return is_trained and min(values[:12]) >= 0 and _are_sizes(values, values[13:])


def _are_sizes(arguments: tuple, dictionary: tuple) -> bool:
    dim, n_buckets, min_n, max_n = (arguments[i] for i in (0, 8, 9, 10))
    size, n_words, n_labels = dictionary[:3]
    return (
        0 < dim <= MAX_DIM
        and n_buckets >= 0
        and 0 <= min_n <= MAX_N
        and 0 <= max_n <= MAX_N
        and n_words > 0
        and n_labels >= 0
        and size == n_words + n_labels
    )


def read_model(source: Source) -> Model:
    """Read the model up to its matrix.

    Raises:
      ValueError: if the file is cut, damaged or quantised; the error names the byte,
        the expected and the actual content.
    """
    version = _take_version(source)
    start = source.position
    arguments = _take(source, ARGUMENTS.format, "the training arguments")
    form = "<3i2q" if version else "<3iq"
    dictionary = _take(source, form, "the dictionary")
    if not _are_sizes(arguments, dictionary):
        raise ValueError(
            f"{source.name}, byte {start}: expected the sizes of a model, got "
            f"{arguments[:-1]} and a dictionary of {dictionary[:3]} entries, words and "
            "labels: the file is damaged, fetch it again."
        )
    dim, kind, n_buckets, min_n, max_n = (arguments[i] for i in (0, 7, 8, 9, 10))
    if version == 11 and kind == SUPERVISED:
        max_n = 0  # as in fastText itself
    size, n_words = dictionary[:2]
    entries = list(_read_entries(source, size))
    words = [word for word, kind in entries if kind == IS_WORD]
    if len(words) != n_words:
        raise ValueError(
            f"{source.name}: expected {n_words} words in its dictionary, got "
            f"{len(words)}: the file is damaged, fetch it again."
        )
    if version:
        _refuse_quantised(source, n_pruned=dictionary[4])
    n_rows = n_words + n_buckets
    if (found := _take(source, "<2q", "the size of the matrix")) != (n_rows, dim):
        raise ValueError(
            f"{source.name}, byte {source.position - 16}: expected a matrix of "
            f"{n_rows} rows of {dim} numbers, got {found[0]} rows of {found[1]}: the "
            "file is damaged, fetch it again."
        )
    return Model(words, n_buckets, min_n, max_n, dim, n_rows)


def _take_version(source: Source) -> int:
    """Skip the magic number, and return the version; 0 for the first layout."""
    if has_first_layout(source.peek(FIRST_LAYOUT.size)):
        return 0
    magic, version = _take(source, "<4si", "the magic number and the version")
    if magic != MAGIC or version not in VERSIONS:
        raise ValueError(
            f"{source.name}, byte 0: expected a fastText model of version "
            f"{' or '.join(map(str, VERSIONS))}, got {magic!r} and version {version}."
        )
    return version


def _refuse_quantised(source: Source, n_pruned: int) -> None:
    (is_quantised,) = _take(source, "<?", "the flag of a quantised model")
    if n_pruned > 0 or is_quantised:
        raise ValueError(
            f"{source.name} is a quantised model (.ftz), which does not store word "
            "vectors: give the .bin from which it was made."
        )


def _take(source: Source, form: str, what: str) -> tuple:
    """Read the next numbers, in the ``form`` of :mod:`struct`."""
    place, size = source.position, struct.calcsize(form)
    data = source.read(size)
    if len(data) < size:
        raise ValueError(
            f"{source.name}, byte {place}: expected {what}, {size} bytes, but the file "
            f"ends after {len(data)}: it is cut, fetch it again."
        )
    return struct.unpack(form, data)


def _read_entries(source: Source, size: int) -> Iterator[tuple[bytes, int]]:
    """Yield each entry of the dictionary with its kind: word or label."""
    done = 0
    while done < size:
        data = source.peek(PIECE)
        start = 0
        while done < size:
            end = data.find(b"\0", start, start + MAX_WORD)
            if end < 0 or end + 10 > len(data):  # a count of 8 bytes, a kind of 1
                break
            yield data[start:end], data[end + 9]
            start, done = end + 10, done + 1
        if not start:
            raise ValueError(
                f"{source.name}, byte {source.position}: expected {size - done} more "
                f"words, each of less than {MAX_WORD} bytes, got {data[:20]!r}: the "
                "file is cut or damaged, fetch it again."
            )
        source.skip(start)
