"""NgramIndex, compared with counts in Python dictionaries."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxembed import text

TEXTS = st.lists(st.lists(st.integers(0, 6), max_size=8), min_size=1, max_size=6)
ORDERS = st.sets(st.integers(1, 4), min_size=1)


def list_ngrams(ids, orders):
    """Return the distinct n-grams of one text."""
    return {
        tuple(ids[i : i + n]) for n in orders for i in range(max(len(ids) - n + 1, 0))
    }


def count_texts(texts, orders):
    return Counter(gram for ids in texts for gram in list_ngrams(ids, orders))


@given(texts=TEXTS, orders=ORDERS, min_count=st.integers(1, 3))
def test_rows_are_the_ngrams_in_enough_texts_by_falling_count(texts, orders, min_count):
    counts = count_texts(texts, orders)
    kept = {gram: n for gram, n in counts.items() if n >= min_count}
    if not kept:
        with pytest.raises(ValueError, match=f"min_count={min_count} of the"):
            text.NgramIndex.fit(texts, orders=sorted(orders), min_count=min_count)
        return
    index = text.NgramIndex.fit(texts, orders=sorted(orders), min_count=min_count)
    named = {index.ngram(row): int(index.counts[row]) for row in range(1, index.n_rows)}
    assert named == kept
    assert index.counts[1:].tolist() == sorted(kept.values(), reverse=True)


@given(texts=TEXTS, others=TEXTS, orders=ORDERS, form=st.sampled_from([list, "ragged"]))
def test_a_text_has_the_rows_of_its_ngrams(texts, others, orders, form):
    if not count_texts(texts, orders):
        return
    index = text.NgramIndex.fit(texts, orders=sorted(orders), min_count=1)
    rows = {index.ngram(row): row for row in range(1, index.n_rows)}
    expected = [
        sorted(rows[gram] for gram in list_ngrams(ids, orders) if gram in rows)
        for ids in others
    ]
    given_form = others if form is list else text.Ragged.from_lists(others)
    assert index.encode(given_form).tolist() == expected
    assert index.encode(given_form, 3).tolist() == [ids[:3] for ids in expected]


@given(texts=TEXTS, others=TEXTS, orders=ORDERS, min_count=st.integers(1, 3))
def test_the_ends_of_a_text_are_words_of_longer_ngrams(
    texts, others, orders, min_count
):
    end = 2**31
    bounded = [
        [[end, *ids, end] if ids else [] for ids in part] for part in (texts, others)
    ]
    counts = count_texts(bounded[0], orders)
    kept = {g: n for g, n in counts.items() if n >= min_count and g != (end,)}
    if not kept:
        return
    settings = {"orders": sorted(orders), "min_count": min_count, "ends": True}
    fitted = text.NgramIndex.fit(texts, **settings)
    index = text.NgramIndex.from_arrays(fitted.to_arrays())
    rows = {index.ngram(row): row for row in range(1, index.n_rows)}
    assert {gram: int(index.counts[row]) for gram, row in rows.items()} == kept
    assert index.encode(others).tolist() == [
        sorted(rows[gram] for gram in list_ngrams(ids, orders) if gram in rows)
        for ids in bounded[1]
    ]


def test_ngrams_of_large_ids_do_not_collide():
    """Ids up to 2**31 - 1 are numbered densely, so that keys fit into 64 bits."""
    big = 2**31 - 1
    texts = [[big, 0, big, big - 1], [0, big, 0, 7]]
    index = text.NgramIndex.fit(texts, orders=(4, 2), min_count=1)
    named = {index.ngram(row) for row in range(1, index.n_rows)}
    assert named == set(count_texts(texts, (2, 4)))
    assert index.orders == (2, 4)


def test_a_text_without_ngrams_has_no_rows():
    index = text.NgramIndex.fit([[1, 2], [1, 2]], orders=(2,))
    assert index.encode([[], [1], [2, 1], [1, 2]]).tolist() == [[], [], [], [1]]
    assert len(index.encode([])) == 0


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"orders": ()}, ValueError, "at least one number of words"),
        ({"orders": (0,)}, ValueError, "orders must be at least 1, got 0"),
        ({"orders": (1.5,)}, TypeError, "orders must be an integer"),
        ({"min_count": 0}, ValueError, "min_count must be at least 1"),
        ({"min_count": 3}, ValueError, "lower min_count"),
        ({"ids": [[1, -2]]}, ValueError, "ids must not be negative, got -2"),
        ({"ids": [[1.5]]}, TypeError, "ids must be integers"),
    ],
)
def test_fit_refuses(change, error, words):
    arguments = {"ids": [[1, 2], [1, 2]]} | change
    with pytest.raises(error, match=words):
        text.NgramIndex.fit(arguments.pop("ids"), **arguments)


def test_encode_and_ngram_refuse():
    index = text.NgramIndex.fit([[1, 2], [1, 2]])
    with pytest.raises(ValueError, match="ids must not be negative, got -1"):
        index.encode([[-1]])
    with pytest.raises(ValueError, match="length must be at least 0"):
        index.encode([[1]], -1)
    for row in (0, -1, index.n_rows):
        with pytest.raises(IndexError, match=f"row {row} is not from 1 to 3"):
            index.ngram(row)


def test_the_arrays_make_the_same_index():
    index = text.NgramIndex.fit([[1, 2, 3, 1], [1, 2, 3]], orders=(1, 3))
    arrays = index.to_arrays()
    assert set(arrays) == {
        "counts",
        "level_1",
        "level_2",
        "level_3",
        "rows_1",
        "rows_3",
    }
    again = text.NgramIndex.from_arrays(arrays)
    texts = [[1, 2, 3], [3, 1]]
    assert again.orders == index.orders
    assert again.encode(texts) == index.encode(texts)
    named = [[i.ngram(row) for row in range(1, i.n_rows)] for i in (index, again)]
    assert named[0] == named[1]


@pytest.mark.parametrize(
    "change",
    [
        {"level_1": np.array([2, 1, 3])},
        {"level_1": np.array([1.0, 2.0, 3.0])},
        {"rows_1": np.array([1, 2, 9], np.int32)},
        {"rows_1": np.array([1, 2], np.int32)},
        {"rows_1": np.array([1, 1, 2], np.int32)},
        {"counts": np.array([0, 2])},
        {"level_2": np.zeros(0, np.int64)},
    ],
)
def test_from_arrays_refuses_arrays_that_do_not_fit(change):
    arrays = text.NgramIndex.fit([[1, 2, 3], [1, 2, 3]], orders=(1, 2)).to_arrays()
    with pytest.raises(ValueError, match="are not those of an NgramIndex"):
        text.NgramIndex.from_arrays(arrays | change)


def test_from_arrays_names_a_missing_array():
    with pytest.raises(ValueError, match="counts"):
        text.NgramIndex.from_arrays({"level_1": np.array([1])})


def test_texts_in_place_of_ids_and_a_number_in_place_of_orders_are_refused():
    with pytest.raises(TypeError, match="got the text 'a b': use Tokenizer.encode"):
        text.NgramIndex.fit(["a b"])
    with pytest.raises(TypeError, match=r"orders .* such as \(2,\), got 2"):
        text.NgramIndex.fit([[1, 2], [1, 2]], orders=2)
