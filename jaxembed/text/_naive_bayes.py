"""Naive Bayes: the log-count ratios of the rows of texts."""

import numpy as np
from numpy.typing import ArrayLike

from jaxembed.text._ngram_index import Sequences, as_ragged


def log_count_ratios(
    rows: Sequences, labels: ArrayLike, n_rows: int, *, alpha: float = 1.0
) -> np.ndarray:
    """Return the log-count ratio of each row, the weight of it in Naive Bayes.

    With p and q the numbers of texts of class 1 and of class 0 that have the row, plus
    ``alpha``, the ratio is ``log((p / sum(p)) / (q / sum(q)))``. A linear classifier on
    features times these ratios is NB-SVM (Wang and Manning 2012).

    Args:
      rows: distinct rows of N texts, see :meth:`NgramIndex.encode`.
      labels: ``int[N]``, 0 or 1; for C > 2 classes, call once for each class with
        ``labels == c``.
      n_rows: number of rows of the table, V.
      alpha: added to each number of texts; above 0.

    Returns:
      ``float32[V]``; 0 for row 0, which is padding.

    Raises:
      ValueError: if a label is neither 0 nor 1, a class has no text, a row is not in
        ``[0, V)``, or ``alpha`` is not above 0.

    Example:
      >>> log_count_ratios([[1, 2], [1], [2]], [1, 1, 0], n_rows=3).round(3)
      array([ 0.   ,  0.588, -0.511], dtype=float32)
    """
    texts, labels = as_ragged(rows), np.asarray(labels)
    if labels.shape != (len(texts),) or not np.isin(labels, (0, 1)).all():
        raise ValueError(
            f"labels must be {len(texts)} numbers 0 or 1, one for each text, got the "
            f"shape {list(labels.shape)} and the values {np.unique(labels)[:5]}."
        )
    if not 0 < np.count_nonzero(labels) < len(labels):
        raise ValueError("labels must have both classes, got one: add other texts.")
    if not alpha > 0:
        raise ValueError(f"alpha must be above 0, got {alpha}.")
    values = texts.values
    if values.size and not 0 <= values.min() <= values.max() < n_rows:
        raise ValueError(
            f"rows must be from 0 to n_rows - 1 = {n_rows - 1}, got {values.min()} to "
            f"{values.max()}."
        )
    is_one = np.repeat(labels.astype(bool), texts.lengths)
    p = np.bincount(values[is_one], minlength=n_rows) + float(alpha)
    q = np.bincount(values[~is_one], minlength=n_rows) + float(alpha)
    ratios = np.log(p / p[1:].sum()) - np.log(q / q[1:].sum())
    ratios[0] = 0
    return ratios.astype(np.float32)
