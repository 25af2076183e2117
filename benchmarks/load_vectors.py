"""How long word vectors take from a text file to a matrix, against gensim.

Run:     python -m benchmarks.load_vectors
         python -m benchmarks.load_vectors --vectors glove.6B.100d.txt
Prints:  a JSON line for each way: jaxembed, its cache, jaxembed with a vocabulary
         of 10,000 words, and gensim.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import _timing
from jaxembed import vectors

N_KEPT = 10_000


def main(argv: list[str] | None = None) -> None:
    """Checks that both give the same, then times them in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=Path, help="a text file without a header")
    parser.add_argument("--words", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args(argv)
    try:
        from gensim.models import KeyedVectors
    except ImportError:
        raise SystemExit("gensim is missing: pip install jaxembed[bench]") from None
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.vectors or write(Path(folder), arguments.words, arguments.dim)
        cache = Path(folder) / "cache"

        def gensim_load() -> KeyedVectors:
            return KeyedVectors.load_word2vec_format(str(path), no_header=True)

        theirs, ours = gensim_load(), vectors.load(path)
        rng = np.random.default_rng(0)
        kept = rng.choice(len(ours), min(N_KEPT, len(ours)), replace=False)
        vocabulary = [ours.words[i] for i in kept]
        ways: dict[str, Callable[[], vectors.WordVectors]] = {
            "jaxembed": lambda: vectors.load(path),
            "jaxembed, cached": lambda: vectors.load(path, cache_dir=cache),
            "jaxembed, vocabulary": lambda: vectors.load(path, vocabulary=vocabulary),
        }
        for name, load in ways.items():
            check(name, load(), theirs)
        seconds = _timing.alternate(ways | {"gensim": gensim_load}, arguments.repeats)
        facts = {"words": len(ours), "dim": ours.dim, "bytes": path.stat().st_size}
        _timing.report("load vectors from text", seconds, **facts)


def write(folder: Path, n_words: int, dim: int) -> Path:
    """A file of made-up vectors with five digits, as GloVe's have."""
    matrix = np.random.default_rng(0).normal(0, 0.4, (n_words, dim))
    path = folder / "made.txt"
    with path.open("w") as file:
        for i, row in enumerate(matrix):
            file.write(f"word{i} " + " ".join(f"{x:.5g}" for x in row) + "\n")
    return path


def check(name: str, ours: vectors.WordVectors, theirs: object) -> None:
    """Fails if a number differs by a bit."""
    rows = theirs[list(ours.words)]  # type: ignore[index]
    if not np.array_equal(ours.matrix, rows):
        raise SystemExit(f"{name} and gensim differ: there is nothing to time.")


if __name__ == "__main__":
    main()
