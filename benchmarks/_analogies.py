"""The questions of an analogy file: made up, answered by all, checked, and timed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import _timing
from benchmarks._lines import Lines
from jaxembed import geometry, vectors

WHAT = "geometry: analogies"
N_KNOWN = 300_000  # words from the first on; jaxembed's and gensim's default
N_CANDIDATES = 5  # gensim's
AT_ONCE = 256  # questions to NumPy
Question = tuple[str, ...]
Sections = dict[str, tuple[list[Question], list[Question]]]  # correct ones, and others


def make_vectors(n_words: int, dim: int, n_pairs: int) -> vectors.WordVectors:
    """Words of which the first are pairs with about the same difference."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(n_words, dim))
    matrix[1 : 2 * n_pairs : 2] = matrix[: 2 * n_pairs : 2] + matrix[-1]
    matrix[: 2 * n_pairs] += rng.normal(size=(2 * n_pairs, dim))
    words = [f"word{row}" for row in range(n_words)]
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


def measure(
    words: vectors.WordVectors,
    path: str | Path,
    peers: Sequence[str],
    budget_s: float,
    lines: Lines,
    workload: str,
) -> None:
    """Checks that all give the same answers, then times them in turns."""
    expected = answer_plainly(words, path)
    result = geometry.evaluate_analogies(words, path)
    check("jaxembed", read_ours(result), expected)
    calls: dict[str, _timing.Call] = {
        "jaxembed": lambda: geometry.evaluate_analogies(words, path)
    }
    if "gensim" in peers:
        theirs = make_gensim(words)
        calls["gensim"] = lambda: theirs.evaluate_word_analogies(path)
        check("gensim", read_gensim(theirs.evaluate_word_analogies(path)[1]), expected)
    lines.report(
        WHAT,
        _timing.measure(calls, budget_s),
        workload=workload,
        batch_size=result.n_questions,
        skipped=result.n_skipped,
        accuracy=result.accuracy,
    )


def make_gensim(words: vectors.WordVectors) -> Any:
    """The same vectors, in gensim."""
    from gensim.models import KeyedVectors

    theirs = KeyedVectors(words.dim)
    theirs.add_vectors(list(words.words), words.matrix)
    theirs.fill_norms()
    return theirs


def read_ours(answers: geometry.Analogies) -> Sections:
    """The answers of jaxembed."""
    return {
        name: (list(section.correct), list(section.incorrect))
        for name, section in answers.sections.items()
    }


def read_gensim(sections: list[dict[str, Any]]) -> Sections:
    """The answers of gensim, but for the last section, which has them all again."""
    return {
        section["section"]: (section["correct"], section["incorrect"])
        for section in sections[:-1]
    }


def answer_plainly(words: vectors.WordVectors, path: str | Path) -> Sections:
    """The answers by NumPy in float64."""
    forms = [word.upper() for word in words.words[:N_KNOWN]]
    row_of: dict[str, int] = {}
    first = np.array([row_of.setdefault(form, row) for row, form in enumerate(forms)])
    rows = words.matrix[:N_KNOWN].astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    sections: Sections = {}
    asked: list[tuple[str, Question]] = []
    for line in Path(path).read_text("utf-8").split("\n"):
        question = tuple(line.upper().split())
        if line.startswith(": "):
            name = line[2:].strip()
            sections.setdefault(name, ([], []))
        elif len(question) == 4 and all(word in row_of for word in question):
            asked.append((name, question))
    for start in range(0, len(asked), AT_ONCE):
        some = asked[start : start + AT_ONCE]
        found = np.array([[row_of[word] for word in words] for _, words in some])
        answers = first[find_nearest(rows, first, found[:, :3])] == found[:, 3]
        for (name, question), is_correct in zip(some, answers, strict=True):
            sections[name][0 if is_correct else 1].append(question)
    return sections


def find_nearest(rows: np.ndarray, first: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The row nearest to b - a + c that is no form of a, b or c.

    Args:
      rows: ``float64[V, D]`` of length 1.
      first: ``int[V]``, the first row of each word's form.
      asked: ``int[n, 3]``, the rows of a, b and c.

    Returns:
      ``int[n]``.
    """
    a, b, c = rows[asked.T]
    scores = (b - a + c) @ rows.T
    np.put_along_axis(scores, asked, -np.inf, axis=1)
    best = np.argpartition(scores, -N_CANDIDATES)[:, -N_CANDIDATES:]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1))
    best = np.take_along_axis(best, order, axis=1)
    is_proper = (first[best][:, :, None] != asked[:, None, :]).all(axis=2)
    return best[np.arange(len(best)), is_proper.argmax(axis=1)]


def check(name: str, found: Sections, expected: Sections) -> None:
    """Refuses answers that differ in any question."""
    if found != expected:
        raise SystemExit(f"{WHAT}: {name} is wrong: there is nothing to time.")
