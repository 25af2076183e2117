r"""Geometry: nearest words and analogies, against gensim and NumPy.

Run:     python -m benchmarks.geometry
         python -m benchmarks.geometry --large
         python -m benchmarks.geometry --vectors glove.6B.100d.txt.gz \
             --questions questions-words.txt
Prints:  JSON lines of two measurements. Nearest words: find the ten words nearest to
         each word of a batch, in the table of random vectors of each workload.
         Analogies: answer all questions of a file by 3CosAdd; the accuracy is printed
         too.

gensim answers the words of a batch one after the other. NumPy uses one matrix product
and a partial sort. "jaxembed, most_similar" is the function of jaxembed with gensim's
interface, measured for batches of one word only.
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
from benchmarks.harness.plan import announce
from benchmarks.harness.turns import Call, measure, require_right, rotate
from benchmarks.harness.workloads import N_BATCHES, WORKLOADS, Workload, make_table
from benchmarks.peers import gensim
from benchmarks.peers.available import find_peers
from jaxembed import geometry, vectors

NEAREST, ANALOGIES = "geometry: most similar", "geometry: analogies"
BATCH_SIZES = (1, 16, 256)
TOPN = 10
N_CHECKED = 256  # words to check for a batch size; at least one batch
TOLERANCE = 1e-5  # of cosines; words with closer cosines may be in any order
MADE_UP = WORKLOADS["second"]  # table of the generated analogies
WORD_S = 4e-9  # seconds per word of a batch and number of the table, about
Way = Callable[[np.ndarray], Any]  # function of the rows of words, int[B]
ONE_BY_ONE = "jaxembed, most_similar"


def main(argv: list[str] | None = None) -> None:
    """Check and time nearest words, then analogies."""
    parser = options.make_parser(
        "geometry",
        __doc__,
        peers=("gensim", "numpy"),
        workloads=("second",),
        large=("400000x300x1",),
        batch_sizes=BATCH_SIZES,
    )
    add = parser.add_argument
    add("--vectors", metavar="FILE", help="File of word vectors; needs --questions.")
    add("--questions", metavar="FILE", help="File of analogies; needs --vectors.")
    words = "Number of word pairs in generated analogies, used without --questions; 0 "
    words += "to skip analogies."
    add("--pairs", type=int, default=60, help=words)
    arguments = parser.parse_args(argv)
    if (arguments.vectors is None) != (arguments.questions is None):
        parser.error("--vectors and --questions must be given together.")
    with options.open_lines(arguments) as lines:
        peers = find_peers(arguments.peers, "geometry", lines)
        n = len(arguments.workload) * len(arguments.batch_sizes) + 1
        seconds = 2 * n * arguments.seconds
        n_numbers = sum(workload.rows * workload.dim for workload in arguments.workload)
        seconds += WORD_S * sum(arguments.batch_sizes) * n_numbers
        announce(lines, arguments, peers, n_measurements=n, seconds=seconds)
        for workload in arguments.workload:
            n_scores = workload.rows * max(arguments.batch_sizes)
            n_bytes = 6 * workload.table_bytes + 16 * n_scores
            if lines.has_room(n_bytes, NEAREST, workload=workload.name):
                time_nearest(workload, peers, arguments, lines)
        time_all_analogies(arguments, peers, lines)


def time_all_analogies(
    arguments: argparse.Namespace, peers: Sequence[str], lines: Lines
) -> None:
    """Time the given analogies, or generated analogies."""
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
    """Time all batch sizes of a workload; each call takes the next batch."""
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
    """Return the implementations; each has its own copy of the unit vectors."""
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
    """Stop at words that are not the nearest, or at wrong cosines."""
    queries = to_unit(words.matrix[batch])
    best = find_best(queries, words.matrix, batch, topn=TOPN)
    for name, answer in answers.items():
        if isinstance(answer, tuple):
            cosines, rows = answer
        else:  # pairs of word and cosine
            cosines = np.array([[cosine for _, cosine in pairs] for pairs in answer])
            rows = np.array([[words.index[word] for word, _ in row] for row in answer])
        found = np.einsum("bd,bkd->bk", queries, to_unit(words.matrix[rows]))
        is_right = np.allclose(found, best, rtol=0, atol=TOLERANCE)
        is_right &= np.allclose(found, cosines, rtol=0, atol=TOLERANCE)
        is_right &= bool(np.all(np.diff(np.sort(rows, axis=1)) > 0))
        is_right &= not np.any(rows == batch[:, None])
        require_right(is_right, f"{NEAREST}: {name}")


def make_vectors(n_words: int, dim: int, n_pairs: int) -> vectors.WordVectors:
    """Make vectors; the first words form pairs with about the same difference."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(n_words, dim))
    matrix[1 : 2 * n_pairs : 2] = matrix[: 2 * n_pairs : 2] + matrix[-1]
    matrix[: 2 * n_pairs] += rng.normal(size=(2 * n_pairs, dim))
    words = [f"word{row}" for row in range(n_words)]
    return vectors.WordVectors(words, matrix.astype(np.float32))


def write_questions(path: Path, n_pairs: int) -> Path:
    """Write an analogy for each combination of two pairs."""
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
    """Check the answers of all implementations, then time them in turns."""
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
        *sections, _ = theirs.evaluate_word_analogies(path)[
            1
        ]  # the last section repeats all answers
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
