"""fastText: read the words and vectors of a ``.bin`` model.

The vector of a word is the mean of its own row and the rows of its character n-grams,
as in fastText's ``.vec``. The layout is version 12 (``fasttext.cc``,
``args.cc``, ``dictionary.cc`` and ``densematrix.cc`` of fastText).
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jaxembed.vectors._subwords import MAX_N, Subwords, add_rows, ngram_buckets
from jaxembed.vectors.formats._collect import Rows, Wanted, decode
from jaxembed.vectors.formats._stream import Source
from jaxembed.vectors.formats._text import MAX_DIM

MAGIC = struct.pack("<i", 793712314)
VERSIONS = (11, 12)
ARGUMENTS = struct.Struct("<12id")
END_OF_SENTENCE = b"</s>"  # a word without n-grams
PIECE = 1 << 22  # bytes read at once
MAX_WORD = 1 << 16
IS_WORD = 0  # 1 marks a label of a classifier
SUPERVISED = 3


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


def read_fasttext(
    source: Source, *, wanted: Wanted, limit: int | None
) -> tuple[Rows, Subwords | None]:
    """Read the words of a model, their vectors, and the vectors of its subwords.

    Args:
      source: the file.
      wanted: words to keep. Wanted words that are not in the model come last, with the
        mean of their subwords.
      limit: number of words of the model to search, from the first on; None for all.

    Returns:
      :class:`Rows`, and the subwords if all words are wanted.

    Raises:
      ValueError: if the file is cut, damaged or quantised; the error names the byte,
        the expected and the actual content.
    """
    model = _read_model(source)
    kept = [i for i, w in enumerate(model.words[:limit]) if w in wanted]
    words = [model.words[i] for i in kept]
    has_subwords = model.max_n > 0 and model.n_buckets > 0
    if has_subwords and wanted.words is not None:
        known = set(map(decode, model.words[:limit]))
        others = sorted(wanted.words - known)
        words += [word.encode() for word in others if _is_utf8(word)]
    if not has_subwords:
        return Rows(words, _read_matrix(source, model, np.array(kept, int))), None
    texts = ["" if word == END_OF_SENTENCE else decode(word) for word in words]
    buckets, lengths = ngram_buckets(texts, model.min_n, model.max_n, model.n_buckets)
    is_end = np.array([word == END_OF_SENTENCE for word in words], bool)
    buckets, lengths = buckets[~np.repeat(is_end, lengths)], lengths * ~is_end
    ngrams = buckets + (model.n_rows - model.n_buckets)
    if wanted.words is None:
        matrix, own = _read_matrix(source, model, None), np.array(kept)
    else:
        needed = np.unique(np.concatenate([np.array(kept, np.int64), ngrams]))
        matrix = _read_matrix(source, model, needed)
        own = np.searchsorted(needed, np.array(kept, np.int64))
        ngrams = np.searchsorted(needed, ngrams)
    sums = np.zeros((len(words), model.dim), np.float32)
    sums[: len(kept)] = matrix[own]
    add_rows(sums, matrix, ngrams, lengths)
    counts = lengths + (np.arange(len(words)) < len(kept))
    sums /= np.maximum(counts, 1).astype(np.float32)[:, None]
    subwords = None
    if wanted.words is None:
        subwords = Subwords(matrix[-model.n_buckets :], model.min_n, model.max_n)
    return Rows(words, sums), subwords


def _read_model(source: Source) -> Model:
    magic, version = _take(source, "<4si", "the magic number and the version")
    if magic != MAGIC or version not in VERSIONS:
        raise ValueError(
            f"{source.name}, byte 0: expected a fastText model of version "
            f"{' or '.join(map(str, VERSIONS))}, got {magic!r} and version {version}."
        )
    arguments = _take(source, ARGUMENTS.format, "the training arguments")
    dim, kind, n_buckets, min_n, max_n = (arguments[i] for i in (0, 7, 8, 9, 10))
    if version == 11 and kind == SUPERVISED:
        max_n = 0  # as in fastText itself
    size, n_words, n_labels, _, n_pruned = _take(source, "<3i2q", "the dictionary")
    sizes = {"dim": dim, "bucket": n_buckets, "words": n_words, "labels": n_labels}
    if (
        min(sizes.values()) < 0
        or not 0 < dim <= MAX_DIM
        or not n_words
        or size != n_words + n_labels
        or not 0 <= min_n <= MAX_N
        or not 0 <= max_n <= MAX_N
    ):
        raise ValueError(
            f"{source.name}, byte 8: expected the sizes of a model, got {sizes}, "
            f"{size} entries and n-grams of {min_n} to {max_n} characters: the file is "
            "damaged, fetch it again."
        )
    entries = list(_read_entries(source, size))
    words = [word for word, kind in entries if kind == IS_WORD]
    if len(words) != n_words:
        raise ValueError(
            f"{source.name}: expected {n_words} words in its dictionary, got "
            f"{len(words)}: the file is damaged, fetch it again."
        )
    n_rows = _read_size(source, n_pruned > 0, n_words + n_buckets, dim)
    return Model(words, n_buckets, min_n, max_n, dim, n_rows)


def _read_size(source: Source, is_pruned: bool, expected: int, dim: int) -> int:
    """Read the size of the matrix, and return its number of rows."""
    (is_quantised,) = _take(source, "<?", "the flag of a quantised model")
    if is_pruned or is_quantised:
        raise ValueError(
            f"{source.name} is a quantised model (.ftz), which does not store word "
            "vectors: give the .bin from which it was made."
        )
    n_rows, width = _take(source, "<2q", "the size of the matrix")
    if (n_rows, width) != (expected, dim):
        raise ValueError(
            f"{source.name}, byte {source.position - 16}: expected a matrix of "
            f"{expected} rows of {dim} numbers, got {n_rows} rows of {width}: the file "
            "is damaged, fetch it again."
        )
    return n_rows


def _is_utf8(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:  # a lone surrogate, which UTF-8 cannot encode
        return False
    return True


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


def _read_matrix(source: Source, model: Model, rows: np.ndarray | None) -> np.ndarray:
    """Read the given rows, in ascending order, or all rows, as ``float32[n, D]``."""
    width = 4 * model.dim
    n_bytes = source.position + model.n_rows * width
    if source.size is not None and n_bytes > source.size:
        raise ValueError(
            f"{source.name}, byte {source.size}: the header declares a matrix of "
            f"{model.n_rows} rows of {model.dim} numbers up to byte {n_bytes}, but the "
            "file ends here: it is cut, fetch it again."
        )
    # Allocate the whole matrix if its size is checked above: joining parts would take
    # twice the memory.
    is_whole = rows is None and source.size is not None
    whole = np.empty((model.n_rows if is_whole else 0, model.dim), np.float32)
    parts, done = [whole[:0]], 0
    while done < model.n_rows:
        n = min(max(PIECE // width, 1), model.n_rows - done)
        place, data = source.position, source.read(n * width)
        if len(data) < n * width:
            raise ValueError(
                f"{source.name}, byte {place + len(data)}: the file ends in row "
                f"{done + len(data) // width} of {model.n_rows}: it is cut, fetch it "
                "again."
            )
        some = np.frombuffer(data, "<f4").reshape(n, model.dim)
        if not np.isfinite(some).all():
            row, column = np.argwhere(~np.isfinite(some))[0]
            raise ValueError(
                f"{source.name}, byte {place + row * width + 4 * column}: expected a "
                f"finite number, got {some[row, column]}: the file is damaged, "
                "fetch it again."
            )
        if rows is not None:
            first, last = np.searchsorted(rows, [done, done + n])
            some = some[rows[first:last] - done]
        if is_whole:
            whole[done : done + n] = some
        else:
            parts.append(some)
        done += n
    return whole if is_whole else np.concatenate(parts)
