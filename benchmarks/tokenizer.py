"""Numbering the words of reviews, against Keras.

Run:     python -m benchmarks.tokenizer --data aclImdb_v1.tar.gz
         python -m benchmarks.tokenizer --batch-sizes 1000
Prints:  JSON lines for each batch size: of fit, of encode, and of both.

A batch is of training reviews drawn at random, at most as many as there are. The rows
of a workload are ``num_words``; its other sizes are not used.
"""

import collections
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.harness import options
from benchmarks.harness.lines import Lines
from benchmarks.harness.turns import Call, measure
from benchmarks.peers.available import find_peers
from benchmarks.peers.keras_notebook import fit_tokenizer
from jaxembed import text

BATCH_SIZES = (1_000, 5_000, 25_000)
FILTERS = text.Tokenizer().filters
Texts = Sequence[str]
Way = tuple[Callable[[Texts, int], Any], Callable[[Any, Texts], Any]]  # fit, encode


def main(argv: list[str] | None = None) -> None:
    """Check all ways, then time them in turns, for all sizes."""
    parser = options.make_parser(
        __doc__, peers=("keras",), workloads=("first",), batch_sizes=BATCH_SIZES
    )
    parser.add_argument("--data", default="synthetic", help="a folder or an archive")
    arguments = parser.parse_args(argv)
    lines = options.open_lines(arguments)
    ways: dict[str, Way] = {
        "jaxembed": (
            lambda texts, num_words: text.Tokenizer(num_words).fit(texts),
            text.Tokenizer.encode,
        )
    }
    if "keras" in find_peers(arguments.peers, "tokenizer", lines):
        ways["keras"] = (
            fit_tokenizer,
            lambda tokenizer, texts: tokenizer.texts_to_sequences(texts),
        )
    reviews = text.load_imdb(arguments.data).train_texts
    order = np.random.default_rng(0).permutation(len(reviews)).tolist()
    sizes = [min(size, len(reviews)) for size in arguments.batch_sizes]
    for workload in arguments.workload:
        for batch_size in dict.fromkeys(sizes):
            texts = [reviews[number] for number in order[:batch_size]]
            facts = {"workload": workload.name, "batch_size": batch_size}
            time_texts(ways, texts, workload.rows, arguments.seconds, lines, **facts)


def time_texts(
    ways: dict[str, Way],
    texts: Texts,
    num_words: int,
    budget_s: float,
    lines: Lines,
    **facts: Any,
) -> None:
    """Time fit, encode and both for texts."""
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
    """Number words, and return their numbers and the ids, in plain Python."""
    table = str.maketrans(dict.fromkeys(FILTERS, " "))
    split = [one.lower().translate(table).split(" ") for one in texts]
    split = [[word for word in words if word] for words in split]
    counts = collections.Counter(word for words in split for word in words)
    # Sorting keeps the order of equal counts, in which the words first appeared.
    ordered = sorted(counts, key=counts.__getitem__, reverse=True)
    numbers = [(word, number) for number, word in enumerate(ordered, 1)]
    kept = dict(numbers[: max(num_words - 1, 0)])
    return numbers, [[kept[word] for word in words if word in kept] for words in split]


def check(name: str, found: list, expected: list) -> None:
    """Stop at any difference."""
    if found != expected:
        raise SystemExit(f"{name}: wrong, and there is nothing to time.")


if __name__ == "__main__":
    main()
