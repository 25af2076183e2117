"""Load vectors: read word vectors from a text file, against gensim.

Run:     python -m benchmarks.load_vectors
         python -m benchmarks.load_vectors --vectors glove.6B.100d.txt
         python -m benchmarks.load_vectors --large --peers
Prints:  JSON lines of two measurements. The first loads all vectors of the file, by
         jaxembed, by jaxembed from its cache, and by gensim. The second loads the
         vectors of a vocabulary; the batch size is the number of its words.

A workload is a table of random vectors, which is first written to a temporary file (1
GB for the workload large). gensim cannot load a vocabulary: both measurements report
its time to load all vectors, which is minutes for the workload large.
"""

import argparse
import functools
import gzip
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import options
from benchmarks.harness.lines import AGAIN, Lines
from benchmarks.harness.machine import find_lack
from benchmarks.harness.plan import announce
from benchmarks.harness.turns import Call, Seconds, measure, require_right
from benchmarks.harness.workloads import Workload, make_table
from benchmarks.peers import gensim
from benchmarks.peers.available import find_peers
from jaxembed import vectors

BATCH_SIZES = (1_000, 10_000)
N_DIFFERENT = 5_000  # random vectors; further words repeat them
CHECKED_BYTES = 2**26  # bytes of the file whose vectors plain Python checks, about
GENSIM_S, OURS_S = 2e-5, 5e-6  # seconds per number of a file in all turns, about
WHAT = "load vectors"


def main(argv: list[str] | None = None) -> None:
    """Time a given file, or files of the workloads' sizes."""
    parser = options.make_parser(
        "load_vectors",
        __doc__,
        peers=("gensim",),
        workloads=("second",),
        large=("large",),
        batch_sizes=BATCH_SIZES,
    )
    words = "Text file of word vectors without a header line, plain or .gz. It is read "
    words += "instead of the workloads."
    parser.add_argument("--vectors", type=Path, metavar="FILE", help=words)
    arguments = parser.parse_args(argv)
    with options.open_lines(arguments) as lines:
        peers = find_peers(arguments.peers, WHAT, lines)
        if arguments.vectors is not None:
            n_files, n_numbers = 1, arguments.vectors.stat().st_size // 8
        else:
            n_files = len(arguments.workload)
            n_numbers = sum(one.rows * one.dim for one in arguments.workload)
        seconds = n_numbers * (OURS_S + GENSIM_S * len(peers))
        seconds += 1.5 * n_files * arguments.seconds
        n = n_files * (1 + len(arguments.batch_sizes))
        announce(lines, arguments, peers, n_measurements=n, seconds=seconds)
        time_files(bool(peers), arguments, lines)


def time_files(with_gensim: bool, arguments: argparse.Namespace, lines: Lines) -> None:
    """Time the given file, or write and time a file for each workload."""
    if arguments.vectors is not None:
        path = arguments.vectors
        time_file(path, path.name, with_gensim, arguments, lines)
        return
    for workload in arguments.workload:
        with tempfile.TemporaryDirectory() as folder:
            lack = find_reason(workload, Path(folder))
            if lack is None:
                path = write(Path(folder), workload)
                time_file(path, workload.name, with_gensim, arguments, lines)
            else:
                lines.leave_out(WHAT, "all", lack, workload=workload.name)


def find_reason(workload: Workload, folder: Path) -> str | None:
    """Return the reason why disk or memory does not suffice, or None."""
    n_bytes, free = 4 * workload.table_bytes, shutil.disk_usage(folder).free
    if n_bytes > free:
        return f"needs {n_bytes / 1e9:.1f} GB of disk: {free / 1e9:.1f} GB are free"
    return find_lack(5 * workload.table_bytes)


def write(folder: Path, workload: Workload) -> Path:
    """Write random vectors with five digits, as in GloVe's files."""
    n_different = min(
        N_DIFFERENT, workload.rows
    )  # to format all vectors would take minutes
    matrix = 0.4 * make_table(workload._replace(rows=n_different))
    numbers = [" ".join([f"{x:.5g}" for x in row]) + "\n" for row in matrix.tolist()]
    path = folder / "made.txt"
    with path.open("w") as file:
        for row in range(workload.rows):
            file.write(f"word{row} {numbers[row % n_different]}")
    return path


def time_file(
    path: Path,
    name: str,
    with_gensim: bool,
    arguments: argparse.Namespace,
    lines: Lines,
) -> None:
    """Check the vectors of all implementations, then time them in turns."""
    words, rows = read_plainly(path)
    order = np.random.default_rng(0).permutation(len(words)).tolist()
    sizes = dict.fromkeys(min(size, len(words)) for size in arguments.batch_sizes)
    with tempfile.TemporaryDirectory() as cache:
        ways: dict[str, Call] = {
            "jaxembed": lambda: vectors.load(path),
            "jaxembed, cached": lambda: vectors.load(path, cache_dir=cache),
        }
        if with_gensim:
            ways["gensim"] = lambda: gensim.load_file(path)
            rows = check("gensim", ways["gensim"](), words, rows)
        for way in ("jaxembed", "jaxembed, cached"):
            check(way, ways[way](), words, rows)
        for size in sizes:
            kept = [words[row] for row in order[:size]]
            load = functools.partial(vectors.load, path, vocabulary=kept)
            check(f"jaxembed with a vocabulary of {size} words", load(), kept, rows)
            ways |= {f"{size} words": load, f"{size} words, again": load}
        seconds = measure(ways, arguments.seconds)
    report(name, path, seconds, len(words), list(sizes), lines)


def report(
    name: str,
    path: Path,
    seconds: Seconds,
    n_words: int,
    sizes: Sequence[int],
    lines: Lines,
) -> None:
    """Write the lines of the whole file and of each vocabulary."""
    facts: Any = {"words": n_words, "bytes": path.stat().st_size}
    of_all = ("jaxembed", "jaxembed, cached", "gensim", AGAIN)
    found = {way: seconds[way] for way in of_all if way in seconds}
    lines.report(WHAT, found, workload=name, batch_size=n_words, **facts)
    for size in sizes:
        found = {"jaxembed": seconds[f"{size} words"]}
        if "gensim" in seconds:
            found["gensim"] = seconds["gensim"]
        found[AGAIN] = seconds[f"{size} words, again"]
        what = f"{WHAT} of a vocabulary"
        lines.report(what, found, workload=name, batch_size=size, **facts)


def read_plainly(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    """Read all words, and a sample of the vectors of a large file, in plain Python."""
    step = 1 + path.stat().st_size // CHECKED_BYTES
    opened: Any = gzip.open if path.suffix == ".gz" else open
    words: dict[str, int] = {}
    rows = {}
    with opened(path, "rt", encoding="utf-8", newline="\n") as file:
        dim = file.readline().count(" ")
        file.seek(0)
        for line in file:
            word, *numbers = line.rstrip("\n").rsplit(" ", dim)
            if word not in words and len(words) % step == 0:
                rows[word] = np.array(numbers, np.float32)
            words.setdefault(word, len(words))  # of equal words the first is kept
    return list(words), rows


def check(name: str, found: Any, words: Sequence[str], rows: Any) -> Any:
    """Stop at wrong words, or at vectors that differ from known rows in any bit.

    Args:
      name: Name of the implementation.
      found: Loaded vectors, by word.
      words: Expected words.
      rows: Expected vectors of some or all words, by word.

    Returns:
      ``found``.
    """
    known = [word for word in words if word in rows]
    is_right = len(getattr(found, "index_to_key", found)) == len(words)
    is_right = is_right and all(word in found for word in words)
    is_right = is_right and np.array_equal(
        [found[word] for word in known], [rows[word] for word in known]
    )
    require_right(is_right, name)
    return found


if __name__ == "__main__":
    main()
