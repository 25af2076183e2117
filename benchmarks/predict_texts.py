"""Prediction of texts: TextModel from raw texts to labels, against other libraries.

Run:     python -m benchmarks.predict_texts --data aclImdb_v1.tar.gz
         python -m benchmarks.predict_texts --batch-sizes 1 10000 --peers
Prints:  JSON lines for each number of texts: seconds from raw texts to labels, with
         tokenising, and texts_per_s.

"jaxembed" reads words and pairs of words, "jaxembed, words" words alone. fastText reads
words and pairs, which it parts at white space alone. model2vec computes the means of
the vectors of "jaxembed, words", and a linear layer on them. All are trained on half of
the reviews and must have an accuracy above 0.6 on the other half, which is predicted.
"""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.harness import options
from benchmarks.harness.lines import Lines
from benchmarks.harness.plan import announce
from benchmarks.harness.turns import LEAST, Call, measure, require_right
from benchmarks.peers import fasttext, model2vec
from benchmarks.peers.available import find_peers
from jaxembed import TextModel, text

WHAT = "predict_texts"
BATCH_SIZES = (1, 100, 10_000)
TEXT_S, TRAIN_S = 1e-3, 2e-3  # seconds of a text with all implementations, about
LEAST_ACCURACY = 0.6
Texts = list[str]
Way = Callable[[Texts], np.ndarray]  # texts to classes


def main(argv: list[str] | None = None) -> None:
    """Train all implementations, check their accuracy, and time their predictions."""
    parser = options.make_parser(
        WHAT,
        __doc__,
        peers=("fasttext", "model2vec"),
        workloads=("first",),
        large=(),
        batch_sizes=BATCH_SIZES,
    )
    words = "Source of the reviews: a folder, an archive, installed or synthetic."
    parser.add_argument("--data", default="synthetic", help=words)
    arguments = parser.parse_args(argv)
    with options.open_lines(arguments) as lines:
        peers = find_peers(arguments.peers, WHAT, lines)
        corpus = text.load_imdb(arguments.data)
        data = text.LabelledTexts(corpus.train_texts, corpus.train_labels.tolist())
        training, others = data.split(0.5)
        sizes = [min(size, len(others.texts)) for size in arguments.batch_sizes]
        least_s = (LEAST + 1) * TEXT_S * sum(sizes) + TRAIN_S * len(training.texts)
        seconds = max(1.5 * len(sizes) * arguments.seconds, least_s)
        announce(lines, arguments, peers, n_measurements=len(sizes), seconds=seconds)
        ways = make_ways(training, peers)
        check(ways, others)
        for size in dict.fromkeys(sizes):
            time_texts(ways, others.texts[:size], arguments.seconds, lines)


def make_ways(training: text.LabelledTexts, peers: Sequence[str]) -> dict[str, Way]:
    """Train the implementations."""
    texts, classes = training.texts, np.array(training.labels)
    bare = TextModel.fit(*training, word_ngrams=1)
    ways: dict[str, Way] = {
        "jaxembed": TextModel.fit(*training).predict,
        "jaxembed, words": bare.predict,
    }
    if "fasttext" in peers:
        ways["fasttext"] = make_fasttext(training)
    if "model2vec" in peers:
        learned = bare.vectors
        ways["model2vec"] = model2vec.make_classifier(
            learned.words, learned.matrix, texts, classes
        )
    return ways


def make_fasttext(training: text.LabelledTexts) -> Way:
    """Train fastText on words and pairs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.txt")
        order = np.random.default_rng(0).permutation(len(training.texts)).tolist()
        rows = [(training.labels[i], training.texts[i].splitlines()) for i in order]
        lines = (f"__label__{label} {' '.join(parts)}\n" for label, parts in rows)
        path.write_text("".join(lines), encoding="utf-8")
        return fasttext.make_classifier(path, {"wordNgrams": 2, "epoch": 10, "lr": 0.5})


def check(ways: dict[str, Way], others: text.LabelledTexts) -> None:
    """Stop unless all are accurate, and predict each text alone as with others."""
    expected = np.array(others.labels)
    for name, predict in ways.items():
        found = predict(others.texts)
        require_right(np.mean(found == expected) > LEAST_ACCURACY, name)
        alone = [predict([one])[0] for one in others.texts[:20]]
        require_right(list(found[:20]) == alone, f"{name}, one by one,")


def time_texts(
    ways: dict[str, Way], texts: Texts, budget_s: float, lines: Lines
) -> None:
    """Time the predictions of one number of texts, in turns."""
    calls: dict[str, Call] = {name: partial(way, texts) for name, way in ways.items()}
    seconds = measure(calls, budget_s)
    n_letters = sum(map(len, texts))
    lines.report(WHAT, seconds, batch_size=len(texts), letters=n_letters)


if __name__ == "__main__":
    main()
