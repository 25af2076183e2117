"""Tokenizer: convert the words of reviews to ids, against Keras.

Run:     python -m benchmarks.tokenizer --data aclImdb_v1.tar.gz
         python -m benchmarks.tokenizer --batch-sizes 1000
Prints:  JSON lines of three measurements for each batch size: fit the tokenizer, encode
         the reviews, and both together.

A batch is a random sample of the training reviews. Only the number of rows of a
workload has an effect: it is num_words of the tokenizer.
"""

import collections
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.harness import options
from benchmarks.harness.lines import Lines
from benchmarks.harness.plan import announce
from benchmarks.harness.turns import LEAST, Call, measure, require_right
from benchmarks.peers.available import find_peers
from benchmarks.peers.keras_notebook import fit_tokenizer
from jaxembed import text

BATCH_SIZES = (1_000, 5_000, 25_000)
FILTERS = text.Tokenizer().filters
REVIEW_S = 7e-4  # seconds of a review in all measurements, with Keras, about
Texts = Sequence[str]
Way = tuple[Callable[[Texts, int], Any], Callable[[Any, Texts], Any]]  # fit, encode


def main(argv: list[str] | None = None) -> None:
    """Check all implementations, then time them in turns, for all sizes."""
    parser = options.make_parser(
        "tokenizer",
        __doc__,
        peers=("keras",),
        workloads=("first",),
        large=(),
        batch_sizes=BATCH_SIZES,
    )
    words = "Source of the reviews: a folder, an archive, or synthetic."
    parser.add_argument("--data", default="synthetic", help=words)
    arguments = parser.parse_args(argv)
    with options.open_lines(arguments) as lines:
        peers = find_peers(arguments.peers, "tokenizer", lines)
        reviews = text.load_imdb(arguments.data).train_texts
        order = np.random.default_rng(0).permutation(len(reviews)).tolist()
        sizes = dict.fromkeys(min(size, len(reviews)) for size in arguments.batch_sizes)
        n = 3 * len(arguments.workload) * len(sizes)
        least_s = (LEAST + 1) * REVIEW_S * len(arguments.workload) * sum(sizes)
        seconds = max(1.5 * n * arguments.seconds, least_s)
        announce(lines, arguments, peers, n_measurements=n, seconds=seconds)
        for workload in arguments.workload:
            for batch_size in sizes:
                texts = [reviews[number] for number in order[:batch_size]]
                how = workload.rows, arguments.seconds, lines
                facts = {"workload": workload.name, "batch_size": batch_size}
                time_texts(make_ways(peers), texts, *how, **facts)


def make_ways(peers: Sequence[str]) -> dict[str, Way]:
    """Return the implementations to measure."""
    ways: dict[str, Way] = {
        "jaxembed": (
            lambda texts, num_words: text.Tokenizer(num_words).fit(texts),
            text.Tokenizer.encode,
        )
    }
    if "keras" in peers:
        ways["keras"] = (
            fit_tokenizer,
            lambda tokenizer, texts: tokenizer.texts_to_sequences(texts),
        )
    return ways


def time_texts(
    ways: dict[str, Way],
    texts: Texts,
    num_words: int,
    budget_s: float,
    lines: Lines,
    **facts: Any,
) -> None:
    """Check and time fit, encode and both on texts."""
    words, ids = number_plainly(texts, num_words)
    calls: dict[str, dict[str, Call]] = {"fit": {}, "encode": {}, "fit and encode": {}}
    for name, (fit, encode) in ways.items():
        fitted = fit(texts, num_words)
        check(f"the vocabulary of {name}", list(fitted.word_index.items()), words)
        check(f"the ids of {name}", list(map(list, encode(fitted, texts))), ids)
        calls["fit"][name] = partial(fit, texts, num_words)
        calls["encode"][name] = partial(encode, fitted, texts)
        calls["fit and encode"][name] = partial(do_both, ways[name], texts, num_words)
    facts |= {"num_words": num_words, "ids_given": sum(map(len, ids))}
    for what, of_all in calls.items():
        lines.report(f"tokenizer: {what}", measure(of_all, budget_s), **facts)


def do_both(way: Way, texts: Texts, num_words: int) -> Any:
    """Turn texts into ids with a new tokenizer."""
    fit, encode = way
    return encode(fit(texts, num_words), texts)


def number_plainly(
    texts: Texts, num_words: int
) -> tuple[list[tuple[str, int]], list[list[int]]]:
    """Return the number of each word and the ids of each text, in plain Python."""
    table = str.maketrans(dict.fromkeys(FILTERS, " "))
    split = [one.lower().translate(table).split(" ") for one in texts]
    split = [[word for word in words if word] for words in split]
    counts = collections.Counter(word for words in split for word in words)
    # sorted is stable: words of equal count keep the order of first appearance.
    ordered = sorted(counts, key=counts.__getitem__, reverse=True)
    numbers = [(word, number) for number, word in enumerate(ordered, 1)]
    kept = dict(numbers[: max(num_words - 1, 0)])
    return numbers, [[kept[word] for word in words if word in kept] for words in split]


def check(name: str, found: list, expected: list) -> None:
    """Stop at any difference."""
    require_right(found == expected, name)


if __name__ == "__main__":
    main()
