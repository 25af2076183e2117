"""How long it takes to answer the questions of an analogy file, against gensim.

Run:     python -m benchmarks.geometry --vectors glove.6B.100d.txt.gz \
             --questions questions-words.txt
Prints:  a JSON line for 3CosAdd of jaxembed and of gensim, from file to accuracies.

Without files the vectors and the questions are made up.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import _timing
from jaxembed import geometry, vectors

N_WORDS, DIM = 10_000, 100


def make_vectors(n_pairs: int) -> vectors.WordVectors:
    """Words of which the first are pairs with about the same difference."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(N_WORDS, DIM))
    matrix[1 : 2 * n_pairs : 2] = matrix[: 2 * n_pairs : 2] + matrix[-1]
    matrix[: 2 * n_pairs] += rng.normal(size=(2 * n_pairs, DIM))
    words = [f"word{row}" for row in range(N_WORDS)]
    return vectors.WordVectors(words, matrix.astype(np.float32))


def write_questions(path: Path, n_pairs: int) -> Path:
    """Each two of the pairs, as a question."""
    lines = [": made up"]
    for a in range(0, 2 * n_pairs, 2):
        for c in range(0, 2 * n_pairs, 2):
            if a != c:
                lines.append(f"word{a} word{a + 1} word{c} word{c + 1}")
    path.write_text("\n".join(lines))
    return path


def check(ours: geometry.Analogies, theirs: list[dict]) -> None:
    """Refuses answers that differ in any question."""
    sections = {s["section"]: (s["correct"], s["incorrect"]) for s in theirs[:-1]}
    found = {
        name: (list(section.correct), list(section.incorrect))
        for name, section in ours.sections.items()
    }
    if found != sections:
        raise SystemExit("the answers differ: there is nothing to time.")


def main(argv: list[str] | None = None) -> None:
    """Checks that both give the same, then times them in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors")
    parser.add_argument("--questions")
    parser.add_argument("--pairs", type=int, default=60, help="of made-up words")
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args(argv)
    if (arguments.vectors is None) != (arguments.questions is None):
        parser.error("--vectors and --questions are given both, or none of them.")
    try:
        from gensim.models import KeyedVectors
    except ImportError:
        raise SystemExit("gensim is missing: pip install jaxembed[bench]") from None
    path = arguments.vectors
    words = make_vectors(arguments.pairs) if path is None else vectors.load(path)
    theirs = KeyedVectors(words.dim)
    theirs.add_vectors(list(words.words), words.matrix)
    with tempfile.TemporaryDirectory() as folder:
        made = write_questions(Path(folder, "questions.txt"), arguments.pairs)
        questions = str(arguments.questions or made)
        result = geometry.evaluate_analogies(words, questions)
        check(result, theirs.evaluate_word_analogies(questions)[1])
        calls = {
            "jaxembed": lambda: geometry.evaluate_analogies(words, questions),
            "gensim": lambda: theirs.evaluate_word_analogies(questions),
        }
        seconds = _timing.alternate(calls, arguments.repeats)
    facts = {"questions": result.n_questions, "skipped": result.n_skipped}
    sizes = {"words": len(words), "dim": words.dim, "accuracy": result.accuracy}
    _timing.report("geometry: analogies", seconds, **facts, **sizes)


if __name__ == "__main__":
    main()
