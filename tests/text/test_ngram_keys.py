"""Counts of keys in texts, compared with sets."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxembed.text._ngram_keys import count_texts


@pytest.mark.parametrize("offset", [0, 2**62])  # 2**62 does not fit beside a text
@given(
    pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 4))),
    min_count=st.integers(1, 3),
)
def test_a_text_counts_once_for_a_key(offset, pairs, min_count):
    pairs = sorted(pairs, key=lambda pair: pair[0])
    texts, keys = np.array(pairs, np.int64).reshape(-1, 2).T
    keys = np.where(keys < 0, -1, keys + offset)
    kept = {
        (t, k) for t, k in zip(texts.tolist(), keys.tolist(), strict=True) if k >= 0
    }
    counts = Counter(key for _, key in kept)
    found, numbers = count_texts(keys, texts, min_count)
    assert found.tolist() == sorted(k for k, n in counts.items() if n >= min_count)
    assert numbers.tolist() == [counts[key] for key in found.tolist()]
