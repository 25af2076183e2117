"""Nearest words and analogies, against gensim and NumPy.

Run:     python -m benchmarks.geometry
         python -m benchmarks.geometry --vectors glove.6B.100d.txt.gz \
             --questions questions-words.txt
Prints:  JSON lines: the ten words nearest to each word of a batch, for each workload, a
         table of made-up vectors; and the answers of 3CosAdd to a file of analogies,
         made-up or given, with their accuracy.

gensim answers one word after the other; NumPy by one matrix product and a partial sort.
``jaxembed, most_similar`` is gensim's function, for batches of one word.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import options
from benchmarks.harness.expected_geometry import (
    Sections,
    answer_analogies,
    find_best,
    find_highest,
    to_unit,
)
from benchmarks.harness.lines import Lines
from benchmarks.harness.turns import Call, measure, require_right, rotate
from benchmarks.harness.workloads import N_BATCHES, WORKLOADS, Workload, make_table
from benchmarks.peers import gensim
from benchmarks.peers.available import find_peers
from jaxembed import geometry, vectors

NEAREST, ANALOGIES = "geometry: most similar", "geometry: analogies"
BATCH_SIZES = (1, 16, 256)
TOPN = 10
N_CHECKED = 256  # words of a batch size, or one batch
TOLERANCE = 1e-5  # of cosines; nearer words may come in another order
MADE_UP = WORKLOADS["second"]  # the table of made-up analogies
Way = Callable[[np.ndarray], Any]  # of the rows of words, int[B]
ONE_BY_ONE = "jaxembed, most_similar"


def main(argv: list[str] | None = None) -> None:
    """Check the answers to both questions, then time them."""
    parser = options.make_parser(
        __doc__,
        peers=("gensim", "numpy"),
        workloads=("second", "400000x300x1"),
        batch_sizes=BATCH_SIZES,
    )
    parser.add_argument("--vectors", help="a file of vectors, for --questions")
    parser.add_argument("--questions", help="a file of analogies, for --vectors")
    parser.add_argument("--pairs", type=int, default=60, help="made-up analogies")
    arguments = parser.parse_args(argv)
    if (arguments.vectors is None) != (arguments.questions is None):
        parser.error("--vectors and --questions: give both, or neither.")
    lines = options.open_lines(arguments)
    peers = find_peers(arguments.peers, "geometry", lines)
    for workload in arguments.workload:
        n_scores = workload.rows * max(arguments.batch_sizes)
        n_bytes = 6 * workload.table_bytes + 16 * n_scores
        if lines.has_room(n_bytes, NEAREST, workload=workload.name):
            time_nearest(workload, peers, arguments, lines)
    how: Any = peers, arguments.seconds, lines
    if arguments.vectors is not None:
        words = vectors.load(arguments.vectors)
        name = Path(arguments.vectors).name
        time_analogies(words, arguments.questions, *how, workload=name)
    elif arguments.pairs:
        words = make_vectors(MADE_UP.rows, MADE_UP.dim, arguments.pairs)
        with tempfile.TemporaryDirectory() as folder:
            path = write_questions(Path(folder, "made"), arguments.pairs)
            time_analogies(words, str(path), *how, workload=MADE_UP.name)


def time_nearest(
    workload: Workload,
    peers: Sequence[str],
    arguments: argparse.Namespace,
    lines: Lines,
) -> None:
    """Time all batch sizes of a workload, each call with the next batch."""
    names = [f"word{row}" for row in range(workload.rows)]
    words = vectors.WordVectors(names, make_table(workload))
    ways = make_ways(words, peers)
    rng = np.random.default_rng(1)
    for batch_size in arguments.batch_sizes:
        shape = (N_BATCHES, batch_size)
        batches = rng.integers(len(words), size=shape, dtype=np.int32)
        asked = dict(ways)
        if batch_size > 1:
            del asked[ONE_BY_ONE]
        for batch in batches[: max(N_CHECKED // batch_size, 1)]:
            check(words, batch, {name: way(batch) for name, way in asked.items()})
        runs = {name: _take(way, batches) for name, way in asked.items()}
        fewest = workload.table_bytes + batch_size * (workload.row_bytes + 8 * TOPN)
        lines.report(
            NEAREST,
            measure(runs, arguments.seconds),
            details={name: {"fewest_bytes": fewest} for name in asked},
            workload=workload.name,
            batch_size=batch_size,
        )


def _take(way: Way, batches: np.ndarray) -> Call:
    return rotate(lambda number: way(batches[number]), len(batches))


def make_ways(words: vectors.WordVectors, peers: Sequence[str]) -> dict[str, Way]:
    """Return all ways to answer; each has its own copy of the vectors, at length 1."""
    table = geometry.unit_table(words)

    def nearest(batch: np.ndarray) -> Any:
        queries, exclude = words.matrix[batch], batch[:, None]
        return geometry.nearest(table, queries, TOPN, exclude)

    def most_similar(batch: np.ndarray) -> Any:
        names = [words.words[row] for row in batch]
        return [geometry.most_similar(table, name, topn=TOPN) for name in names]

    ways: dict[str, Way] = {"jaxembed": nearest, ONE_BY_ONE: most_similar}
    if "numpy" in peers:
        unit = words.matrix / np.linalg.norm(words.matrix, axis=1, keepdims=True)
        ways["numpy"] = lambda batch: find_nearest(unit, batch)
    if "gensim" in peers:
        theirs = gensim.make_vectors(words)
        ways["gensim"] = lambda batch: [
            theirs.most_similar(words.words[row], topn=TOPN) for row in batch
        ]
    return ways


def find_nearest(unit: np.ndarray, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find cosines and rows of the nearest words, both ``[B, TOPN]``, by NumPy."""
    cosines = unit[batch] @ unit.T
    np.put_along_axis(cosines, batch[:, None], -np.inf, axis=1)
    return find_highest(cosines, TOPN)


def check(
    words: vectors.WordVectors, batch: np.ndarray, answers: dict[str, Any]
) -> None:
    """Stop at words that are not as near as the nearest, or at wrong cosines."""
    queries = to_unit(words.matrix[batch])
    best = find_best(queries, words.matrix, batch, topn=TOPN)
    for name, answer in answers.items():
        if isinstance(answer, tuple):
            cosines, rows = answer
        else:  # words with their cosines
            cosines = np.array([[cosine for _, cosine in pairs] for pairs in answer])
            rows = np.array([[words.index[word] for word, _ in row] for row in answer])
        found = np.einsum("bd,bkd->bk", queries, to_unit(words.matrix[rows]))
        is_right = np.allclose(found, best, rtol=0, atol=TOLERANCE)
        is_right &= np.allclose(found, cosines, rtol=0, atol=TOLERANCE)
        is_right &= bool(np.all(np.diff(np.sort(rows, axis=1)) > 0))
        is_right &= not np.any(rows == batch[:, None])
        require_right(is_right, f"{NEAREST}: {name}")


def make_vectors(n_words: int, dim: int, n_pairs: int) -> vectors.WordVectors:
    """Make vectors; the first words are pairs with about the same difference."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(n_words, dim))
    matrix[1 : 2 * n_pairs : 2] = matrix[: 2 * n_pairs : 2] + matrix[-1]
    matrix[: 2 * n_pairs] += rng.normal(size=(2 * n_pairs, dim))
    words = [f"word{row}" for row in range(n_words)]
    return vectors.WordVectors(words, matrix.astype(np.float32))


def write_questions(path: Path, n_pairs: int) -> Path:
    """Write a question for each two of the pairs."""
    pairs = [f"word{row} word{row + 1}" for row in range(0, 2 * n_pairs, 2)]
    questions = [f"{a} {b}" for a in pairs for b in pairs if a != b]
    path.write_text("\n".join([": made up", *questions]))
    return path


def time_analogies(
    words: vectors.WordVectors,
    path: str | Path,
    peers: Sequence[str],
    budget_s: float,
    lines: Lines,
    *,
    workload: str,
) -> None:
    """Check that all give the same answers, then time them in turns."""
    expected = answer_analogies(words.words, words.matrix, path)
    result = geometry.evaluate_analogies(words, path)
    found: Sections = {
        name: (list(section.correct), list(section.incorrect))
        for name, section in result.sections.items()
    }
    require_right(found == expected, f"{ANALOGIES}: jaxembed")
    calls: dict[str, Call] = {
        "jaxembed": lambda: geometry.evaluate_analogies(words, path)
    }
    if "gensim" in peers:
        theirs = gensim.make_vectors(words)
        calls["gensim"] = lambda: theirs.evaluate_word_analogies(path)
        *sections, _ = theirs.evaluate_word_analogies(path)[1]  # the last has them all
        found = {
            section["section"]: (section["correct"], section["incorrect"])
            for section in sections
        }
        require_right(found == expected, f"{ANALOGIES}: gensim")
    lines.report(
        ANALOGIES,
        measure(calls, budget_s),
        workload=workload,
        batch_size=result.n_questions,
        skipped=result.n_skipped,
        accuracy=result.accuracy,
    )


if __name__ == "__main__":
    main()
