"""fastText's ``.bin``: a whole model, of which words and vectors are read.

A word's vector is the mean of its own row and of those of its character n-grams, as
fastText's ``.vec`` has it. The layout is that of version 12 (``fasttext.cc``,
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
END_OF_SENTENCE = b"</s>"  # has no n-grams
PIECE = 1 << 22  # bytes read at once
MAX_WORD = 1 << 16
IS_WORD = 0  # 1 is a label of a classifier
SUPERVISED = 3


class Model(NamedTuple):
    """What a ``.bin`` says before its matrix.

    Attributes:
      words: those of the model, without labels, in the order of its rows.
      n_buckets: rows for n-grams, behind those of the words.
      min_n: characters in the shortest n-gram.
      max_n: characters in the longest; 0 if there are none.
      dim: numbers in a row.
      n_rows: rows of the matrix.
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
    """The words of a model with their whole vectors, and its subwords.

    Args:
      source: the file.
      wanted: the words to keep. A wanted word that the model does not have comes last,
        with the mean of its subwords.
      limit: how many of the model's words are looked at; None for all.

    Returns:
      :class:`Rows`, and the subwords if all words are wanted.

    Raises:
      ValueError: names the byte, what was expected there, and what is there; or says
        that the model is quantised.
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
            f"{' or '.join(map(str, VERSIONS))}, got {magic!r} and {version}."
        )
    arguments = _take(source, ARGUMENTS.format, "the arguments of the training")
    dim, kind, n_buckets, min_n, max_n = (arguments[i] for i in (0, 7, 8, 9, 10))
    if version == 11 and kind == SUPERVISED:
        max_n = 0  # as fastText itself reads them
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
            f"{source.name}, byte 8: expected the sizes of a model, got {sizes} of "
            f"{size} entries, n-grams of {min_n} to {max_n}: the file is damaged."
        )
    entries = list(_read_entries(source, size))
    words = [word for word, kind in entries if kind == IS_WORD]
    if len(words) != n_words:
        raise ValueError(
            f"{source.name}: expected {n_words} words in its dictionary, got "
            f"{len(words)}: the file is damaged."
        )
    n_rows = _read_size(source, n_pruned > 0, n_words + n_buckets, dim)
    return Model(words, n_buckets, min_n, max_n, dim, n_rows)


def _read_size(source: Source, is_pruned: bool, expected: int, dim: int) -> int:
    """How many rows the matrix has, which comes next."""
    (is_quantised,) = _take(source, "<?", "whether it is quantised")
    if is_pruned or is_quantised:
        raise ValueError(
            f"{source.name} is a quantised model (.ftz), which has no word vectors: "
            "give the .bin that it was made from."
        )
    n_rows, width = _take(source, "<2q", "the size of the matrix")
    if (n_rows, width) != (expected, dim):
        raise ValueError(
            f"{source.name}, byte {source.position - 16}: expected a matrix of "
            f"{expected} rows of {dim}, got {n_rows} of {width}."
        )
    return n_rows


def _is_utf8(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:  # a lone surrogate, which no file has
        return False
    return True


def _take(source: Source, form: str, what: str) -> tuple:
    """The next numbers."""
    place, size = source.position, struct.calcsize(form)
    data = source.read(size)
    if len(data) < size:
        raise ValueError(
            f"{source.name}, byte {place}: expected {what}, {size} bytes, but the file "
            f"ends after {len(data)}: it is cut, fetch it again."
        )
    return struct.unpack(form, data)


def _read_entries(source: Source, size: int) -> Iterator[tuple[bytes, int]]:
    """Each entry of the dictionary, and whether it is a word or a label."""
    done = 0
    while done < size:
        data = source.peek(PIECE)
        start = 0
        while done < size:
            end = data.find(b"\0", start, start + MAX_WORD)
            if end < 0 or end + 10 > len(data):  # 8 bytes of a count, 1 of the kind
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
    """``float32[n, D]``, the given rows in rising order; None for all."""
    width = 4 * model.dim
    n_bytes = source.position + model.n_rows * width
    if source.size is not None and n_bytes > source.size:
        raise ValueError(
            f"{source.name}, byte {source.size}: the header promises a matrix of "
            f"{model.n_rows} rows of {model.dim}, {n_bytes} bytes with what is before "
            "it, but the file ends here: it is cut, fetch it again."
        )
    # Room for all at once, where the size was checked just now: parts to be joined
    # would take it twice.
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
                f"finite number, got {some[row, column]}: the file is damaged."
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
