"""Log-count ratios, compared with counts in Python dictionaries."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxembed import text


@given(
    texts=st.lists(st.sets(st.integers(1, 5)), min_size=2, max_size=8),
    alpha=st.sampled_from([0.5, 1.0]),
)
def test_ratios_are_those_of_naive_bayes(texts, alpha):
    labels = [place % 2 for place in range(len(texts))]
    rows = [sorted(ids) for ids in texts]
    ratios = text.log_count_ratios(rows, labels, n_rows=6, alpha=alpha)
    parts = [Counter(), Counter()]
    for ids, label in zip(rows, labels, strict=True):
        parts[label].update(ids)
    totals = [sum(part[row] + alpha for row in range(1, 6)) for part in parts]
    for row in range(1, 6):
        shares = [(p[row] + alpha) / n for p, n in zip(parts, totals, strict=True)]
        expected = math.log(shares[1] / shares[0])
        np.testing.assert_allclose(ratios[row], expected, rtol=1e-5, atol=1e-6)
    assert ratios[0] == 0
    assert ratios.dtype == np.float32


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": [0, 2]}, "labels must be 2 numbers 0 or 1"),
        ({"labels": [0]}, "labels must be 2 numbers 0 or 1"),
        ({"labels": [1, 1]}, "labels must have both classes"),
        ({"alpha": 0.0}, "alpha must be above 0"),
        ({"n_rows": 2}, "rows must be from 0 to n_rows - 1 = 1, got 1 to 2"),
    ],
)
def test_ratios_refuse(change, words):
    arguments = {"labels": [0, 1], "n_rows": 3} | change
    with pytest.raises(ValueError, match=words):
        text.log_count_ratios([[1], [2]], **arguments)
