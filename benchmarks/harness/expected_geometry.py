"""Expected geometry: nearest words and analogies by NumPy in float64."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

N_KNOWN = 300_000  # first words of the table; the default of jaxembed and gensim
N_CANDIDATES = 5  # as in gensim
AT_ONCE = 256  # questions in one matrix product
BLOCK = 2**16  # rows converted to float64 at a time
Question = tuple[str, ...]
Sections = dict[str, tuple[list[Question], list[Question]]]  # right and wrong questions


def to_unit(rows: np.ndarray) -> np.ndarray:
    """Return ``float64[..., D]`` rows of length 1."""
    rows = rows.astype(np.float64)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def find_best(
    queries: np.ndarray, matrix: np.ndarray, batch: np.ndarray, *, topn: int
) -> np.ndarray:
    """Return the highest cosines of each query with other words.

    Args:
      queries: ``float64[B, D]`` of length 1.
      matrix: ``float32[V, D]``.
      batch: ``int32[B]``, the row of each query.
      topn: Number of words per query.

    Returns:
      ``float64[B, topn]``, in descending order.
    """
    best = np.full((len(queries), topn), -np.inf)
    # In blocks, since the whole table in float64 is too large.
    for start in range(0, len(matrix), BLOCK):
        cosines = queries @ to_unit(matrix[start : start + BLOCK]).T
        is_here = (batch >= start) & (batch < start + BLOCK)
        cosines[is_here, batch[is_here] - start] = -np.inf
        best = np.concatenate([best, cosines], axis=1)
        best = np.partition(best, -topn, axis=1)[:, -topn:]
    return -np.sort(-best, axis=1)


def find_highest(scores: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the n highest scores of each row and their columns, both ``[B, n]``."""
    columns = np.argpartition(scores, -n, axis=1)[:, -n:]
    best = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-best, axis=1)
    return (
        np.take_along_axis(best, order, axis=1),
        np.take_along_axis(columns, order, axis=1),
    )


def answer_analogies(
    words: Sequence[str], matrix: np.ndarray, path: str | Path
) -> Sections:
    """Answer the questions of a file of analogies; return the right and wrong ones."""
    forms = [word.upper() for word in words[:N_KNOWN]]
    row_of: dict[str, int] = {}
    first = np.array([row_of.setdefault(form, row) for row, form in enumerate(forms)])
    rows = to_unit(matrix[:N_KNOWN])
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
        answers = first[find_fourth(rows, first, found[:, :3])] == found[:, 3]
        for (name, question), is_right in zip(some, answers, strict=True):
            sections[name][0 if is_right else 1].append(question)
    return sections


def find_fourth(rows: np.ndarray, first: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the row nearest to b - a + c, except the words a, b and c.

    Args:
      rows: ``float64[V, D]`` of length 1.
      first: ``int[V]``, the first row with the same upper-case word.
      asked: ``int[n, 3]``, rows of a, b and c.

    Returns:
      ``int[n]``.
    """
    a, b, c = rows[asked.T]
    scores = (b - a + c) @ rows.T
    np.put_along_axis(scores, asked, -np.inf, axis=1)
    _, best = find_highest(scores, N_CANDIDATES)
    is_proper = (first[best][:, :, None] != asked[:, None, :]).all(axis=2)
    return best[np.arange(len(best)), is_proper.argmax(axis=1)]
