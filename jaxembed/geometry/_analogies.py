"""Analogies: how many questions "a is to b as c is to ?" the vectors answer."""

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
# gensim's: words that are looked at for one that may be the answer.
N_CANDIDATES = 5


@dataclasses.dataclass(frozen=True)
class Section:
    """The questions of one section, as words in upper case where case is ignored."""

    correct: tuple[Question, ...]
    incorrect: tuple[Question, ...]

    @property
    def accuracy(self) -> float:
        """The share of correct answers; 0 if nothing was asked."""
        n_questions = len(self.correct) + len(self.incorrect)
        return len(self.correct) / n_questions if n_questions else 0.0

    def __repr__(self) -> str:
        n_questions = len(self.correct) + len(self.incorrect)
        return f"Section({len(self.correct):,} of {n_questions:,} correct)"


@dataclasses.dataclass(frozen=True)
class Analogies:
    """The answers to a file of analogies.

    Attributes:
      sections: the answers by section; the ones of sections of one name together.
      n_skipped: questions that were left out for a word that is not known.
      n_malformed: lines that are no question, nor empty.
    """

    sections: dict[str, Section]
    n_skipped: int
    n_malformed: int

    @property
    def n_correct(self) -> int:
        """How many were answered correctly."""
        return sum(len(section.correct) for section in self.sections.values())

    @property
    def n_questions(self) -> int:
        """How many were asked: all that were not skipped."""
        n_incorrect = sum(len(section.incorrect) for section in self.sections.values())
        return self.n_correct + n_incorrect

    @property
    def accuracy(self) -> float:
        """The share of correct answers to all questions; 0 if none was asked."""
        return self.n_correct / self.n_questions if self.n_questions else 0.0


def evaluate_analogies(
    word_vectors: WordVectors | UnitTable,
    path: str | Path,
    restrict_vocab: int | None = 300_000,
    case_insensitive: bool = True,
    method: str = "add",
    unknown: str = "skip",
) -> Analogies:
    r"""How many analogies of a file the vectors get right, as gensim counts them.

    gensim's ``evaluate_word_analogies``. The answer to "a is to b as c is to ?" is the
    first of the 5 words nearest to b - a + c, those three rows aside, that is not a
    form of one of the three.

    Args:
      word_vectors: the words; questions are asked by their rows, not by subwords.
      path: a UTF-8 text of lines ``a b c d`` below lines ``: section``.
      restrict_vocab: how many words from the first on are known and may be answers;
        None for all.
      case_insensitive: whether words are compared in upper case; of those that become
        equal the first one's vector is used.
      method: "add" for 3CosAdd, "mul" for 3CosMul; see :func:`most_similar` and
        :func:`most_similar_cosmul`. gensim always takes the first.
      unknown: "skip" leaves out questions with a word that is not known, "wrong" counts
        them as answered wrongly, which is gensim's ``dummy4unknown``.

    Returns:
      The answers. Without any question that is covered the accuracy is 0.

    Raises:
      OSError: if the file cannot be read.
      TypeError: if ``restrict_vocab`` is not an integer.
      ValueError: if the file is not UTF-8 or has a question before its first section,
        or if an argument is none of the above.

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
    # In C throughout: in Python it took as long as all the arithmetic.
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
    """The questions of each section, and how many lines are none."""
    sections: dict[str, list[Question]] = {}
    section: list[Question] | None = None
    n_malformed = 0
    # Not splitlines, which also parts at a form feed.
    for number, line in enumerate(_questions.read_text(path).split("\n"), 1):
        if line.startswith(": "):
            section = sections.setdefault(line.lstrip(": ").strip(), [])
            continue
        words = (line.upper() if case_insensitive else line).split()
        if not words:
            continue
        if section is None:
            raise ValueError(
                f"{path}:{number} must be below a line ': section', got {line[:80]!r} "
                "before any."
            )
        if len(words) == 4:
            section.append((words[0], words[1], words[2], words[3]))
        else:
            n_malformed += 1
    return sections, n_malformed


def _answer(
    table: UnitTable, forms: np.ndarray, rows: np.ndarray, score: _search.Score
) -> np.ndarray:
    """Which questions are answered correctly, ``bool[N]``, of ``int32[N, 4]`` rows."""
    if not len(rows):
        return np.zeros(0, bool)
    words, places = np.unique(rows[:, :3], return_inverse=True)
    places = places.reshape(-1, 3).astype(np.int32)
    if len(words) * len(table.rows) > _search.MAX_SCORES and len(rows) > 1:
        halves = np.array_split(rows, 2)
        return np.concatenate([_answer(table, forms, half, score) for half in halves])
    words = np.resize(words, _search.power_of_two(len(words)))  # shapes that recur
    # The words of a file recur: a few hundred make its thousands of questions.
    known = _cosines_of_rows(table.rows, words)
    asked, n_best = rows[:, :3], min(N_CANDIDATES, len(table))
    scores, best = _search.search(score, known, places, table, asked, n_best)
    is_there = ~np.isneginf(scores)  # else there are fewer words than candidates
    candidates = np.where(is_there, forms[np.where(is_there, best, 0)], -1)
    is_proper = (candidates[:, :, None] != asked[:, None, :]).all(axis=2) & is_there
    # gensim's, where each candidate is a form of a word that was asked: the last one.
    last = np.maximum(is_there.sum(axis=1) - 1, 0)
    chosen = np.where(is_proper.any(axis=1), is_proper.argmax(axis=1), last)
    return candidates[np.arange(len(rows)), chosen] == rows[:, 3]


def _split(
    questions: dict[str, list[Question]], is_correct: list[bool], is_asked: list[bool]
) -> dict[str, Section]:
    """The answers by section, of those to all questions in order."""
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
    """Cosines with b - a + c but for its length, the same for all words."""
    a, b, c = (cosines[places[:, word]] for word in range(3))
    return b - a + c


def _product_scores(cosines: jax.Array, places: jax.Array) -> jax.Array:
    a, b, c = ((1 + cosines[places[:, word]]) / 2 for word in range(3))
    return b * c / (a + _search.EPSILON)


_SCORES = {"add": _sum_scores, "mul": _product_scores}
