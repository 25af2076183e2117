"""How long the nearest words and the analogies take, against gensim and NumPy.

Run:     python -m benchmarks.geometry
         python -m benchmarks.geometry --vectors glove.6B.100d.txt.gz \
             --questions questions-words.txt
Prints:  JSON lines: the ten words nearest to each of a batch of words, for each
         workload, a table of made-up vectors; and the accuracy of 3CosAdd on a file of
         questions, on made-up ones or on those that are given.

gensim answers one word after the other, and NumPy by one matrix product and a partial
sort. ``jaxembed, most_similar`` is gensim's function, for batches of one word.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import _analogies, _memory, _options, _peers, _timing, _workloads
from benchmarks._lines import Lines
from benchmarks._programs import rotate
from benchmarks._workloads import Workload
from jaxembed import geometry, vectors

WHAT = "geometry: most similar"
BATCH_SIZES = (1, 16, 256)
TOPN = 10
N_CHECKED = 256  # words of a batch size, or one batch
BLOCK = 2**16  # rows in float64
TOLERANCE = 1e-5  # of cosines; nearer words may come in another order
MADE_UP = _workloads.WORKLOADS["second"]  # in which analogies are asked for
Way = Callable[[np.ndarray], Any]  # of the rows of words, int[B]
ONE_BY_ONE = "jaxembed, most_similar"


def main(argv: list[str] | None = None) -> None:
    """Both questions, their answers checked before."""
    parser = _options.make_parser(
        __doc__,
        peers=("gensim", "numpy"),
        workloads=("second", "400000x300x1"),
        batch_sizes=BATCH_SIZES,
    )
    parser.add_argument("--vectors", help="a file of vectors, for --questions")
    parser.add_argument("--questions", help="a file of analogies, for --vectors")
    parser.add_argument("--pairs", type=int, default=60, help="of made-up analogies")
    arguments = parser.parse_args(argv)
    if (arguments.vectors is None) != (arguments.questions is None):
        parser.error("--vectors and --questions are given both, or none of them.")
    lines = _options.open_lines(arguments)
    peers = _peers.find_peers(arguments.peers, "geometry", lines)
    for workload in arguments.workload:
        ask_for_nearest(workload, peers, arguments, lines)
    ask_analogies(peers, arguments, lines)


def ask_analogies(
    peers: Sequence[str], arguments: argparse.Namespace, lines: Lines
) -> None:
    """Those of a file, or made-up ones."""
    budget_s = arguments.seconds
    if arguments.vectors is not None:
        words, name = vectors.load(arguments.vectors), Path(arguments.vectors).name
        path = arguments.questions
        _analogies.measure(words, path, peers, budget_s, lines, name)
    elif arguments.pairs:
        words = _analogies.make_vectors(MADE_UP.rows, MADE_UP.dim, arguments.pairs)
        with tempfile.TemporaryDirectory() as folder:
            path = _analogies.write_questions(Path(folder, "made"), arguments.pairs)
            _analogies.measure(words, str(path), peers, budget_s, lines, MADE_UP.name)


def ask_for_nearest(
    workload: Workload,
    peers: Sequence[str],
    arguments: argparse.Namespace,
    lines: Lines,
) -> None:
    """All batch sizes of a workload."""
    n_scores = workload.rows * max(arguments.batch_sizes)
    lack = _memory.find_lack(6 * workload.table_bytes + 16 * n_scores)
    if lack is not None:
        lines.leave_out(WHAT, "all", lack, workload=workload.name)
        return
    names = [f"word{row}" for row in range(workload.rows)]
    words = vectors.WordVectors(names, _workloads.make_table(workload))
    ways = make_ways(words, peers)
    rng = np.random.default_rng(1)
    for batch_size in arguments.batch_sizes:
        shape = (_workloads.N_BATCHES, batch_size)
        batches = rng.integers(len(words), size=shape, dtype=np.int32)
        asked = {
            name: way
            for name, way in ways.items()
            if batch_size == 1 or name != ONE_BY_ONE
        }
        for batch in batches[: max(N_CHECKED // batch_size, 1)]:
            check(words, batch, {name: way(batch) for name, way in asked.items()})
        fewest = workload.table_bytes + batch_size * (workload.row_bytes + 8 * TOPN)
        lines.report(
            WHAT,
            measure(asked, batches, arguments.seconds),
            details={name: {"fewest_bytes": fewest} for name in asked},
            workload=workload.name,
            batch_size=batch_size,
        )


def measure(
    ways: dict[str, Way], batches: np.ndarray, budget_s: float
) -> _timing.Seconds:
    """Seconds of each way, with the next batch in each call."""

    def take(way: Way) -> Callable[[], Any]:
        return rotate(lambda number: way(batches[number]), len(batches))

    calls = {name: take(way) for name, way in ways.items()}
    return _timing.measure(calls, budget_s)


def make_ways(words: vectors.WordVectors, peers: Sequence[str]) -> dict[str, Way]:
    """All that can answer; each has its own copy of the vectors, at length 1."""
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
        theirs = _analogies.make_gensim(words)
        ways["gensim"] = lambda batch: [
            theirs.most_similar(words.words[row], topn=TOPN) for row in batch
        ]
    return ways


def find_nearest(unit: np.ndarray, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and rows of the nearest words, both ``[B, TOPN]``, by NumPy."""
    cosines = unit[batch] @ unit.T
    np.put_along_axis(cosines, batch[:, None], -np.inf, axis=1)
    rows = np.argpartition(cosines, -TOPN, axis=1)[:, -TOPN:]
    cosines = np.take_along_axis(cosines, rows, axis=1)
    order = np.argsort(-cosines, axis=1)
    cosines = np.take_along_axis(cosines, order, axis=1)
    return cosines, np.take_along_axis(rows, order, axis=1)


def check(
    words: vectors.WordVectors, batch: np.ndarray, answers: dict[str, Any]
) -> None:
    """Refuses other words, where they are not as near, and wrong cosines."""
    queries = to_unit(words.matrix[batch])
    best = find_best(queries, words.matrix, batch)
    for name, answer in answers.items():
        cosines, rows = read(answer, words)
        found = np.einsum("bd,bkd->bk", queries, to_unit(words.matrix[rows]))
        is_right = np.allclose(found, best, rtol=0, atol=TOLERANCE)
        is_right &= np.allclose(found, cosines, rtol=0, atol=TOLERANCE)
        is_right &= bool(np.all(np.diff(np.sort(rows, axis=1)) > 0))
        if not is_right or np.any(rows == batch[:, None]):
            raise SystemExit(f"{WHAT}: {name} is wrong: there is nothing to time.")


def read(answer: Any, words: vectors.WordVectors) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and rows, also where an answer is words with their cosines."""
    if isinstance(answer, tuple):
        return answer
    rows = [[words.index[word] for word, _ in pairs] for pairs in answer]
    return np.array([[cosine for _, cosine in pairs] for pairs in answer]), np.array(
        rows
    )


def find_best(queries: np.ndarray, matrix: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """``float64[B, TOPN]``: the highest cosines with words other than the query."""
    best = np.full((len(queries), TOPN), -np.inf)
    for start in range(0, len(matrix), BLOCK):  # in float64, all would be too large
        cosines = queries @ to_unit(matrix[start : start + BLOCK]).T
        is_here = (batch >= start) & (batch < start + BLOCK)
        cosines[is_here, batch[is_here] - start] = -np.inf
        best = np.concatenate([best, cosines], axis=1)
        best = np.partition(best, -TOPN, axis=1)[:, -TOPN:]
    return -np.sort(-best, axis=1)


def to_unit(rows: np.ndarray) -> np.ndarray:
    """``float64[..., D]`` of length 1."""
    rows = rows.astype(np.float64)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


if __name__ == "__main__":
    main()
