"""Predict: the labels of texts as JSON lines, from arguments, a file or a stream."""

import dataclasses
import json
import queue
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import tyro

from jaxembed import text
from jaxembed._checks import check_count

PRIOR = "no known word: the prediction is that of an empty text"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predict:
    """Predict the labels of texts, and print a JSON line for each.

        jaxembed predict model "A joy from start to end." "A bore."
        jaxembed predict model --file reviews.csv --text review
        cat reviews.txt | jaxembed predict model > labels.jsonl

    Without texts and without --file, each line of the standard input is a text. Lines
    are predicted as they come, in batches if they come fast. Each JSON line has the
    label, its probability and the probabilities of all labels. A text without a word
    that the model knows has a note.

    Attributes:
      model: Folder of a model.
      texts: The texts.
      file: A CSV, TSV, JSON lines or Parquet file, or one with a text on each line.
      text: Column of the texts in --file.
      format: Format of --file; by default that of its suffix, or lines.
      delimiter: Character between two cells of a CSV or TSV file.
      quotes: Whether quotes enclose cells. With --no-quotes they are part of the texts.
      names: Names of the columns of a CSV or TSV file without a header.
      batch_size: Largest number of texts predicted at once.
      echo: Repeat each text in its JSON line.
      encoding: Encoding of --file or of the standard input.
      errors: Bytes that are not of the encoding: an error, or replaced by U+FFFD.
    """

    model: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="MODEL")]]
    texts: tyro.conf.Positional[
        Annotated[tuple[str, ...], tyro.conf.arg(metavar="[TEXT ...]")]
    ] = ()
    file: Path | None = None
    text: tuple[str, ...] = ("text",)
    format: Literal["csv", "tsv", "jsonl", "parquet", "fasttext", "lines"] | None = None
    delimiter: str | None = None
    quotes: bool = True
    names: tuple[str, ...] | None = None
    batch_size: int = 1024
    echo: bool = False
    encoding: str = "utf-8"
    errors: Literal["strict", "replace"] = "strict"


def run(options: Predict) -> None:
    """Print the predictions."""
    from jaxembed.model import TextModel

    check_count("--batch-size", options.batch_size)
    if options.texts and options.file is not None:
        raise ValueError("give texts or --file, not both.")
    model = TextModel.load(options.model)
    for texts in gather(_find_texts(options), options.batch_size):
        for line in predict(model, texts, echo=options.echo):
            print(json.dumps(line, ensure_ascii=False))
        sys.stdout.flush()


def predict(model: Any, texts: list[str], *, echo: bool) -> Iterator[dict[str, Any]]:
    """Yield the prediction of each text, for JSON."""
    from jaxembed.model._network import find_logits

    fitted = model._fitted
    rows = fitted.bags.encode(texts)
    parts = model._network, model._variables, fitted.bags, rows
    logits = find_logits(*parts, fitted.task.n_logits)
    labels = fitted.task.decode(logits).tolist()
    probabilities: list[list[float]] = [[]] * len(texts)
    if model.task != "regression":
        probabilities = fitted.task.find_probabilities(logits).tolist()
    found = zip(texts, labels, probabilities, rows.lengths.tolist(), strict=True)
    names = [str(name) for name in model.labels]
    for content, label, p, n_known in found:
        line: dict[str, Any] = {"text": content} if echo else {}
        if model.task == "regression":
            line["value"] = label
        else:
            line["labels" if model.task == "multilabel" else "label"] = label
        if model.task == "classification":
            line["probability"] = max(p)
        if p:
            line["probabilities"] = dict(zip(names, p, strict=True))
        if not n_known:
            line["note"] = PRIOR
        yield line


def _find_texts(options: Predict) -> Iterable[str]:
    if options.texts:
        return options.texts
    if options.file is None:
        if sys.stdin is None:
            raise ValueError("the standard input is closed: give texts or --file.")
        if sys.stdin.isatty():
            print("reading lines of the standard input", file=sys.stderr)
        return read_lines(sys.stdin.buffer, options.encoding, options.errors)
    suffix = options.file.suffix.lower()
    is_table = suffix in (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json")
    is_table |= suffix in (".parquet", ".pq")
    return text.iter_texts(
        options.file,
        list(options.text),
        format=options.format or (None if is_table else "lines"),
        names=options.names,
        delimiter=options.delimiter,
        quote='"' if options.quotes else None,
        encoding=options.encoding,
        errors=options.errors,
    )


def read_lines(stream: IO[bytes], encoding: str, errors: str) -> Iterator[str]:
    r"""Yield the lines of a stream of bytes, without their ends.

    Raises:
      ValueError: if a line is not text in the encoding; names the line.

    Example:
      >>> import io
      >>> list(read_lines(io.BytesIO(b"a\r\nb"), "utf-8", "strict"))
      ['a', 'b']
    """
    for number, line in enumerate(stream, 1):
        try:
            content = line.decode(encoding, errors).rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"standard input, line {number}: the byte 0x{line[error.start]:02x} is "
                f"not {encoding}: the input is binary, or needs --encoding, or "
                "--errors replace."
            ) from error
        if "\0" in content:
            raise ValueError(
                f"standard input, line {number} has a NUL character: it is not a text."
            )
        yield content.removeprefix("\ufeff") if number == 1 else content


def gather(texts: Iterable[str], most: int) -> Iterator[list[str]]:
    """Yield the texts that have arrived, at least one and up to ``most`` at once.

    A thread reads, so that a text is not held back until a batch is full.
    """
    arrived: queue.Queue = queue.Queue(maxsize=2 * most)
    over = object()

    def read() -> None:
        try:
            for content in texts:
                arrived.put(content)
            arrived.put(over)
        except BaseException as error:  # raised again in the thread that predicts
            arrived.put(error)

    threading.Thread(target=read, daemon=True).start()
    end: Any = None
    while end is None:
        batch, item = [], arrived.get()
        while True:
            if item is over or isinstance(item, BaseException):
                end = item
                break
            batch.append(item)
            if len(batch) == most:
                break
            try:
                item = arrived.get_nowait()
            except queue.Empty:
                break
        if batch:
            yield batch
    if end is not over:
        raise end


COMMANDS = {"predict": (Predict, run)}
