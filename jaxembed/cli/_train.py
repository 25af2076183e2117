"""Train: a classifier of texts, written to a folder with its metrics and plots."""

import dataclasses
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from jaxembed import _io, text
from jaxembed.cli import _data, _measures, _signals, _words

UNFINISHED = ".unfinished"  # end of the name of the folder of a training under way


@dataclasses.dataclass(frozen=True, kw_only=True)
class Train(_data.DataOptions):
    """Train a model on texts with labels, and write it to a folder.

        jaxembed train reviews.csv --text review --label stars --out model
        jaxembed train reviews/ --out model           # reviews/pos/1.txt, ...
        jaxembed train installed --out model          # 25,000 IMDB reviews
        jaxembed train a.jsonl --vectors glove.6B.100d.txt --freeze --out model
        jaxembed train tags.csv --label-separator , --task multilabel --out model

    DATA is a CSV, TSV, JSON lines, Parquet or fastText file, a folder with a folder for
    each class, or one of installed, tfds and synthetic for IMDB reviews. Without
    --test, and without given parts, a tenth of the texts is held out as a test. After
    Ctrl-C the same command resumes.

    Attributes:
      data: Table, folder, or source of IMDB reviews.
      out: Folder of the model, with metrics.json and plots.
      overwrite: Replace the model in the folder of --out.
      test: Table or folder of the test texts.
      test_share: Share of the texts to draw for the test, if there is none; 0 for none.
      validation: Share of the other texts by which the best epoch is chosen.
      task: One class, several labels, or a number for each text. By default several
        labels if the data have lists of labels, numbers if they have floats.
      vectors: File of word vectors to start from, folder of a model, or the word
        installed for GloVe.
      freeze: Keep the vectors constant, and train the last layer.
      word_ngrams: Number of neighbouring words that are read together at most; by
        default 2, words and pairs.
      hidden: Width of a hidden layer before the last; 0 for none.
      dim: Length of the vectors that are learned.
      min_count: Number of texts that a word must be in.
      epochs: Largest number of passes over the texts.
      batch_size: Number of texts in a step.
      learning_rate: Initial learning rate.
      class_weight: Give each class the same weight in the loss.
      seed: Random seed.
    """

    data: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="DATA")]]
    out: Path = Path("runs/model")
    overwrite: bool = False
    test: str | None = None
    test_share: float = 0.1
    validation: float = 0.1
    task: Literal["classification", "multilabel", "regression"] | None = None
    vectors: str | None = None
    freeze: bool = False
    word_ngrams: int | None = None
    hidden: int | None = None
    dim: int | None = None
    min_count: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    class_weight: Literal["balanced"] | None = None
    seed: int = 0


SETTINGS = (
    *("freeze", "word_ngrams", "hidden", "dim", "min_count", "epochs", "batch_size"),
    *("learning_rate", "class_weight", "seed", "validation"),
)


def run(options: Train) -> None:
    """Train, test and write a model."""
    from jaxembed.model import TextModel, _folder

    _folder.check_free(options.out.resolve(), options.overwrite)
    start = time.perf_counter()
    training, test = _read(options)
    task = options.task or _find_task(training.labels)
    if test and task != "regression":
        _check_labels(training.labels, test.labels, options.test or options.data)
    given = {name: getattr(options, name) for name in SETTINGS}
    if options.vectors is not None:
        given["vectors"] = _load_vectors(options.vectors, training.texts)
    loaded = time.perf_counter()
    n_test = f", {len(test.texts):,} to test on" if test else ""
    print(f"{len(training.texts):,} texts to train and validate on{n_test}", flush=True)
    save = options.out.with_name(options.out.name + UNFINISHED)

    def describe() -> str:
        if any(entry.name.isdigit() for entry in save.glob("*")):
            return f"the same command resumes from {save}"
        return "nothing is saved, and the same command starts again"

    if save.exists():
        print(f"resuming from {save}; to train from the start, remove it", flush=True)
    with _signals.waiting(describe) as stop:
        model = TextModel.fit(
            *training,
            task=task,
            checkpoint=save,
            on_epoch=_print_losses if task == "regression" else _print_epoch,
            progress=False,
            stop=stop,
            **given,
        )
    trained = time.perf_counter()
    _print_kept(model.history)
    found = _measures.measure(model, test) if test else {}
    model.save(options.out, overwrite=options.overwrite)
    seconds = {"load": loaded - start, "train": trained - loaded}
    _write(options, model, {"test": found, "seconds": seconds, "data": options.data})
    shutil.rmtree(save, ignore_errors=True)
    if found:
        print(_measures.format_summary(found))
    print(f"wrote {options.out}: jaxembed predict {options.out} TEXT")


def _read(options: Train) -> tuple[text.LabelledTexts, text.LabelledTexts | None]:
    """Return texts to train on, and texts to test on or None."""
    parts = _data.load(options.data, options)
    if not 0 <= options.test_share < 1:
        raise ValueError(
            f"test_share must be from 0 to below 1, got {options.test_share}."
        )
    if options.test is not None:
        others = _data.load(options.test, options)
        return parts["train"], others.get("test", others["train"])
    if "test" in parts or not options.test_share:
        return parts["train"], parts.get("test")
    training, test = parts["train"].split(options.test_share, options.seed)
    if test.texts:
        return training, test
    print(
        f"no text is held out as a test: the table is too small for --test-share "
        f"{options.test_share:g} of each class; give more texts, or --test FILE",
        file=sys.stderr,
    )
    return training, None


def _check_labels(known: list, others: list, source: str) -> None:
    """Raise before the training if a test text has a label without training text."""
    names = {str(name) for label in known for name in _measures.as_list(label)}
    for label in others:
        for name in _measures.as_list(label):
            if str(name) not in names:
                raise ValueError(
                    f"{source} has the label {name!r} in a test text, and the training "
                    f"texts have the labels {', '.join(sorted(names)[:20])}."
                )


def _find_task(labels: list) -> str:
    if any(isinstance(label, list) for label in labels):
        return "multilabel"
    is_number = any(isinstance(label, float) for label in labels)
    return "regression" if is_number else "classification"


def _load_vectors(source: str, texts: list[str]) -> Any:
    """Return the vectors of the words of the texts."""
    words = text.Tokenizer().fit(texts).word_index
    return _words.load(source, vocabulary=words)


def _print_epoch(history: Any) -> None:
    last = {name: values[-1] for name, values in history.metrics().items()}
    numbers = ", ".join(f"{name} {value:.4f}" for name, value in last.items())
    print(f"epoch {len(history)}: {numbers}", flush=True)


def _print_losses(history: Any) -> None:
    _print_epoch(_drop_accuracy(history))


def _drop_accuracy(history: Any) -> Any:
    """Return the history of a regression, whose numbers are not right or wrong."""
    return dataclasses.replace(history, accuracy=[], val_accuracy=[])


def _find_kept(history: Any) -> int:
    """Return the number of the epoch whose weights the model has, from 1."""
    return 1 + history.best_epoch("val_loss") if history.val_loss else len(history)


def _print_kept(history: Any) -> None:
    reason = ", which has the lowest val_loss" if history.val_loss else ""
    print(f"kept the weights of epoch {_find_kept(history)}{reason}")


def _write(options: Train, model: Any, facts: dict[str, Any]) -> None:
    """Write metrics.json and the plots beside the files of the model."""
    from jaxembed import plot

    history, unit = model.history, "nats"
    if model.task == "regression":
        history, unit = _drop_accuracy(history), "variance of the numbers"
    facts["history"] = history.metrics()
    facts["kept_epoch"] = _find_kept(history)
    with _io.replace(options.out / "metrics.json") as beside:
        beside.write_text(json.dumps(facts, indent=2) + "\n")
    try:
        title = f"TextModel, {options.data}, seed {options.seed}"
        plot.curves(history, options.out / "history.png", title, loss_unit=unit)
        if bins := facts["test"].get("calibration"):
            _measures.draw_calibration(bins, options.out / "calibration.png")
    except ImportError as error:
        print(f"no plots: {error}", file=sys.stderr)


COMMANDS = {"train": (Train, run)}
