"""Ragged: a list of sequences in two arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxembed.text import Ragged

LISTS = st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=4), max_size=6)


@given(LISTS)
def test_reads_like_the_lists(lists):
    ragged = Ragged.from_lists(lists)
    assert ragged.tolist() == lists
    assert len(ragged) == len(lists)
    assert [ids.tolist() for ids in ragged] == lists
    assert [ragged[i].tolist() for i in range(-len(lists), 0)] == lists
    assert ragged[1:3].tolist() == lists[1:3]
    assert ragged[::-1].tolist() == lists[::-1]
    assert ragged.lengths.tolist() == [len(ids) for ids in lists]


@given(LISTS, st.data())
def test_take_and_keep(lists, data):
    ragged = Ragged.from_lists(lists)
    rows = data.draw(st.lists(st.integers(0, len(lists) - 1))) if lists else []
    assert ragged.take(np.array(rows, int)).tolist() == [lists[row] for row in rows]
    kept = ragged.keep(ragged.values % 2 == 0)
    assert kept.tolist() == [[i for i in ids if i % 2 == 0] for ids in lists]


@given(LISTS, LISTS)
def test_concatenate_and_equality(a, b):
    joined = Ragged.concatenate([Ragged.from_lists(a), Ragged.from_lists(b)])
    assert joined == Ragged.from_lists(a + b)
    assert (Ragged.from_lists(a) == Ragged.from_lists(b)) == (a == b)


@pytest.mark.parametrize("offsets", [[], [0], [1, 2], [0, 3], [0, 2, 1, 2]])
def test_offsets_that_do_not_fit_are_refused(offsets):
    with pytest.raises(ValueError, match="offsets must rise from 0 to .* 2, got"):
        Ragged(np.array([5, 6]), np.array(offsets, int))


def test_a_place_that_is_none_is_refused():
    with pytest.raises(IndexError, match="index 2 is out of range for length 2"):
        Ragged.from_lists([[1], [2]])[2]


def test_other_numbers_are_refused_and_not_cut():
    with pytest.raises(TypeError, match="ids must be integers, got float64"):
        Ragged.from_lists([[1], [1.7]])
    with pytest.raises(ValueError, match="must fit into 32 bits, got 1 to 4294967301"):
        Ragged.from_lists([[1], [2**32 + 5]])
    with pytest.raises(ValueError, match="must fit into 32 bits"):
        Ragged(np.array([2**31]), np.array([0, 1]))


def test_slices_are_those_of_the_list():
    lists = [[1, 2], [], [3], [4, 5, 6]]
    ragged = Ragged.from_lists(lists)
    for start in (None, 0, 1, 3, 9, -1):
        for end in (None, 0, 2, 4, -1):
            assert ragged[start:end].tolist() == lists[start:end]
            assert ragged[start:end:2].tolist() == lists[start:end:2]
    assert Ragged.from_lists([])[:3].tolist() == []
