"""fastText: read the words and vectors of a ``.bin`` model.

The vector of a word is the mean of its own row and the rows of its character n-grams,
as in fastText's ``.vec``.
"""

import numpy as np

from jaxembed.vectors._subwords import Subwords, add_rows, ngram_buckets
from jaxembed.vectors.formats._collect import Rows, Wanted, decode
from jaxembed.vectors.formats._fasttext_model import Model, read_model
from jaxembed.vectors.formats._stream import Source

END_OF_SENTENCE = b"</s>"  # a word without n-grams
PIECE = 1 << 22  # bytes read at once


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
    model = read_model(source)
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


def _is_utf8(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:  # a lone surrogate, which UTF-8 cannot encode
        return False
    return True


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
