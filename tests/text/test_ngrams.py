"""N-grams and distinct ids, compared with loops over Python lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxembed import text

TEXTS = st.lists(st.lists(st.integers(0, 40), max_size=8), max_size=5)


def mix(hashed):
    """Apply MurmurHash3's finalizer to a Python integer."""
    hashed = (hashed + 0x9E3779B9) & 0xFFFFFFFF
    hashed = ((hashed ^ (hashed >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
    hashed = ((hashed ^ (hashed >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
    return hashed ^ (hashed >> 16)


def hash_run(words):
    hashed = 0
    for word in words:
        hashed = mix(hashed ^ word)
    return hashed


@given(texts=TEXTS, n=st.integers(1, 4), buckets=st.integers(1, 2**31))
def test_ngrams_are_those_of_a_loop(texts, n, buckets):
    expected = [
        [hash_run(ids[i : i + n]) % buckets for i in range(len(ids) - n + 1)]
        for ids in texts
    ]
    for form in (texts, text.Ragged.from_lists(texts)):
        hashed = text.hash_ngrams(form, n, buckets)
        assert hashed.tolist() == expected
        assert hashed.values.dtype == np.int32


def test_the_buckets_are_filled_evenly_and_order_counts():
    first, second = np.meshgrid(np.arange(1, 301), np.arange(1, 301))
    pairs = np.stack([first.ravel(), second.ravel()], 1)
    hashed = text.hash_ngrams(list(pairs), 2, 2**16).values
    counts = np.bincount(hashed, minlength=2**16)
    mean = hashed.size / 2**16
    assert abs(counts.var() / mean - 1) < 0.05  # as for a Poisson distribution
    one, other = text.hash_ngrams([[5, 9], [9, 5]], 2, 2**31).values
    assert one != other


def test_the_hash_is_the_same_for_ever():
    assert text.hash_ngrams([[1, 2, 3]], 2, 2**20).tolist() == [[907913, 463675]]


@given(parts=st.lists(TEXTS, min_size=1, max_size=3))
def test_distinct_ids_are_those_of_sets(parts):
    n_texts = min(len(texts) for texts in parts)
    parts = [texts[:n_texts] for texts in parts]
    together = zip(*parts, strict=True)
    expected = [sorted({i for ids in same for i in ids}) for same in together]
    ragged = [text.Ragged.from_lists(texts) for texts in parts]
    assert text.distinct_ids(*ragged).tolist() == expected


def test_lists_are_taken():
    assert text.distinct_ids([[4, 4]], [[2]]).tolist() == [[2, 4]]


def test_refusals():
    with pytest.raises(TypeError, match="float"):
        text.hash_ngrams([[1]], 2.0, 5)
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        text.hash_ngrams([[1]], 0, 5)
    for buckets in (0, 2**31 + 1):
        with pytest.raises(ValueError, match=f"buckets must be .*got {buckets}"):
            text.hash_ngrams([[1]], 2, buckets)
    with pytest.raises(TypeError, match="integers"):
        text.hash_ngrams([[1.5]], 2, 5)
    one, two = (text.Ragged.from_lists([[1]] * k) for k in (1, 2))
    with pytest.raises(ValueError, match=r"the same number of texts, got \[1, 2\]"):
        text.distinct_ids(one, two)
    with pytest.raises(ValueError, match="negative, got -3"):
        text.distinct_ids(text.Ragged.from_lists([[-3]]))


def test_distinct_ids_of_many_texts_are_those_of_each(monkeypatch):
    """Texts are sorted in groups; ids may be so large that a group is one text."""
    from jaxembed.text import _ngrams

    monkeypatch.setattr(_ngrams, "SORTED_AT_ONCE", 20)
    rng = np.random.default_rng(0)
    for size in (5, 1000, 2**31 - 1):
        lists = [rng.integers(0, size, n).tolist() for n in rng.integers(0, 9, 40)]
        expected = [sorted(set(ids)) for ids in lists]
        assert text.distinct_ids(lists).tolist() == expected
        assert text.distinct_ids(lists[:1]).tolist() == expected[:1]
    assert text.distinct_ids([]).tolist() == []
