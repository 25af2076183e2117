"""Analogies: accuracy on questions of the form "a is to b as c is to ?"."""

import dataclasses
import itertools
from pathlib import Path
from typing import TypeAlias

import jax
import numpy as np

from jaxembed.geometry import _questions, _search
from jaxembed.geometry._table import UnitTable, unit_table
from jaxembed.vectors import WordVectors

Question: TypeAlias = tuple[str, str, str, str]
# gensim also looks for the answer among the 5 nearest words.
N_CANDIDATES = 5


@dataclasses.dataclass(frozen=True)
class Section:
    """Answered questions of one section.

    Attributes:
      correct: questions with the correct answer; the words are in upper case if case
        is ignored.
      incorrect: the remaining questions.
    """

    correct: tuple[Question, ...]
    incorrect: tuple[Question, ...]

    @property
    def accuracy(self) -> float:
        """Share of correct answers; 0 for a section without questions."""
        n_questions = len(self.correct) + len(self.incorrect)
        return len(self.correct) / n_questions if n_questions else 0.0

    def __repr__(self) -> str:
        n_questions = len(self.correct) + len(self.incorrect)
        return f"Section({len(self.correct):,} of {n_questions:,} correct)"


@dataclasses.dataclass(frozen=True)
class Analogies:
    """Answers to a file of analogies.

    Attributes:
      sections: answers by section. Sections of the same name are merged.
      n_skipped: number of questions skipped because of an unknown word.
      n_malformed: number of lines that are neither empty nor a question.
    """

    sections: dict[str, Section]
    n_skipped: int
    n_malformed: int

    @property
    def n_correct(self) -> int:
        """Number of questions answered correctly."""
        return sum(len(section.correct) for section in self.sections.values())

    @property
    def n_questions(self) -> int:
        """Number of questions answered, without the skipped ones."""
        n_incorrect = sum(len(section.incorrect) for section in self.sections.values())
        return self.n_correct + n_incorrect

    @property
    def accuracy(self) -> float:
        """Share of correct answers; 0 without questions."""
        return self.n_correct / self.n_questions if self.n_questions else 0.0


def evaluate_analogies(
    word_vectors: WordVectors | UnitTable,
    path: str | Path,
    restrict_vocab: int | None = 300_000,
    case_insensitive: bool = True,
    method: str = "add",
    unknown: str = "skip",
) -> Analogies:
    r"""Answer the analogies of a file, and compare with the expected answers.

    The results equal those of gensim's ``evaluate_word_analogies``. For "a is to b as c
    is to ?", the candidates are the five words nearest to b - a + c, except a, b and c.
    The answer is the nearest candidate that differs from a, b and c. With
    ``case_insensitive``, "King" and "king" are equal.

    Args:
      word_vectors: word vectors. Words made of subwords alone are unknown here.
      path: UTF-8 text file with a question ``a b c d`` on each line, below lines
        ``: section``.
      restrict_vocab: number of rows to use, from the first row; words of later rows
        count as unknown and are never answers. None for all words.
      case_insensitive: whether to compare words in upper case. If several words become
        equal, the vector of the first one is used.
      method: "add" for 3CosAdd, "mul" for 3CosMul; see :func:`most_similar` and
        :func:`most_similar_cosmul`. gensim always uses 3CosAdd.
      unknown: "skip" skips questions with an unknown word; "wrong" counts them as
        incorrect, like gensim's ``dummy4unknown``.

    Returns:
      The answers by section.

    Raises:
      OSError: if the file cannot be read.
      TypeError: if ``restrict_vocab`` is not an integer.
      ValueError: if the file is not UTF-8, a question precedes the first section,
        ``restrict_vocab`` is below 1, or ``method`` or ``unknown`` is invalid.

    Example:
      >>> import tempfile
      >>> matrix = np.array([[0, 1], [1, 1], [0, 3], [2, 2], [1, 0]], np.float32)
      >>> vectors = WordVectors(["man", "king", "woman", "queen", "up"], matrix)
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = Path(folder, "questions.txt")
      ...     _ = path.write_text(": family\nman king woman queen\nman king boy girl")
      ...     answers = evaluate_analogies(vectors, path)
      >>> answers.accuracy, answers.n_skipped, answers.sections
      (1.0, 1, {'family': Section(1 of 1 correct)})
    """
    if method not in _SCORES:
        raise ValueError(f"method must be {' or '.join(_SCORES)}, got {method!r}.")
    _questions.check_unknown(unknown, ("skip", "wrong"))
    questions, n_malformed = _read_questions(path, case_insensitive)
    table = unit_table(word_vectors, restrict_vocab)
    rows_of, forms = _questions.number_forms(
        table.word_vectors, len(table), case_insensitive
    )
    everything = itertools.chain.from_iterable(questions.values())
    words = itertools.chain.from_iterable(everything)
    # Iterators of C: a Python loop took as long as all the arithmetic.
    numbers = map(rows_of.get, words, itertools.repeat(-1))
    rows = np.fromiter(numbers, np.int32).reshape(-1, 4)
    is_known = (rows >= 0).all(axis=1)
    is_correct = np.zeros(len(rows), bool)
    is_correct[is_known] = _answer(table, forms, rows[is_known], _SCORES[method])
    is_asked = np.full(len(rows), unknown == "wrong")
    is_asked |= is_known
    sections = _split(questions, is_correct.tolist(), is_asked.tolist())
    return Analogies(sections, int((~is_asked).sum()), n_malformed)


def _read_questions(
    path: str | Path, case_insensitive: bool
) -> tuple[dict[str, list[Question]], int]:
    """Read the questions of each section, and count the malformed lines."""
    sections: dict[str, list[Question]] = {}
    section: list[Question] | None = None
    n_malformed = 0
    # Not splitlines, which also splits at a form feed.
    for number, line in enumerate(_questions.read_text(path).split("\n"), 1):
        if line.startswith(": "):
            section = sections.setdefault(line.lstrip(": ").strip(), [])
            continue
        words = (line.upper() if case_insensitive else line).split()
        if not words:
            continue
        if section is None:
            raise ValueError(
                f"{path}:{number} must be a line ': section', got {line[:80]!r}: each "
                "question needs a section above it."
            )
        if len(words) == 4:
            section.append((words[0], words[1], words[2], words[3]))
        else:
            n_malformed += 1
    return sections, n_malformed


def _answer(
    table: UnitTable, forms: np.ndarray, rows: np.ndarray, score: _search.Score
) -> np.ndarray:
    """Return ``bool[N]``, True where the answer to a question is correct.

    Args:
      table: the words that are searched.
      forms: ``int32[R]``, for each word the first row with the same form.
      rows: ``int32[N, 4]``, rows of the words of each question.
      score: scoring function of the method.
    """
    if not len(rows):
        return np.zeros(0, bool)
    words, places = np.unique(rows[:, :3], return_inverse=True)
    places = places.reshape(-1, 3).astype(np.int32)
    if len(words) * len(table.rows) > _search.MAX_SCORES and len(rows) > 1:
        halves = np.array_split(rows, 2)
        return np.concatenate([_answer(table, forms, half, score) for half in halves])
    # Pad to a power of two, so that files of similar size share a program.
    words = np.resize(words, _search.power_of_two(len(words)))
    # Cosines once per word: a few hundred words make up thousands of questions.
    known = _cosines_of_rows(table.rows, words)
    asked, n_best = rows[:, :3], min(N_CANDIDATES, len(table))
    scores, best = _search.search(score, known, places, table, asked, n_best)
    is_there = ~np.isneginf(scores)  # False where the table has too few words
    candidates = np.where(is_there, forms[np.where(is_there, best, 0)], -1)
    is_proper = (candidates[:, :, None] != asked[:, None, :]).all(axis=2) & is_there
    # gensim answers with the last candidate if all are forms of words of the question.
    last = np.maximum(is_there.sum(axis=1) - 1, 0)
    chosen = np.where(is_proper.any(axis=1), is_proper.argmax(axis=1), last)
    return candidates[np.arange(len(rows)), chosen] == rows[:, 3]


def _split(
    questions: dict[str, list[Question]], is_correct: list[bool], is_asked: list[bool]
) -> dict[str, Section]:
    """Group the answered questions by section, from flags in the order of the file."""
    sections, start = {}, 0
    for name, of_section in questions.items():
        stop = start + len(of_section)
        answers: tuple[list[Question], list[Question]] = ([], [])
        for question, correct, asked in zip(
            of_section, is_correct[start:stop], is_asked[start:stop], strict=True
        ):
            if asked:
                answers[correct].append(question)
        sections[name] = Section(tuple(answers[True]), tuple(answers[False]))
        start = stop
    return sections


@jax.jit
def _cosines_of_rows(rows: jax.Array, places: jax.Array) -> jax.Array:
    return _search.cosines(rows, rows[places])


def _sum_scores(cosines: jax.Array, places: jax.Array) -> jax.Array:
    """Return the cosines with b - a + c, up to a factor that all words share."""
    a, b, c = (cosines[places[:, word]] for word in range(3))
    return b - a + c


def _product_scores(cosines: jax.Array, places: jax.Array) -> jax.Array:
    a, b, c = ((1 + cosines[places[:, word]]) / 2 for word in range(3))
    return b * c / (a + _search.EPSILON)


_SCORES = {"add": _sum_scores, "mul": _product_scores}
