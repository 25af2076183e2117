"""Ids: tokenize texts of any size into files that are mapped into memory."""

import json
import os
import queue
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from jaxembed import _io
from jaxembed._checks import check_count
from jaxembed.text._columns import to_python
from jaxembed.text._ragged import Ragged
from jaxembed.text._split import Rules
from jaxembed.text._tokenizer import Tokenizer
from jaxembed.text.files._ids_folder import (
    FORMAT,
    META,
    OFFSETS,
    VALUES,
    VERSION,
    is_folder_of_ids,
    open_ids,
)
from jaxembed.text.files._worker import Counted, Worker, count_words

LETTERS = 1 << 22  # characters of the texts that are split at once
BLOCK = 1 << 20  # ids that are renumbered at once


def write_ids(
    texts: Iterable[str],
    tokenizer: Tokenizer,
    folder: str | Path,
    *,
    processes: int | None = None,
    overwrite: bool = False,
) -> Ragged:
    """Tokenize texts in parallel processes, and write their ids to a folder.

    The texts are read once, and need not fit into memory, as those of
    :func:`iter_texts`. The ids equal those of ``tokenizer.encode``. A tokenizer that is
    not fitted is fitted on the texts, as by ``tokenizer.fit``.

    Args:
      texts: the texts: a generator or any iterable.
      tokenizer: the tokenizer; fitted in place if it is not.
      folder: a folder, created if it does not exist.
      processes: number of processes that split texts; None for the number of
        processors, 0 to split them in this process.
      overwrite: whether to replace the folder of other ids.

    Returns:
      The ids, mapped into memory; see :func:`open_ids`.

    Raises:
      FileExistsError: if the folder has other files, or ids and ``overwrite`` is False.
      OSError: if the folder cannot be written; with ``errno.ENOSPC`` on a full disk.
      TypeError: if a text is not a ``str``; names its place.
      ValueError: if no text has a word and the tokenizer is not fitted.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as parent:
      ...     tokenizer = Tokenizer()
      ...     texts = (line for line in ["a good film", "a joy"])
      ...     write_ids(texts, tokenizer, parent + "/ids", processes=0).tolist()
      [[1, 2, 3], [1, 4]]
    """
    path = Path(folder).resolve()
    _io.check_free(path, "ids", is_folder_of_ids, overwrite=overwrite)
    if processes is None:
        processes = os.cpu_count() or 1
    check_count("processes", processes, least=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _io.explain_disk(path), _io.temporary(path, folder=True) as beside:
        found = _split(_gather(texts), tokenizer._rules, processes)
        if tokenizer.word_counts:
            lengths = _write_known(found, tokenizer, beside / VALUES)
        else:
            lengths = _write_new(found, tokenizer, beside)
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        (beside / OFFSETS).write_bytes(offsets.astype("<i8").tobytes())
        meta = {"format": FORMAT, "version": VERSION, "n_texts": len(lengths)}
        meta["n_ids"] = int(offsets[-1])
        (beside / META).write_text(json.dumps(meta))
        for name in (VALUES, OFFSETS, META):
            _io.sync(beside / name)
        _io.replace_folder(beside, path)
    return open_ids(path)


def _gather(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield texts in lists of about ``LETTERS`` characters."""
    if isinstance(texts, str | bytes):
        raise TypeError(
            f"texts must be an iterable of texts, got one {type(texts).__name__}."
        )
    some: list[str] = []
    size = 0
    for place, text in enumerate(to_python(texts)):
        if not isinstance(text, str):
            raise TypeError(
                f"texts must be str, got {type(text).__name__} at index {place}."
            )
        some.append(text)
        size += len(text)
        if size >= LETTERS:
            yield some
            some, size = [], 0
    if some:
        yield some


def _split(
    pieces: Iterator[list[str]], rules: Rules, processes: int
) -> Iterator[Counted]:
    """Yield the words of pieces of texts, in their order."""
    if not processes:
        for piece in pieces:
            yield count_words(piece, rules)
        return
    workers = [Worker(rules) for _ in range(processes)]
    order: queue.Queue = (
        queue.Queue()
    )  # number of the worker of each piece that is sent
    errors: list[BaseException] = []

    def send() -> None:
        try:
            for number, piece in enumerate(pieces):
                workers[number % processes].send(piece)
                order.put(number % processes)
        except BaseException as error:  # raised again in the thread that writes
            errors.append(error)
        order.put(None)

    feeder = threading.Thread(target=send, daemon=True)
    feeder.start()
    try:
        while (number := order.get()) is not None:
            yield workers[number].receive()
    finally:
        for worker in workers:
            worker.close()
        feeder.join()
    if errors:
        raise errors[0]


def _write_known(
    found: Iterator[Counted], tokenizer: Tokenizer, path: Path
) -> np.ndarray:
    """Write the ids of a fitted tokenizer, and return the number of each text."""
    index = tokenizer._find_index()
    lengths = [np.zeros(0, np.int64)]
    with path.open("wb") as file:
        for part in found:
            ids = index.find(part.words) if len(part.words) else np.zeros(0, np.int32)
            ragged = Ragged.from_lengths(ids[part.places], part.lengths)
            lengths.append(_write(file, ragged, bool(index.oov_id)))
    return np.concatenate(lengths)


def _write_new(
    found: Iterator[Counted], tokenizer: Tokenizer, folder: Path
) -> np.ndarray:
    """Fit the tokenizer, write the ids, and return the number of each text.

    Words are first numbered by their appearance, and renumbered when all are counted.
    """
    numbers: dict[bytes, int] = {}
    counts = np.zeros(1 << 16, np.int64)
    lengths = [np.zeros(0, np.int64)]
    first = folder / "numbers.int32"
    with first.open("wb") as file:
        for part in found:
            words = part.words.to_pylist()
            new = np.array([numbers.setdefault(w, len(numbers)) for w in words], int)
            while len(counts) < len(numbers):
                counts = np.concatenate([counts, np.zeros_like(counts)])
            counts[new] += np.bincount(part.places, minlength=len(words))
            file.write(new.astype("<i4")[part.places].tobytes())
            lengths.append(part.lengths)
    if not numbers:
        raise ValueError("texts must contain words to fit on, got none with words.")
    tokenizer.add_counts((word, int(counts[i])) for word, i in numbers.items())
    index = tokenizer._find_index()
    ids = index.find(pa.array(list(numbers), pa.large_binary()))
    del numbers, counts
    final = _renumber(first, folder / VALUES, ids, np.concatenate(lengths), index)
    first.unlink()
    return final


def _renumber(
    source: Path, target: Path, ids: np.ndarray, lengths: np.ndarray, index: Any
) -> np.ndarray:
    """Replace each number by its id, and return the new number of ids of each text."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    cuts = np.searchsorted(offsets, np.arange(0, offsets[-1], BLOCK))
    cuts = np.unique([*cuts, len(lengths)]).tolist()
    kept = [np.zeros(0, np.int64)]
    with source.open("rb") as file, target.open("wb") as out:
        for start, end in zip([0, *cuts], cuts, strict=False):
            n = int(offsets[end] - offsets[start])
            places = np.fromfile(file, "<i4", n)
            ragged = Ragged.from_lengths(ids[places], lengths[start:end])
            kept.append(_write(out, ragged, bool(index.oov_id)))
    return np.concatenate(kept)


def _write(file: IO[bytes], ids: Ragged, has_oov: bool) -> np.ndarray:
    """Write ids without those of unknown words, and return their number by text."""
    kept = ids if has_oov else ids.keep(ids.values != 0)
    file.write(kept.values.astype("<i4").tobytes())
    return kept.lengths
