"""Word pairs: correlation of cosines with human judgements of similarity."""

import dataclasses
import math
import warnings
from pathlib import Path

import numpy as np

from jaxembed.geometry import _questions
from jaxembed.geometry._similar import unit_vector
from jaxembed.geometry._table import count_words
from jaxembed.vectors import WordVectors


@dataclasses.dataclass(frozen=True)
class WordPairs:
    """Correlation of the cosines of word pairs with scores given by people.

    Attributes:
      pearson: Pearson's correlation.
      pearson_pvalue: two-sided p-value of Pearson's correlation.
      spearman: Spearman's rank correlation.
      spearman_pvalue: two-sided p-value of Spearman's correlation.
      missing: share of pairs with an unknown word, from 0 to 1. gensim's is a
        percentage.
      n_pairs: number of pairs compared.
      n_malformed: number of lines that are neither empty, a comment nor a pair.
    """

    pearson: float
    pearson_pvalue: float
    spearman: float
    spearman_pvalue: float
    missing: float
    n_pairs: int
    n_malformed: int


def evaluate_word_pairs(
    word_vectors: WordVectors,
    path: str | Path,
    delimiter: str = "\t",
    restrict_vocab: int | None = 300_000,
    case_insensitive: bool = True,
    unknown: str = "skip",
) -> WordPairs:
    r"""Correlate the cosines of the word pairs of a file with their scores.

    Equals gensim's ``evaluate_word_pairs``.

    Args:
      word_vectors: word vectors. Words made of subwords alone are unknown here.
      path: UTF-8 text file with two words and a number on each line. Lines that begin
        with ``#`` are comments.
      delimiter: text between the words and the number.
      restrict_vocab: number of rows to use, from the first row; words of later rows
        count as unknown. None for all words.
      case_insensitive: whether to compare words in upper case. If several words become
        equal, the vector of the first one is used.
      unknown: "skip" skips pairs with an unknown word; "zero" gives them a cosine of 0,
        like gensim's ``dummy4unknown``.

    Returns:
      The correlations. They are NaN, with a warning from SciPy, if all cosines or all
      scores are equal.

    Raises:
      OSError: if the file cannot be read.
      TypeError: if ``restrict_vocab`` is not an integer.
      ValueError: if the file is not UTF-8, fewer than two of its pairs can be compared,
        their scores or cosines are all equal, ``restrict_vocab`` is below 1,
        ``delimiter`` is empty, or ``unknown`` is invalid.

    Example:
      >>> import tempfile
      >>> matrix = np.array([[1, 9], [9, 1], [2, 9], [9, 8]], np.float32)
      >>> vectors = WordVectors(["good", "bad", "fine", "fair"], matrix)
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = Path(folder, "pairs.tsv")
      ...     _ = path.write_text("good\tfine\t9\ngood\tfair\t5\ngood\tbad\t1\n")
      ...     result = evaluate_word_pairs(vectors, path)
      >>> round(result.spearman, 6), round(result.pearson, 3), result.missing
      (1.0, 0.98, 0.0)
    """
    if not delimiter:
        raise ValueError("delimiter must not be empty: the default is a tab.")
    _questions.check_unknown(unknown, ("skip", "zero"))
    n_words = count_words(len(word_vectors), restrict_vocab)
    pairs, numbers, n_malformed = _read_pairs(path, delimiter, case_insensitive)
    rows_of, _ = _questions.number_forms(word_vectors, n_words, case_insensitive)
    found = [rows_of.get(word, -1) for pair in pairs for word in pair]
    rows = np.array(found, np.int64).reshape(-1, 2)
    is_known = (rows >= 0).all(axis=1)
    cosines = np.zeros(len(rows))
    cosines[is_known] = _cosines(word_vectors.matrix, rows[is_known])
    is_used = is_known if unknown == "skip" else np.ones_like(is_known)
    if is_used.sum() < 2:
        raise ValueError(
            f"{path} must have at least two pairs of known words, got "
            f"{is_used.sum()}: {(~is_known).sum()} pairs have an unknown word, and "
            f"{n_malformed} lines are not two words and a number separated by "
            f"{delimiter!r}."
        )
    try:
        correlations = _correlate(np.array(numbers)[is_used], cosines[is_used])
    except ValueError as error:
        raise ValueError(f"{path}: the scores and the cosines {error}") from error
    missing = float((~is_known).mean())
    return WordPairs(*correlations, missing, int(is_used.sum()), n_malformed)


def _read_pairs(
    path: str | Path, delimiter: str, case_insensitive: bool
) -> tuple[list[tuple[str, str]], list[float], int]:
    """Read the pairs and their scores, and count the malformed lines."""
    pairs, numbers, n_malformed = [], [], 0
    text = _questions.read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    for line in text.split("\n"):
        if line.startswith("#") or not line.strip():
            continue
        fields = (line.upper() if case_insensitive else line).split(delimiter)
        number = _read_number(fields[-1])
        if len(fields) == 3 and number is not None:
            pairs.append((fields[0], fields[1]))
            numbers.append(number)
        else:
            n_malformed += 1
    return pairs, numbers, n_malformed


def _read_number(field: str) -> float | None:
    """Return a finite number or None: one NaN would make every correlation NaN."""
    try:
        number = float(field)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _cosines(matrix: np.ndarray, rows: np.ndarray) -> np.ndarray:
    first, second = unit_vector(matrix[rows[:, 0]]), unit_vector(matrix[rows[:, 1]])
    return np.sum(first * second, axis=1)


def _correlate(
    numbers: np.ndarray, cosines: np.ndarray
) -> tuple[float, float, float, float]:
    from scipy import stats  # imported late: it takes longer than the evaluation

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            pearson = stats.pearsonr(numbers, cosines)
            spearman = stats.spearmanr(numbers, cosines)
        except RuntimeWarning as warning:  # constant input, or numbers that overflow
            raise ValueError(f"have no correlation: {warning}") from warning
    return (
        float(pearson.statistic),
        float(pearson.pvalue),
        float(spearman.statistic),
        float(spearman.pvalue),
    )
