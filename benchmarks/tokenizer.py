"""How long it takes to number the words of reviews, against Keras.

Run:     python -m benchmarks.tokenizer --data aclImdb_v1.tar.gz
         python -m benchmarks.tokenizer --batch-sizes 1000
Prints:  JSON lines for each batch size: of fit, of encode, and of both.

A batch is of training reviews drawn at random, and of all of them where there are not
as many. A workload has no table here: its rows are ``num_words``, the ids that are
given out, and its other sizes say nothing.
"""

import collections
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import _options, _peers, _timing
from benchmarks._lines import Lines
from jaxembed import text

BATCH_SIZES = (1_000, 5_000, 25_000)
FILTERS = text.Tokenizer().filters
Texts = Sequence[str]
Way = tuple[Callable[[Texts, int], Any], Callable[[Any, Texts], Any]]  # fit, encode


def main(argv: list[str] | None = None) -> None:
    """Checks both, then times them in turns, for all sizes."""
    parser = _options.make_parser(
        __doc__, peers=("keras",), workloads=("first",), batch_sizes=BATCH_SIZES
    )
    parser.add_argument("--data", default="embedded", help="a folder or an archive")
    arguments = parser.parse_args(argv)
    lines = _options.open_lines(arguments)
    ways: dict[str, Way] = {"jaxembed": (fit, text.Tokenizer.encode)}
    if "keras" in _peers.find_peers(arguments.peers, "tokenizer", lines):
        ways["keras"] = fit_keras, encode_keras
    reviews = text.load_imdb(arguments.data).train_texts
    order = np.random.default_rng(0).permutation(len(reviews)).tolist()
    sizes = [min(size, len(reviews)) for size in arguments.batch_sizes]
    for workload in arguments.workload:
        for batch_size in dict.fromkeys(sizes):
            texts = [reviews[number] for number in order[:batch_size]]
            facts = {"workload": workload.name, "batch_size": batch_size}
            time_texts(ways, texts, workload.rows, arguments.seconds, lines, facts)


def fit(texts: Texts, num_words: int) -> text.Tokenizer:
    """By jaxembed."""
    return text.Tokenizer(num_words).fit(texts)


def fit_keras(texts: Texts, num_words: int) -> Any:
    """By Keras, where it is no longer public."""
    from keras.src.legacy.preprocessing.text import Tokenizer

    tokenizer = Tokenizer(num_words)
    tokenizer.fit_on_texts(texts)
    return tokenizer


def encode_keras(tokenizer: Any, texts: Texts) -> list[list[int]]:
    """By the same."""
    return tokenizer.texts_to_sequences(texts)


def time_texts(
    ways: dict[str, Way],
    texts: Texts,
    num_words: int,
    budget_s: float,
    lines: Lines,
    facts: dict[str, Any],
) -> None:
    """All three questions for some texts."""
    fitted = {name: fit(texts, num_words) for name, (fit, _) in ways.items()}
    words, ids = number_plainly(texts, num_words)
    for name, (_, encode) in ways.items():
        check(f"the vocabulary of {name}", list(fitted[name].word_index.items()), words)
        check(f"the ids of {name}", list(map(list, encode(fitted[name], texts))), ids)
    facts |= {"num_words": num_words, "ids_given": sum(map(len, ids))}
    fits: dict[str, _timing.Call] = {}
    encodes: dict[str, _timing.Call] = {}
    both: dict[str, _timing.Call] = {}
    for name, (fit, encode) in ways.items():
        fits[name] = functools.partial(fit, texts, num_words)
        encodes[name] = functools.partial(encode, fitted[name], texts)
        both[name] = functools.partial(do_both, ways[name], texts, num_words)
    for what, calls in {"fit": fits, "encode": encodes, "fit and encode": both}.items():
        seconds = _timing.measure(calls, budget_s)
        lines.report(f"tokenizer: {what}", seconds, **facts)


def do_both(way: Way, texts: Texts, num_words: int) -> Any:
    """Texts to ids, without a tokenizer that has been there before."""
    fit, encode = way
    return encode(fit(texts, num_words), texts)


def number_plainly(
    texts: Texts, num_words: int
) -> tuple[list[tuple[str, int]], list[list[int]]]:
    """Words with their numbers, and the ids, in a few lines of Python."""
    table = str.maketrans(dict.fromkeys(FILTERS, " "))
    split = [one.lower().translate(table).split(" ") for one in texts]
    split = [[word for word in words if word] for words in split]
    counts = collections.Counter(word for words in split for word in words)
    # Sorting keeps the order of equal counts: that of their first appearance.
    ordered = sorted(counts, key=counts.__getitem__, reverse=True)
    numbers = [(word, number) for number, word in enumerate(ordered, 1)]
    kept = dict(numbers[: max(num_words - 1, 0)])
    return numbers, [[kept[word] for word in words if word in kept] for words in split]


def check(name: str, found: list, expected: list) -> None:
    """Refuses what differs anywhere."""
    if found != expected:
        raise SystemExit(f"{name}: wrong, and there is nothing to time.")


if __name__ == "__main__":
    main()
